"""Owners that are not there: what depends on them should have been collected, or is collected again and again."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.findings import CAUSE, LIKELY, Finding, Object, event, field, finding, ready_to_type
from pinnace.insight.world import KINDS, World

COLLECTED_SECONDS = 60


def owners(obj: Object, world: World) -> Iterator[Finding]:
    """Only of what the question names: others are many."""
    if not world.is_asked(obj) or meta.is_terminating(obj):
        return
    namespace = meta.namespace(obj)
    for at, one in enumerate(obj["metadata"].get("ownerReferences") or ()):
        kind, name = one.get("kind", ""), one.get("name", "")
        if kind not in KINDS:
            continue
        found = world.get(kind, namespace, name)
        where = field(obj, f"metadata.ownerReferences[{at}]", f"{kind} {name} (uid {one.get('uid')})")
        if found is None and world.is_missing(kind, namespace, name):
            invalid = world.events(obj, "OwnerRefInvalidNamespace")
            text = "in its namespace: an owner may not be in another one" if invalid else "any more"
            yield finding(
                obj, f"its owner {kind} {name} is not there {text}; the garbage collector deletes it, or does not run", rank=CAUSE if invalid else LIKELY,
                evidence=[where, *map(event, invalid[:1])], commands=["kubectl get leases -n kube-system", ready_to_type("get", obj, "-o yaml")],
            )  # fmt: skip
        elif found is not None and meta.uid(found) != one.get("uid"):
            yield finding(
                obj, f"its owner {kind} {name} was made anew, and has another uid: the garbage collector deletes what the old one owned", rank=LIKELY,
                evidence=[where, field(found, "metadata.uid", meta.uid(found))], commands=[ready_to_type("get", obj, "-o yaml")],
            )  # fmt: skip
