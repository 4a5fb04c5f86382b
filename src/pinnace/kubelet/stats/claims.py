"""How full the volumes of claims are: asked of the driver for CSI, of the file system for local volumes, once a minute at most.

hostPath volumes tell nothing, as upstream's: the file system is the node's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.csi.source import CsiSource, persistent
from pinnace.kubelet.stats.proc import filesystem
from pinnace.kubelet.stats.usage import Filesystem

MEASURE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ClaimUsage:
    """`volume` is the pod's name for it. `usage` counts `inodes` 0 where the driver does not tell."""

    volume: str
    namespace: str
    claim: str
    time: datetime
    usage: Filesystem


class CsiUsage(Protocol):
    async def usage(self, source: CsiSource, uid: str) -> Filesystem | None:
        """None when the driver does not tell."""


class ClaimStats:
    """`bound(pod, claim name)` gives claim and volume as far as the kubelet has seen them bound."""

    def __init__(
        self, clock: Clock, csi: CsiUsage, bound: Callable[[Object, str], tuple[Object, Object] | None]
    ) -> None:
        self._clock, self._csi, self._bound = clock, csi, bound
        self._known: dict[str, tuple[float, list[ClaimUsage]]] = {}

    async def of_pod(self, pod: Object) -> list[ClaimUsage]:
        uid, now = meta.uid(pod), self._clock.monotonic()
        known = self._known.get(uid)
        if known is not None and now - known[0] < MEASURE_SECONDS:
            return known[1]
        found = []
        for volume, name in binding.claim_names(pod):
            usage = await self._measure(pod, name)
            if usage is not None:
                found.append(ClaimUsage(volume["name"], meta.namespace(pod), name, self._clock.now(), usage))
        self._known = {key: one for key, one in self._known.items() if now - one[0] < MEASURE_SECONDS}
        self._known[uid] = now, found
        return found

    async def _measure(self, pod: Object, name: str) -> Filesystem | None:
        bound = self._bound(pod, name)
        if bound is None:
            return None
        claim, volume = bound
        spec: dict[str, Any] = volume["spec"]
        if spec.get("csi") is not None:
            return await self._csi.usage(persistent(volume, claim, read_only=False), meta.uid(pod))
        if spec.get("local") is not None and spec.get("volumeMode") != "Block":
            try:
                return await asyncio.to_thread(filesystem, Path(spec["local"]["path"]))
            except OSError:
                return None
        return None
