"""The description of one controller: its name, what it watches, and its pure decision. A row of the catalog."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pinnace.api import label_selectors, meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.apimachinery.selectors import SelectorError, from_label_selector
from pinnace.client.informer import Key
from pinnace.controllers.runtime.actions import Action
from pinnace.controllers.runtime.measures import Passes
from pinnace.controllers.runtime.world import World

Reconcile = Callable[[Object, World], Iterator[Action]]
ReconcileAbsent = Callable[[Key, World], Iterator[Action]]
KeysOf = Callable[[Object | None, Object | None, World], Iterable[Key]]
"""(old, new, world) of a changed object -> keys (namespace, name) of the primary objects that it concerns."""


@dataclass(frozen=True, kw_only=True)
class Controller:
    name: str  # as kube-controller-manager's --controllers has it
    source: str  # the component that its events name, e.g. deployment-controller
    primary: GVR
    reconcile: Reconcile
    watches: Mapping[GVR, KeysOf] = field(default_factory=dict)
    reads: tuple[GVR, ...] = ()  # looked up, but a change there wakes nobody
    absent: ReconcileAbsent | None = None  # for a key whose object is gone
    concerns: Callable[[Object | None, Object], bool] | None = (
        None  # (old, new) of the primary: worth a pass?
    )
    workers: int = 20  # passes at a time: tasks that wait for writes, which share a commit
    ignores_own_status: bool = False  # a pass never depends on the status that the pass before wrote
    passes: Passes | None = None  # how passes over its objects are measured, where upstream measures them
    coalesce_seconds: float = (
        0.0  # dependents' changes wake a key at most this often; less often when passes take long
    )

    @property
    def resources(self) -> tuple[GVR, ...]:
        """Everything this controller needs an informer for."""
        return tuple(dict.fromkeys((self.primary, *self.watches, *self.reads)))


def owned_by(primary: GVR, kind: str) -> KeysOf:
    """Maps an object to its controller of `kind`; an orphan to every primary of the namespace whose selector matches it."""

    def keys(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
        for obj in (old, new):
            if obj is None:
                continue
            reference = meta.controller_of(obj)
            if reference is not None:
                group, _ = parse_api_version(reference["apiVersion"])
                if reference["kind"] == kind and group == primary.group:
                    yield meta.namespace(obj), reference["name"]
            elif obj is new and not meta.is_terminating(obj):
                yield from _would_adopt(obj, world.all(primary, meta.namespace(obj)))

    return keys


def _would_adopt(orphan: Object, primaries: Iterable[Object]) -> Iterator[Key]:
    labels = meta.labels(orphan)
    if not labels:
        return
    for primary in primaries:
        try:
            selector = from_label_selector(label_selectors.of(primary))
        except SelectorError:
            continue
        if not selector.is_everything and selector.matches(labels):
            yield meta.key(primary)


def spec_changed(old: Object | None, new: Object) -> bool:
    """Not only the status changed."""
    if old is None:
        return True
    return old.get("spec") != new.get("spec") or meta.is_terminating(old) != meta.is_terminating(new)
