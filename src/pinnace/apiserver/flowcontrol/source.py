"""FlowSchemas and PriorityLevelConfigurations straight from the watch caches of their storages."""

from typing import Any

from pinnace.api import resources as r
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]


class StoredConfiguration:
    """Implements `dispatcher.Source`; `load` must have run once (the bootstrap does it)."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._schemas = registries.of(r.FLOW_SCHEMAS).storage.cache
        self._levels = registries.of(r.PRIORITY_LEVEL_CONFIGURATIONS).storage.cache

    async def load(self) -> None:
        await self._schemas.load()
        await self._levels.load()

    def version(self) -> object:
        return self._schemas.changed_at, self._levels.changed_at

    def schemas(self) -> list[Object]:
        return [item.obj for item in self._schemas.contents]

    def levels(self) -> list[Object]:
        return [item.obj for item in self._levels.contents]
