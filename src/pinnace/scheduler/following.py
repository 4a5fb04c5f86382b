"""Kinds that the scheduler watches from the first pod on that needs them: until then they cost nothing."""

from collections.abc import Callable, Mapping
from functools import partial

from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Informers
from pinnace.client.interface import Object

Changed = Callable[[str, Object | None, Object | None], None]
"""(kind, old, new) of an object that came, changed or went."""


class Following:
    """`watched` names the resources by the kinds that `changed` is told."""

    def __init__(self, watched: Mapping[str, GVR], changed: Changed) -> None:
        self._watched, self._changed = watched, changed
        self._has_begun = self._is_current = False

    async def begin(self, informers: Informers) -> None:
        """Know what there is; the first call reads it, the others return at once."""
        if self._is_current:
            return
        if not self._has_begun:  # a call that was cut off while it waited is not told of each change twice
            self._has_begun = True
            for kind, gvr in self._watched.items():
                informers.of(gvr).add_handler(partial(self._changed, kind))
        for gvr in self._watched.values():
            await informers.of(gvr).wait_synced()
        self._is_current = True
