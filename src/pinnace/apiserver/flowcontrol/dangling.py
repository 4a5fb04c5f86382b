"""The condition `Dangling` of FlowSchemas: whether the priority level that they name exists.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/util/flowcontrol/apf_controller.go
"""

import asyncio
import logging
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import times
from pinnace.apimachinery.errors import StatusError
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

Object = dict[str, Any]


class Dangling:
    """`look_soon` starts one pass; while it runs, further calls only make it run once more."""

    def __init__(self, registries: Registries, clock: Clock) -> None:
        self._registries, self._clock = registries, clock
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def look_soon(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="conditions of flow schemas")

    async def _run(self) -> None:
        while self._again:
            self._again = False
            try:
                await self.settle()
            except StatusError as error:
                log.warning("the status of flow schemas could not be written: %s", error)

    async def settle(self) -> None:
        storage = self._registries.of(r.FLOW_SCHEMAS).storage
        levels = self._registries.of(r.PRIORITY_LEVEL_CONFIGURATIONS).storage.cache.contents
        names = {item.name for item in levels}
        for item in list(storage.cache.contents):
            if condition_for(item.obj, names, "") is None:
                continue

            async def change(current: Item) -> Object | Outcome:
                wanted = condition_for(current.obj, names, times.format_time(self._clock.now()))
                if wanted is None:
                    return Outcome.KEEP
                status = current.obj.get("status") or {}
                others = [c for c in status.get("conditions") or () if c.get("type") != "Dangling"]
                return {**current.obj, "status": {**status, "conditions": [*others, wanted]}}

            await storage.update(item.name, "", change)


def condition_for(schema: Object, levels: set[str], now: str) -> Object | None:
    """The condition that the schema should have; None when it has it."""
    name = ((schema.get("spec") or {}).get("priorityLevelConfiguration") or {}).get("name", "")
    found = name in levels
    conditions = (schema.get("status") or {}).get("conditions") or ()
    status, exists = ("False", "it exists") if found else ("True", "there is no such object")
    wanted: Object = {
        "type": "Dangling",
        "status": status,
        "reason": "Found" if found else "NotFound",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" and {exists}',
        "lastTransitionTime": now,
    }
    old = next((c for c in conditions if c.get("type") == "Dangling"), None)
    if old is None or old.get("status") != status:
        return wanted
    if old.get("message") == wanted["message"]:
        return None
    return {**wanted, "lastTransitionTime": old.get("lastTransitionTime", now)}
