"""`trace` as a whole: an object, its owners and what it owns.

From the spans that a cluster of Pinnace has recorded, where there are any; and, everywhere, from what the API keeps, as one timeline.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight import span_tree
from pinnace.insight.findings import Object
from pinnace.insight.spans import Node, about, trees
from pinnace.insight.timeline import Moment, moments
from pinnace.insight.world import KINDS, Reader, World, is_known

MOST_CHILDREN = 20  # of one owner: those that were made first
SOURCES = ("creation", "scheduler", "event", "container", "condition", "managedFields", "deletion")
CHILDREN = {
    "CronJob": ("Job",),
    "DaemonSet": ("Pod",),
    "Deployment": ("ReplicaSet",),
    "Job": ("Pod",),
    "ReplicaSet": ("Pod",),
    "ReplicationController": ("Pod",),
    "Service": ("EndpointSlice",),
    "StatefulSet": ("Pod",),
}
MOST_NODES_ASKED = 20
_TOLD_BY_SPANS = frozenset((
    "Created", "Killing", "Pulled", "Pulling", "ScalingReplicaSet", "Scheduled", "Started", "SuccessfulCreate",
))  # fmt: skip


class Recording(NamedTuple):
    """Spans of all processes that were asked, and what they cannot tell."""

    spans: list[Object]
    notes: list[str]


class Told(NamedTuple):
    roots: list[Node]
    spans: list[Object]
    notes: list[str]
    timeline: list[Moment]
    unread: dict[str, str]


def trace(
    objects: list[Object], reader: Reader, now: float, failure: type[Exception], *, is_json: bool
) -> str:
    told = look(objects, reader, now, failure)
    return _as_json(told) if is_json else _as_text(told)


def picture(objects: list[Object], reader: Reader, now: float, failure: type[Exception]) -> str | None:
    """An SVG; None where nothing was recorded."""
    from pinnace.insight.picture import as_svg

    told = look(objects, reader, now, failure)
    names = ", ".join(f"{one['kind'].lower()}/{meta.name(one)}" for one in objects)
    return as_svg(told.roots, f"pinnace trace {names}") if told.roots else None


def roots(objects: list[Object], reader: Reader, now: float, failure: type[Exception]) -> list[Node] | None:
    """Only what was recorded; None where nothing is recorded at all."""
    world = World(reader, now, failure)
    recording = recorded(objects, family(objects, world), world)
    return None if recording is None else trees(recording.spans)


def look(objects: list[Object], reader: Reader, now: float, failure: type[Exception]) -> Told:
    world = World(reader, now, failure)
    chain = family(objects, world)
    recording = recorded(objects, chain, world) or Recording([], [])
    order = {f"{one['kind'].lower()}/{meta.name(one)}": at for at, one in enumerate(chain)}
    known = {about(span) for span in recording.spans}
    found = [
        moment for one in chain for moment in moments(one, world)
        if moment.about not in known or _is_news(moment)
    ]  # fmt: skip
    # A Kubernetes timestamp has whole seconds, an event may have more: of one second the owner comes first, and what was reported afterwards last.
    found.sort(key=lambda one: (one.at.replace(microsecond=0), order[one.about], SOURCES.index(one.source)))
    return Told(trees(recording.spans), recording.spans, recording.notes, found, world.unread)


def _is_news(moment: Moment) -> bool:
    """What spans do not tell: events of other reasons, and how containers ended."""
    if moment.source == "event":
        return not any(f": {reason}: " in moment.text for reason in _TOLD_BY_SPANS)
    return moment.source == "container" and " ended: " in moment.text


def recorded(objects: list[Object], chain: Iterable[Object], world: World) -> Recording | None:
    """The server's spans about these objects, and those of nodes that are other processes; None: it has none, or may not be asked."""
    chain = list(chain)
    uids = [meta.uid(one) for one in chain]
    found: dict[str, Object] = {}
    notes: list[str] = []
    for one in objects:
        page = world.spans(_about(one), uids)
        if page is None:
            return None
        found.update((span["spanID"], span) for span in page.get("spans") or ())
        notes += _notes(one, page)
    for node, on_it in _unseen(chain, found.values()).items():
        page = world.spans(_about(on_it[0]), [meta.uid(pod) for pod in on_it], node)
        found.update((span["spanID"], span) for span in (page or {}).get("spans") or ())
    return Recording(list(found.values()), list(dict.fromkeys(notes)))


def _about(obj: Object) -> tuple[str, str, str]:
    row = KINDS.get(obj["kind"]) if is_known(obj) else None
    if row is None:
        return "", "", ""
    group = row.api_version.rpartition("/")[0]
    return (f"{row.plural}.{group}" if group else row.plural), meta.namespace(obj), meta.name(obj)


