"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, for `rollout history`, `undo` and partitions.

What the two have in common. They differ in the label that holds a revision's hash, and in which old revisions may go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.apps.templates import template_hash
from pinnace.api.meta import Object
from pinnace.api.resources import CONTROLLER_REVISIONS
from pinnace.controllers.runtime import Action, Create, Update, World, controller_ref

DEFAULT_LIMIT = 10


@dataclass(slots=True)
class History:
    """`current` has the present template; None when it has yet to be written down. `old` is sorted, oldest first."""

    current: Object | None
    old: list[Object]


def data_of(owner: Object) -> Object:
    """What a revision keeps: a strategic merge patch that brings the template back."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Object, owner: Object) -> Object:
    """The pod template that a revision keeps; the owner's present one where somebody made a revision that keeps none."""
    data = revision.get("data")
    spec = data.get("spec") if isinstance(data, dict) else None
    kept = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(kept, dict) or "spec" not in kept:
        return dict(owner["spec"]["template"])
    return {field: value for field, value in kept.items() if field != "$patch"}


def history_of(owner: Object, revisions: Iterable[Object]) -> History:
    """Of several revisions with the present template the newest is current."""
    data = data_of(owner)
    ordered = sorted(revisions, key=_by_number)
    same = [r for r in ordered if r.get("data") == data]
    current = same[-1] if same else None
    return History(current, [r for r in ordered if r is not current])


def _by_number(revision: Object) -> tuple[int, str, str]:
    return revision["revision"], revision["metadata"].get("creationTimestamp", ""), meta.name(revision)


def snapshot(owner: Object, number: int, collisions: int | None, hash_label: str) -> Object:
    template = owner["spec"]["template"]
    digest = template_hash(template, collisions)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), hash_label: digest}
    metadata: Object = {
        "name": f"{meta.name(owner)}-{digest}",
        "namespace": meta.namespace(owner),
        "labels": labels,
        "ownerReferences": [controller_ref(owner)],
    }
    if meta.annotations(owner):
        metadata["annotations"] = meta.annotations(owner)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": data_of(owner),
        "revision": number,
    }


def write_down(
    owner: Object, history: History, collisions: int, world: World, hash_label: str
) -> Iterator[Action | int]:
    """Make the present template the latest revision: a new one, or, after a rollback, an old one with a new number.

    A number instead of an action is a new collision count: something else has the name that the revision would get.
    """
    latest = max((r["revision"] for r in history.old), default=0)
    if history.current is None:
        revision = snapshot(owner, latest + 1, collisions or None, hash_label)
        if world.get(CONTROLLER_REVISIONS, meta.name(revision), meta.namespace(owner)) is None:
            yield Create(revision)
        else:
            yield collisions + 1
    elif history.current["revision"] <= latest:
        yield Update({**history.current, "revision": latest + 1})


def limit_of(owner: Object) -> int:
    limit = owner["spec"].get("revisionHistoryLimit")
    return DEFAULT_LIMIT if limit is None else limit
