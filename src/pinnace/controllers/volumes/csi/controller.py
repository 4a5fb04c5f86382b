"""csi: for each controller socket that the server was given, the parts of that driver's controller that it can."""

import asyncio
import logging
from functools import partial

from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.component.tracing import Tracer
from pinnace.controllers.volumes.csi.attacher import Attacher
from pinnace.controllers.volumes.csi.capacity import Capacities
from pinnace.controllers.volumes.csi.driver import Driver, meet
from pinnace.controllers.volumes.csi.provisioner import Provisioner
from pinnace.controllers.volumes.csi.resizer import Resizer
from pinnace.net.csi.client import CALL_SECONDS, Endpoint
from pinnace.net.csi.messages import ControllerCapability
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class CsiControllers:
    name = "csi"

    def __init__(
        self,
        client: Client,
        clock: Clock,
        informers: Informers,
        endpoints: tuple[str, ...],
        seconds: float = CALL_SECONDS,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._client, self._clock, self._informers = client, clock, informers
        self._endpoints = [Endpoint(one, seconds) for one in endpoints]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for endpoint in self._endpoints:
                serve = partial(self._serve, endpoint)
                tasks.create_task(keep_running(f"CSI controller {endpoint.path}", serve, self._clock))

    async def _serve(self, endpoint: Endpoint) -> None:
        driver = await self._meet(endpoint)
        log.info("CSI driver %s answers at %s", driver.name, endpoint.path)
        parts: list[Provisioner | Attacher | Resizer | Capacities] = [Attacher(driver)]
        if ControllerCapability.CREATE_DELETE in driver.can:
            identity = f"{int(self._clock.now().timestamp() * 1000)}-{driver.name}"
            parts.append(Provisioner(driver, identity))
        if ControllerCapability.EXPAND in driver.can:
            parts.append(Resizer(driver))
        if ControllerCapability.GET_CAPACITY in driver.can:
            parts.append(Capacities(driver))
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                tasks.create_task(part.run())

    async def _meet(self, endpoint: Endpoint) -> Driver:
        """The driver may come up after the server."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await meet(endpoint, self._client, self._clock, self._informers, self._tracer)
            except (RpcError, ConnectionError, ValueError) as error:
                log.log(logging.INFO if pause == FIRST_PAUSE else logging.DEBUG, "CSI controller: %s", error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
