"""Expectations: a key waits until the informers have seen our own writes, so that no decision rests on a stale copy.

A create or update is seen when the informer of that resource has reached the revision that the write got (revisions are
store-wide and grow); a delete is seen when the object is gone, replaced or marked for deletion in the copy. A write that had
no answer may have been done, and an event that does not come may be lost: then what is there is read afresh, and the informer
must come to know all of it.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Informer

PATIENCE = 60.0  # seconds after which a missing event is no longer waited for, but looked into


@dataclass(slots=True)
class _Pending:
    since: float
    revisions: dict[tuple[GVR, str], int] = field(default_factory=dict)  # (gvr, namespace) -> revision
    deletions: list[tuple[GVR, str, str, str]] = field(default_factory=list)  # gvr, namespace, name, uid
    uncertain: set[tuple[GVR, str]] = field(default_factory=set)  # gvr, namespace


def revision_of(obj: Object) -> int:
    """The resourceVersion as a number; 0 when it is not one."""
    text = (obj.get("metadata") or {}).get("resourceVersion") or ""
    return int(text) if text.isdecimal() else 0


class Expectations:
    def __init__(self, informer_of: Callable[[GVR], Informer | None]) -> None:
        """`informer_of` answers None for resources that this controller does not watch: nothing is expected there."""
        self._informer_of = informer_of
        self._pending: dict[Hashable, _Pending] = {}

    def wrote(self, key: Hashable, gvr: GVR, result: Object, now: float) -> None:
        revision = revision_of(result)
        if revision and self._informer_of(gvr) is not None:
            revisions = self._pending.setdefault(key, _Pending(now)).revisions
            place = (gvr, meta.namespace(result))
            revisions[place] = max(revisions.get(place, 0), revision)

    def deleted(self, key: Hashable, gvr: GVR, obj: Object, now: float) -> None:
        if self._informer_of(gvr) is not None:
            entry = (gvr, *meta.key(obj), meta.uid(obj))
            self._pending.setdefault(key, _Pending(now)).deletions.append(entry)

    def uncertain(self, key: Hashable, gvr: GVR, namespace: str) -> None:
        """A write there had no answer."""
        if self._informer_of(gvr) is not None:
            self._pending.setdefault(key, _Pending(float("inf"))).uncertain.add((gvr, namespace))

    def uncertain_about(self, key: Hashable) -> list[tuple[GVR, str]]:
        pending = self._pending.get(key)
        return list(pending.uncertain) if pending is not None else []

    def take_stock(
        self, key: Hashable, gvr: GVR, namespace: str, found: Iterable[Object], now: float
    ) -> None:
        """`found` is all that is there, read after the write: the informer must show just that, or something later."""
        pending, informer = self._pending.setdefault(key, _Pending(now)), self._informer_of(gvr)
        pending.uncertain.discard((gvr, namespace))
        pending.since = now
        uids = set()
        for obj in found:
            uids.add(meta.uid(obj))
            self.wrote(key, gvr, obj, now)
        for known in informer.lister.select(namespace) if informer is not None else ():
            if meta.uid(known) not in uids:
                self.deleted(key, gvr, known, now)

    def forget(self, key: Hashable) -> None:
        self._pending.pop(key, None)

    def fulfilled(self, key: Hashable, now: float) -> bool:
        """True when every write for `key` has been seen. What takes too long becomes uncertain: to be looked into."""
        pending = self._pending.get(key)
        if pending is None:
            return True
        if not pending.uncertain and self._reached(pending.revisions) and self._gone(pending.deletions):
            del self._pending[key]
            return True
        if now - pending.since >= PATIENCE:
            pending.uncertain.update(pending.revisions)
            pending.uncertain.update((gvr, namespace) for gvr, namespace, _, _ in pending.deletions)
            pending.revisions.clear()
            pending.deletions.clear()
        return False

    def _reached(self, revisions: dict[tuple[GVR, str], int]) -> bool:
        for (gvr, namespace), revision in list(revisions.items()):
            informer = self._informer_of(gvr)
            if informer is not None and int(informer.resource_version or 0) < revision:
                return False
            del revisions[gvr, namespace]
        return True

    def _gone(self, deletions: list[tuple[GVR, str, str, str]]) -> bool:
        while deletions:
            gvr, namespace, name, uid = deletions[-1]
            informer = self._informer_of(gvr)
            obj = informer.lister.get(name, namespace) if informer is not None else None
            if obj is not None and meta.uid(obj) == uid and not meta.is_terminating(obj):
                return False
            deletions.pop()
        return True
