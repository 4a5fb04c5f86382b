"""How many volumes a driver takes on this node may change: drivers with `nodeAllocatableUpdatePeriodSeconds` are asked again.

Runs, and watches the CSIDriver, only while a driver is registered.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from pinnace.api.meta import Object
from pinnace.api.resources import CSI_DRIVERS
from pinnace.apimachinery.errors import StatusError
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)


class AllocatableUpdates:
    """`update(name)` asks the driver and writes what it says into the CSINode."""

    def __init__(self, client: Client, clock: Clock, update: Callable[[str], Awaitable[None]]) -> None:
        self._client, self._clock, self._update = client, clock, update
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, name: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._run(name), name=f"CSI driver {name}")

    def leave(self, name: str) -> None:
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    def close(self) -> None:
        for name in list(self._tasks):
            self.leave(name)

    async def _run(self, name: str) -> None:
        informer = Informer(self._client, self._clock, CSI_DRIVERS, field_selector=f"metadata.name={name}")
        changed = asyncio.Event()

        def notice(old: Object | None, new: Object | None) -> None:
            changed.set()

        informer.add_handler(notice)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(informer.run())
            while True:
                changed.clear()
                kind = informer.lister.get(name)
                period = (kind or {"spec": {}})["spec"].get("nodeAllocatableUpdatePeriodSeconds")
                if period is None:
                    await changed.wait()
                    continue
                with contextlib.suppress(TimeoutError):
                    await self._clock.wait_for(changed.wait(), period)
                    continue
                try:
                    await self._update(name)
                except (RpcError, StatusError, OSError, ValueError) as error:
                    log.warning("allocatable of CSI driver %s: %s", name, error)
