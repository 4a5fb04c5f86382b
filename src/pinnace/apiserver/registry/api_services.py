"""APIServices: one without a Service is available at once; the aggregator learns of every write."""

from typing import Any

from pinnace.api.apiregistration.apiservices import LOCAL, availability, is_local
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry, Transform
from pinnace.apiserver.storage.item import Item

Object = dict[str, Any]


class APIServiceRegistry(Registry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        if not is_local(new):
            return
        before = availability(new)
        if before is None or before.get("reason") != "Local" or "lastTransitionTime" not in before:
            new["status"] = {"conditions": [{**LOCAL, "lastTransitionTime": format_time(ctx.now)}]}

    async def _store_new(self, obj: Object, ctx: WriteContext) -> Item:
        item = await super()._store_new(obj, ctx)
        self.shared.announce_api_service()
        return item

    async def _write(self, name: str, namespace: str, transform: Transform, ctx: WriteContext) -> Item:
        item = await super()._write(name, namespace, transform, ctx)
        self.shared.announce_api_service()
        return item
