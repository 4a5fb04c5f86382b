"""APIServices: one without a Service is available at once."""

from typing import Any

from pinnace.api.apiregistration.apiservices import LOCAL, availability, is_local
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]


class APIServiceRegistry(Registry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        if not is_local(new):
            return
        before = availability(new)
        if before is None or before.get("reason") != "Local" or "lastTransitionTime" not in before:
            new["status"] = {"conditions": [{**LOCAL, "lastTransitionTime": format_time(ctx.now)}]}
