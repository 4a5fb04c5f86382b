"""A DaemonSet's revisions: ControllerRevisions that hold the templates it has had, for `rollout history` and `undo`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.apps.templates import template_hash
from pinnace.api.meta import Object
from pinnace.api.resources import CONTROLLER_REVISIONS
from pinnace.controllers.daemonset.placement import HASH_LABEL
from pinnace.controllers.runtime import Action, Create, Delete, Update, World, controller_ref


@dataclass(slots=True)
class History:
    """`current` has the present template; None when it has yet to be written down."""

    current: Object | None
    old: list[Object]

    @property
    def digest(self) -> str:
        return meta.labels(self.current).get(HASH_LABEL, "") if self.current is not None else ""


def data_of(ds: Object) -> Object:
    """What a revision keeps: a strategic merge patch that brings the template back."""
    return {"spec": {"template": {**ds["spec"]["template"], "$patch": "replace"}}}


def history_of(ds: Object, revisions: Iterable[Object]) -> History:
    """Of several revisions with the present template the newest is current."""
    data = data_of(ds)
    ordered = sorted(revisions, key=lambda r: (r["revision"], meta.name(r)))
    same = [r for r in ordered if r.get("data") == data]
    current = same[-1] if same else None
    return History(current, [r for r in ordered if r is not current])


def snapshot(ds: Object, number: int, collisions: int | None) -> Object:
    template = ds["spec"]["template"]
    digest = template_hash(template, collisions)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
    metadata: Object = {
        "name": f"{meta.name(ds)}-{digest}",
        "namespace": meta.namespace(ds),
        "labels": labels,
        "ownerReferences": [controller_ref(ds)],
    }
    if meta.annotations(ds):
        metadata["annotations"] = meta.annotations(ds)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": data_of(ds),
        "revision": number,
    }


def write_down(ds: Object, history: History, collisions: int, world: World) -> Iterator[Action | int]:
    """Make the present template the latest revision; a number instead of an action is a new collision count."""
    latest = max((r["revision"] for r in history.old), default=0)
    if history.current is None:
        revision = snapshot(ds, latest + 1, collisions or None)
        if world.get(CONTROLLER_REVISIONS, meta.name(revision), meta.namespace(ds)) is None:
            yield Create(revision)
        else:
            yield collisions + 1
    elif history.current["revision"] <= latest:
        yield Update({**history.current, "revision": latest + 1})


def tidy(ds: Object, history: History, owned: Sequence[Object]) -> Iterator[Action]:
    """Delete old revisions beyond `spec.revisionHistoryLimit` that no pod is of."""
    limit = ds["spec"].get("revisionHistoryLimit")
    excess = len(history.old) - (10 if limit is None else limit)
    in_use = {meta.labels(pod).get(HASH_LABEL) for pod in owned}
    for revision in history.old:
        if excess <= 0:
            return
        if meta.labels(revision).get(HASH_LABEL) not in in_use:
            excess -= 1
            yield Delete(revision)
