"""The end of a definition: its objects are deleted, and when the last is gone the finalizer is taken away.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/controller/finalizer/crd_finalizer.go
"""

from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.apiextensions.conditions import ESTABLISHED, FINALIZER, TERMINATING, set_condition
from pinnace.apimachinery.errors import NotFound
from pinnace.apiserver.extensions.statuses import context
from pinnace.apiserver.registry.context import DeleteOptions
from pinnace.apiserver.registry.generic import Produce
from pinnace.apiserver.storage.options import WatchOptions
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.apiserver.extensions.definition import Definition, Object
    from pinnace.apiserver.registry.catalog import Registries


async def clean_up(definition: "Definition", registries: "Registries", clock: Clock) -> None:
    if FINALIZER not in (definition.obj["metadata"].get("finalizers") or ()):
        return
    text = "CustomResource deletion is in progress"
    await _tell(definition, registries, clock, "True", "InstanceDeletionInProgress", text)
    if meta.condition_is_true(definition.obj, ESTABLISHED):
        await _delete_objects(definition, registries, clock)
        await _until_empty(definition)
    await _tell(definition, registries, clock, "False", "InstanceDeletionCompleted", "removed all instances")
    await _finish(definition, registries, clock)


async def _tell(
    definition: "Definition", registries: "Registries", clock: Clock, status: str, reason: str, message: str
) -> None:
    def produce(current: "Object") -> "Object":
        new = meta.mutable_copy(current)
        set_condition(new, TERMINATING, status, reason, message, clock.now())
        return new

    await _change(definition, registries, clock, produce, "status")


async def _change(
    definition: "Definition", registries: "Registries", clock: Clock, produce: Produce, subresource: str
) -> None:
    registry = registries.of(r.CUSTOM_RESOURCE_DEFINITIONS)
    try:
        await registry.change(definition.name, "", produce, context(clock), subresource=subresource)
    except NotFound:
        return


async def _delete_objects(definition: "Definition", registries: "Registries", clock: Clock) -> None:
    """Through the registry, so that finalizers of the objects and admission have their say."""
    rows, storage = definition.rows, definition.storage()
    registry = registries.of(rows[0].gvr) if rows else None
    for item in (await storage.list()).items:
        try:
            if registry is None:  # no version is served: nobody can take a finalizer away any more
                await storage.delete(item.name, item.namespace)
            else:
                await registry.delete(item.name, item.namespace, DeleteOptions(), context(clock))
        except NotFound:
            continue


async def _until_empty(definition: "Definition") -> None:
    storage = definition.storage()
    watch = await storage.watch(WatchOptions(resource_version="0", send_initial_events=False))
    try:
        if not len(storage.cache.contents):
            return
        async for _ in watch.batches():
            if not len(storage.cache.contents):
                return
    finally:
        watch.close()


async def _finish(definition: "Definition", registries: "Registries", clock: Clock) -> None:
    def produce(current: "Object") -> "Object":
        new = meta.mutable_copy(current)
        left = [one for one in new["metadata"].get("finalizers") or () if one != FINALIZER]
        new["metadata"]["finalizers"] = left
        if not left:
            del new["metadata"]["finalizers"]
        return new

    await _change(definition, registries, clock, produce, "")
