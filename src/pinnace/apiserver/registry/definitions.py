"""CustomResourceDefinitions: a delete only marks them, until their objects are gone."""

from pinnace.apiserver.registry.base import Object
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.generic import Registry


class DefinitionRegistry(Registry):
    def mark_deleted(self, current: Object, options: DeleteOptions, ctx: WriteContext) -> Object | None:
        if "deletionTimestamp" in current["metadata"]:
            return super().mark_deleted(current, options, ctx)
        from pinnace.api.apiextensions.conditions import marked_for_deletion

        return marked_for_deletion(super().mark_deleted(current, options, ctx) or current, ctx.now)
