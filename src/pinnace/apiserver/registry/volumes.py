"""PersistentVolumes: a status that changes the phase says when."""

from typing import Any

from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]
_SINCE = "lastPhaseTransitionTime"


class PersistentVolumeRegistry(Registry):
    def stamp(self, new: Object, current: Object, ctx: WriteContext, subresource: str) -> None:
        status, before = new.get("status"), current.get("status") or {}
        if subresource == "status" and isinstance(status, dict):
            changed = status.get("phase") != before.get("phase")
            if changed and status.get(_SINCE) in (None, before.get(_SINCE)):
                status[_SINCE] = format_time(ctx.now)
            elif not changed and before.get(_SINCE):
                status.setdefault(_SINCE, before[_SINCE])
