"""The spans that have to do with some objects, from the server and from nodes that are other processes; and what they cannot tell."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.findings import Object
from pinnace.insight.span_tree import clock_time
from pinnace.insight.world import KINDS, World, is_known

MOST_NODES_ASKED = 20
_ROUTED = ("services", "endpointslices.discovery.k8s.io")  # what every node writes rules for


class Recording(NamedTuple):
    """Spans of all processes that were asked, and what they cannot tell."""

    spans: list[Object]
    notes: list[str]


class Asked(NamedTuple):
    """An object that a question is about: what the record knows it by. `obj` is None when it is gone."""

    resource: str  # qualified, `deployments.apps`; "" when only the uid is known
    kind: str
    namespace: str
    name: str
    uid: str
    obj: Object | None = None

    @property
    def shown(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    def placeholder(self) -> Object:
        """What is left of a gone object: enough to find events by."""
        metadata = {"name": self.name, "namespace": self.namespace, "uid": self.uid}
        return {"kind": self.kind, "apiVersion": "", "metadata": metadata}


def asked(obj: Object) -> Asked:
    row = KINDS.get(obj["kind"]) if is_known(obj) else None
    resource = ""
    if row is not None:
        group = row.api_version.rpartition("/")[0]
        resource = f"{row.plural}.{group}" if group else row.plural
    return Asked(resource, obj["kind"], *meta.key(obj), meta.uid(obj), obj)


def recorded(questions: Iterable[Asked], chain: list[Object], world: World) -> Recording | None:
    """None: this cluster has no record, or it may not be read. `chain`: the objects and what they own."""
    uids = [meta.uid(one) for one in chain]
    found: dict[str, Object] = {}
    notes: list[str] = []
    for one in questions:
        page = world.spans(
            (one.resource, one.namespace, one.name),
            uids if one.obj is not None or not one.uid else [*uids, one.uid],
        )
        if page is None:
            return None
        found.update((span["spanID"], span) for span in page.get("spans") or () if not _is_stray(span, one))
        notes += _notes(one, page)
    for node, pod_uids in _unseen(chain, found.values()).items():
        page = world.spans(("pods", "", ""), pod_uids, node)
        found.update((span["spanID"], span) for span in (page or {}).get("spans") or ())
    _add_rules(found, chain, world)
    return Recording(list(found.values()), list(dict.fromkeys(notes)))


def _unseen(chain: list[Object], spans: Iterable[Object]) -> dict[str, list[str]]:
    """Pods that nothing was recorded about on their node, by node; where they went tells the object or, when it is gone, the scheduler's span."""
    spans = list(spans)
    placed = {
        span["uid"]: str(node) for span in spans
        if span.get("name") == "schedule" and span.get("uid") and (node := (span.get("facts") or {}).get("node"))
    }  # fmt: skip
    placed.update(
        (meta.uid(one), node) for one in chain if one["kind"] == "Pod" and (node := pods.node_name(one))
    )
    seen = {span.get("uid") for span in spans if span.get("part") == "kubelet"}
    found: dict[str, list[str]] = {}
    for uid, node in placed.items():
        if uid not in seen and (node in found or len(found) < MOST_NODES_ASKED):
            found.setdefault(node, []).append(uid)
    return found


def _add_rules(found: dict[str, Object], chain: list[Object], world: World) -> None:
    """What the nodes of other machines wrote for the Services that these spans are about."""
    routed = [span for span in found.values() if span.get("resource") in _ROUTED and span.get("uid")]
    uids = {str(span["uid"]) for span in routed}
    uids.update(
        meta.uid(one) for one in chain if one["kind"] in ("Service", "EndpointSlice") and is_known(one)
    )
    if not uids:
        return
    nodes = [one for one in world.every("Node") if not _is_simulated(one)]
    for node in nodes[:MOST_NODES_ASKED] if len(nodes) > 1 else ():  # with one, it is the server's own
        page = world.spans(("endpointslices.discovery.k8s.io", "", ""), sorted(uids), meta.name(node))
        for span in (page or {}).get("spans") or ():
            if span.get("name") == "apply rules":
                found.setdefault(span["spanID"], span)


def _is_stray(span: Object, one: Asked) -> bool:
    """Somebody found nothing under this name before the object was there: that is the end of another one's story."""
    born = _born(one)
    is_missing = (span.get("facts") or {}).get("code") == 404 and not span.get("uid")
    return born is not None and is_missing and float(span["start"]) < born


def _born(one: Asked) -> float | None:
    created = one.obj["metadata"].get("creationTimestamp") if one.obj is not None else None
    return datetime.fromisoformat(created).timestamp() if created else None


def _is_simulated(node: Object) -> bool:
    """No process stands behind it that could be asked."""
    runtime = ((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion") or ""
    return "kwok.x-k8s.io/node" in meta.annotations(node) or str(runtime).startswith("simulated://")


def _notes(one: Asked, page: Object) -> list[str]:
    notes = []
    born = _born(one)
    since, dropped = page.get("since"), page.get("droppedUntil")
    if born is not None and since is not None and born + 1 < since:
        notes.append(
            f"{one.shown} is older than the record, which began {clock_time(since)} with the server."
        )
    elif dropped is not None and (born is None or born <= dropped):
        notes.append(f"What happened before {clock_time(dropped)} had to make room in the record.")
    elif one.obj is None and since is not None:
        notes.append(f"The record began {clock_time(since)} with the server.")
    if page.get("leftOut"):
        notes.append(f"{page['leftOut']} spans more are left out.")
    return notes
