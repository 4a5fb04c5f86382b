"""Namespaces: deletion in two phases (Terminating until the namespace controller has emptied it), and `finalize`."""

from typing import Any

from pinnace.api import resources as r
from pinnace.api.core import namespaces
from pinnace.api.core.namespaces import NamespaceStrategy
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.update import handle as handle_update
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Answer, Request

Object = dict[str, Any]


class NamespaceRegistry(Registry):
    def mark_deleted(self, current: Object, options: DeleteOptions, ctx: WriteContext) -> Object | None:
        marked = super().mark_deleted(current, options, ctx)
        if not self._awaits_emptying(current):
            return marked
        if marked is None or "deletionTimestamp" not in marked["metadata"]:
            marked = super().mark_deleted(_with_finalizer(current), options, ctx)
            assert marked is not None  # a finalizer keeps it
            marked = {
                **marked,
                "metadata": {**marked["metadata"], "finalizers": current["metadata"].get("finalizers") or []},
            }
            if not marked["metadata"]["finalizers"]:
                del marked["metadata"]["finalizers"]
        return {**marked, "status": {**(current.get("status") or {}), "phase": namespaces.TERMINATING}}

    def may_vanish(self, obj: Object) -> bool:
        return not self._awaits_emptying(obj)

    @staticmethod
    def _awaits_emptying(obj: Object) -> bool:
        return bool((obj.get("spec") or {}).get("finalizers"))

    def _prepare_update(self, new: Object, current: Object, subresource: str) -> None:
        if subresource == "finalize":
            assert isinstance(self.strategy, NamespaceStrategy)
            self.strategy.prepare_finalize(new, current)
            return
        super()._prepare_update(new, current, subresource)

    def _validate_update(self, new: Object, current: Object, subresource: str) -> list[errors.Cause]:
        if subresource == "finalize":
            assert isinstance(self.strategy, NamespaceStrategy)
            return self.strategy.validate_finalize(new, current)
        return super()._validate_update(new, current, subresource)


def _with_finalizer(current: Object) -> Object:
    """As if it had a finalizer of its own, so that it is marked and stays."""
    finalizers = [*(current["metadata"].get("finalizers") or []), namespaces.FINALIZER]
    return {**current, "metadata": {**current["metadata"], "finalizers": finalizers}}


async def handle_finalize(request: Request, row: Resource) -> Answer:
    return await handle_update(request, r.BY_GVR[r.NAMESPACES])
