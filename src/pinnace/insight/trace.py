"""`trace` as a whole: an object, its owners and what it owns; or an object that is gone.

From the spans that a cluster of Pinnace has recorded, where there are any; and, everywhere, from what the API keeps, as one timeline.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pinnace.api import meta
from pinnace.insight import ending, span_tree
from pinnace.insight.findings import Object
from pinnace.insight.recording import Asked, Recording, asked, recorded
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
_TOLD_BY_SPANS = frozenset((
    "Created", "Killing", "Pulled", "Pulling", "ScalingReplicaSet", "Scheduled", "Started", "SuccessfulCreate",
))  # fmt: skip


class Told(NamedTuple):
    """`endings`: for each object that is gone or going, by its name, why."""

    roots: list[Node]
    spans: list[Object]
    notes: list[str]
    timeline: list[Moment]
    unread: dict[str, str]
    endings: dict[str, list[str]]

    @property
    def is_empty(self) -> bool:
        return not self.roots and not self.timeline

    def as_text(self, *, width: int = 0, is_full: bool = False) -> str:
        return _as_text(self, width, is_full)

    def as_json(self) -> str:
        return _as_json(self)

    def as_svg(self, title: str, *, is_full: bool = False) -> str | None:
        """None where nothing was recorded."""
        from pinnace.insight.picture import as_svg

        return as_svg(self.roots, title, is_full=is_full) if self.roots else None


def roots(objects: list[Object], reader: Reader, now: float, failure: type[Exception]) -> list[Node] | None:
    """Only what was recorded; None where nothing is recorded at all."""
    world = World(reader, now, failure)
    recording = recorded(list(map(asked, objects)), below(objects, world), world)
    return None if recording is None else trees(recording.spans)


def trace(
    objects: Sequence[Object],
    reader: Reader,
    now: float,
    failure: type[Exception],
    gone: Sequence[Asked] = (),
) -> Told:
    """`gone` are not there any more: only the record, and events, may know of them."""
    world = World(reader, now, failure)
    chain = family(list(objects), world)
    gone, earlier = _identified(gone, world)
    questions = [*map(asked, objects), *gone]
    recording = recorded(questions, below(objects, world), world) or Recording([], [])
    every = trees(recording.spans)
    endings = {
        one.shown: why
        for one in questions
        if (one.obj is None or meta.is_terminating(one.obj))
        and (why := ending.why_gone(every, one.uid, one.shown))
    }
    notes = [f"{one.shown} is not there any more." for one in gone if one.name and one.shown not in endings]
    chain += [one.placeholder() for one in gone]
    found = _timeline_of(chain, {about(span) for span in recording.spans}, world)
    return Told(every, recording.spans, [*notes, *recording.notes, *earlier], found, world.unread, endings)


def _identified(gone: Sequence[Asked], world: World) -> tuple[list[Asked], list[str]]:
    """Each with its uid, as far as the record knows it: of several that had the name, the last. And notes about the others."""
    found, notes = [], []
    for one in gone:
        page = world.spans((one.resource, one.namespace, one.name), [one.uid] if one.uid else [])
        spans = (page or {}).get("spans") or []
        own = [span for span in spans if span.get("uid") and _is_of(span, one)]
        if not own:
            found.append(one)
            continue
        by_uid = dict.fromkeys(
            str(span["uid"]) for span in sorted(own, key=lambda span: float(span["start"]))
        )
        *others, last = by_uid
        first = next(span for span in own if span["uid"] == last)
        kind, _, name = about(first).partition("/")
        found.append(Asked(first["resource"], one.kind or kind, first.get("namespace", ""), name, last))
        notes += [f"An earlier {kind}/{name} had the uid {uid}: --uid {uid} tells of it." for uid in others]
    return found, notes


def _is_of(span: Object, one: Asked) -> bool:
    if one.uid:
        return bool(span["uid"] == one.uid)
    return (span.get("resource"), span.get("namespace"), span.get("object")) == (
        one.resource,
        one.namespace,
        one.name,
    )


def _timeline_of(chain: list[Object], known: set[str], world: World) -> list[Moment]:
    order = {f"{one['kind'].lower()}/{meta.name(one)}": at for at, one in enumerate(chain)}
    found = [
        moment for one in chain for moment in moments(one, world)
        if moment.about not in known or _is_news(moment)
    ]  # fmt: skip
    # A Kubernetes timestamp has whole seconds, an event may have more: of one second the owner comes first, and what was reported afterwards last.
    found.sort(key=lambda one: (one.at.replace(microsecond=0), order[one.about], SOURCES.index(one.source)))
    return found


def _is_news(moment: Moment) -> bool:
    """What spans do not tell: events of other reasons, and how containers ended."""
    if moment.source == "event":
        return not any(f": {reason}: " in moment.text for reason in _TOLD_BY_SPANS)
    return moment.source == "container" and " ended: " in moment.text


def family(objects: list[Object], world: World) -> list[Object]:
    """Owners first, then the objects, then what they own."""
    chain: dict[tuple[str, str, str], Object] = {}
    for one in objects:
        for member in (*reversed(_owners(one, world)), one, *_descendants(one, world)):
            chain.setdefault((member["kind"], *meta.key(member)), member)
    return list(chain.values())


def below(objects: Iterable[Object], world: World) -> list[Object]:
    """The objects and what they own: the record finds by itself what led to them."""
    return [one for obj in objects for one in (obj, *_descendants(obj, world))]


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


def _as_text(told: Told, width: int, is_full: bool) -> str:
    if told.is_empty:
        return "Nothing is known of its past.\n"
    lines = []
    for what, why in told.endings.items():
        lines += [f"Why {what} went:", *(f"  {line}" for line in why), ""]
    if told.roots:
        lines += span_tree.as_text(told.roots, width=width, is_full=is_full)
    if told.timeline:
        lines += ["", "Besides, the API tells:"] if told.roots else []
        lines += _timeline(told.timeline)
    if told.notes:
        lines += ["", *told.notes]
    if told.unread:
        lines += ["", "Could not be read, so something may be missing above:"]
        lines += [f"  {what}: {why}" for what, why in told.unread.items()]
    return "\n".join(lines) + "\n"


def _timeline(found: list[Moment]) -> list[str]:
    return timeline_lines(found, found[0].at)


def timeline_lines(found: list[Moment], begun: datetime) -> list[str]:
    """With the seconds since `begun`."""
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
    if told.endings:
        answer["endings"] = told.endings
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
