"""A StatefulSet's surroundings for tests: revisions that are written down, pods as the controller made them."""

from typing import Any

from pinnace.api import meta
from pinnace.controllers.history import snapshot
from pinnace.controllers.runtime import Action, Create, Delete, SetStatus, World
from pinnace.controllers.statefulset import identity, reconcile
from pinnace.controllers.statefulset.sync import HASH_LABEL
from unit.controllers.builders import NOW, Object, pod


def revision_of(ss: Object, number: int = 1) -> Object:
    revision = snapshot(ss, number, None, HASH_LABEL)
    revision["metadata"] |= {"uid": f"rev-{number}", "resourceVersion": "1"}
    return revision


def replica(ss: Object, ordinal: int, revision: Object | None = None, **options: Any) -> Object:
    """The pod of this ordinal, running; `options` as for `pod`."""
    template = ss["spec"]["template"] if revision is None else revision["data"]["spec"]["template"]
    name = meta.name(revision_of(ss) if revision is None else revision)
    made = identity.new_pod(ss, template, ordinal, name)
    running = pod(meta.name(made), ss, labels=meta.labels(made), **options)
    return {**running, "spec": {**made["spec"], "nodeName": "node-1"}}


def run(ss: Object, *objects: Object, known: bool = True) -> list[Action]:
    """The actions of a pass; unless `known` is false, the present template has been written down."""
    revisions = [o for o in objects if o["kind"] == "ControllerRevision"]
    if known and not revisions:
        objects = (*objects, revision_of(ss))
    return list(reconcile(ss, World.of([ss, *objects], NOW)))


def created(actions: list[Action], kind: str = "Pod") -> list[str]:
    return [meta.name(a.obj) for a in actions if isinstance(a, Create) and a.obj["kind"] == kind]


def deleted(actions: list[Action]) -> list[str]:
    return [meta.name(a.obj) for a in actions if isinstance(a, Delete)]


def status(actions: list[Action]) -> Object:
    return next(a.status for a in actions if isinstance(a, SetStatus))
