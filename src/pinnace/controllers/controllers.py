"""The part: a selection of controllers on shared informers, run until cancelled."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.metrics import Family
from pinnace.component.tasks import keep_running
from pinnace.controllers.accounts import client_of
from pinnace.controllers.catalog import CATALOG, ControllersConfig, Parts, Runnable, select
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.metrics import LoopMetrics, families


class Controllers:
    """Raises UnknownController when the configuration selects what does not exist; the publisher of the root CA and
    the signer of certificates are left out when there is no CA to publish or to sign with, the provisioner without a directory."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: ControllersConfig | None = None,
        informers: Informers | None = None,
    ) -> None:
        """`informers` may be shared with other parts; whoever shares them runs them."""
        self.config = config or ControllersConfig()
        self._clock = clock
        self._owns_informers = informers is None
        self.informers = informers or Informers(client, clock)
        parts = Parts(client, clock, self.informers, Directory(client), self.config)
        chosen = select(self.config.controllers, list(CATALOG))
        if not self.config.root_ca and "root-ca-certificate-publisher" in chosen:
            chosen.remove("root-ca-certificate-publisher")
        if self.config.cluster_signing_key_file is None and "certificatesigningrequest-signing" in chosen:
            chosen.remove("certificatesigningrequest-signing")
        if self.config.local_path is None and "local-path-provisioner" in chosen:
            chosen.remove("local-path-provisioner")
        if not self.config.csi_controllers and "csi" in chosen:
            chosen.remove("csi")
        if self.config.node_ipam is None and "node-ipam" in chosen:
            chosen.remove("node-ipam")
        if self.config.service_balancer is None and "service-lb" in chosen:
            chosen.remove("service-lb")
        self.running: dict[str, Runnable] = {}
        for name in chosen:
            own = client_of(name, client) if self.config.use_service_account_credentials else client
            self.running[name] = CATALOG[name](replace(parts, client=own))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._owns_informers:
                tasks.create_task(self.informers.run(), name="controllers: informers")
            for name, controller in self.running.items():
                tasks.create_task(
                    keep_running(f"controller {name}", controller.run, self._clock),
                    name=f"controller {name}",
                )

    def metrics(self) -> Iterator[Family]:
        """Of every controller that counts its passes."""
        loops = (
            loop
            for controller in self.running.values()
            for loop in getattr(controller, "loops", (controller,))
        )
        counted = (getattr(loop, "metrics", None) for loop in loops)
        yield from families(each for each in counted if isinstance(each, LoopMetrics))
