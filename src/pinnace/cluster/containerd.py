"""The cluster's containerd: started once, adopted by every later server, ended by `pinnace down`."""

import asyncio
from pathlib import Path
from typing import Any

from pinnace.cluster import registries
from pinnace.cluster.preflight import cni_directory
from pinnace.component.clock import Clock
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.private_containerd import (
    BridgeNetwork,
    ContainerdConfig,
    PrivateContainerd,
    handlers_found,
    needs_restricted_oom_score_adj,
    write_network,
)
from pinnace.kubelet.cri.runtime import CriError


def containerd_config(directory: Path, registry_config: dict[str, Any]) -> ContainerdConfig:
    """`registry_config`: what `--registry-config` says; its hosts.toml files are written here."""
    base = directory / "containerd"
    registries.write_hosts(base / "registries", registry_config)
    return ContainerdConfig(
        root=base / "root",
        state=base / "state",
        cni_conf_dir=base / "cni",
        cni_bin_dir=cni_directory() or Path("/usr/lib/cni"),
        registry_dir=base / "registries",
        registry_logins=registries.logins(registry_config),
        restrict_oom_score_adj=needs_restricted_oom_score_adj(),
        handlers=handlers_found(),
    )


class ClusterContainerd:
    def __init__(self, config: ContainerdConfig, network: BridgeNetwork | None, clock: Clock) -> None:
        self.config, self._network, self._clock = config, network, clock
        self._pid_file = config.root.parent / "containerd.pid"

    @property
    def endpoint(self) -> str:
        return f"unix://{self.config.socket}"

    @property
    def pid(self) -> int:
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def use_network(self, network: BridgeNetwork) -> None:
        """From now on; a running containerd reads it by itself."""
        self._network = network
        write_network(self.config, network)

    @property
    def is_alive(self) -> bool:
        """Neither a process that nobody has reaped yet counts, nor one that got the number after it."""
        try:
            name, _, rest = Path(f"/proc/{self.pid}/stat").read_text().partition(" (")[2].rpartition(") ")
        except FileNotFoundError:
            return False
        return name == "containerd" and rest[:1] not in "ZX"

    async def ensure(self) -> None:
        """Start containerd unless it runs already; raises RuntimeError with its words."""
        if await self._answers():
            return
        private = PrivateContainerd(self.config, self._network, self._clock)
        await private.start()
        self._pid_file.write_text(f"{private.pid}\n")

    async def keep(self) -> None:
        """Start it again whenever it has died; its containers live on in their shims meanwhile."""
        while True:
            await self._clock.sleep(2.0)
            if not self.is_alive:
                await self.ensure()

    async def _answers(self) -> bool:
        if not self.config.socket.exists():
            return False
        client = CriClient(self.endpoint, self._clock)
        try:
            await self._clock.wait_for(client.version(), 5.0)
        except (CriError, TimeoutError, asyncio.CancelledError):
            return False
        finally:
            await client.close()
        return True