def _unseen(chain: list[Object], spans: Iterable[Object]) -> dict[str, list[Object]]:
    """Pods that nothing was recorded about on their node, by node."""
    seen = {span.get("uid") for span in spans if span.get("part") == "kubelet"}
    found: dict[str, list[Object]] = {}
    for one in chain:
        node = pods.node_name(one) if one["kind"] == "Pod" else ""
        if node and meta.uid(one) not in seen and (node in found or len(found) < MOST_NODES_ASKED):
            found.setdefault(node, []).append(one)
    return found


def _notes(obj: Object, page: Object) -> list[str]:
    notes = []
    created = obj["metadata"].get("creationTimestamp")
    born = datetime.fromisoformat(created).timestamp() if created else None
    since, dropped = page.get("since"), page.get("droppedUntil")
    what = f"{obj['kind'].lower()}/{meta.name(obj)}"
    if born is not None and since is not None and born + 1 < since:
        notes.append(
            f"{what} is older than the record, which began {span_tree.clock_time(since)} with the server."
        )
    elif born is not None and dropped is not None and born <= dropped:
        notes.append(f"What happened before {span_tree.clock_time(dropped)} had to make room in the record.")
    if page.get("leftOut"):
        notes.append(f"{page['leftOut']} spans more are left out.")
    return notes


def family(objects: list[Object], world: World) -> list[Object]:
    """Owners first, then the objects, then what they own."""
    chain: dict[tuple[str, str, str], Object] = {}
    for one in objects:
        for member in (*reversed(_owners(one, world)), one, *_descendants(one, world)):
            chain.setdefault((member["kind"], *meta.key(member)), member)
    return list(chain.values())


def _owners(obj: Object, world: World) -> list[Object]:
    found: list[Object] = []
    reference = meta.controller_of(obj)
    while reference is not None and reference["kind"] in KINDS and len(found) < 10:
        owner = world.get(reference["kind"], meta.namespace(obj), reference["name"])
        if owner is None or meta.uid(owner) != reference.get("uid"):
            break
        found.append(owner)
        reference = meta.controller_of(owner)
    return found


def _descendants(obj: Object, world: World) -> list[Object]:
    found: list[Object] = []
    for kind in CHILDREN.get(obj["kind"], ()) if is_known(obj) else ():
        children = sorted(
            world.owned_by(obj, kind),
            key=lambda one: (one["metadata"].get("creationTimestamp", ""), meta.name(one)),
        )
        for child in children[:MOST_CHILDREN]:
            found += [child, *_descendants(child, world)]
    return found


def _as_text(told: Told) -> str:
    if not told.roots and not told.timeline:
        return "Nothing is known of its past.\n"
    lines = span_tree.as_text(told.roots) if told.roots else []
    if told.timeline:
        lines += ["", "Besides, the API tells:"] if lines else []
        lines += _timeline(told.timeline)
    if told.notes:
        lines += ["", *told.notes]
    if told.unread:
        lines += ["", "Could not be read, so something may be missing above:"]
        lines += [f"  {what}: {why}" for what, why in told.unread.items()]
    return "\n".join(lines) + "\n"


def _timeline(found: list[Moment]) -> list[str]:
    begun = found[0].at
    width = max(len(one.about) for one in found)
    return [
        f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {_after(begun, one.at):>8}  {one.about.ljust(width)}  {one.text}"
        for one in found
    ]


def _after(begun: datetime, at: datetime) -> str:
    return f"+{max(0, int((at - begun).total_seconds()))}s"


def _as_json(told: Told) -> str:
    entries = [
        {"time": one.at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "object": one.about, "source": one.source, "text": one.text}
        for one in told.timeline
    ]  # fmt: skip
    answer: dict[str, Any] = {"timeline": entries, "unread": told.unread}
    if told.spans:
        answer = {"spans": _spans_json(told.roots), "notes": told.notes, **answer}
    return json.dumps(answer, indent=4, ensure_ascii=False) + "\n"


def _spans_json(roots: list[Node]) -> list[dict[str, Any]]:
    from pinnace.insight.spans import walk

    return [
        {
            "spanID": node.id, "parentSpanID": node.parent.id if node.parent else "", "traceID": node.trace, "part": node.part,
            "name": node.name, "object": node.about, "uid": node.uid, "start": _precise(node.start),
            "milliseconds": None if node.seconds is None else round(node.seconds * 1000, 3), "facts": node.facts,
        }
        for _, node in walk(roots)
    ]  # fmt: skip


def _precise(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
