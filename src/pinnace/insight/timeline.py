"""What an object itself tells about its past: who wrote what when, its conditions, its containers, the events about it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import Object, shown
from pinnace.insight.world import World

_MOST_FIELDS = 4


class Moment(NamedTuple):
    """`source` is where it is known from: creation, managedFields, condition, container, event, scheduler."""

    at: datetime
    about: str  # `pod/web`
    source: str
    text: str


def moments(obj: Object, world: World) -> Iterator[Moment]:
    about = f"{obj['kind'].lower()}/{meta.name(obj)}"
    metadata = obj["metadata"]
    yield from _creation(obj, about)
    for entry in metadata.get("managedFields") or ():
        yield from _written(entry, metadata.get("creationTimestamp", ""), about)
    if obj["kind"] == "Pod":
        yield from _decision(obj, about, world)
    for event in world.events(obj):
        yield from _told(event, about)
    for condition in _conditions(obj):
        if condition.get("lastTransitionTime"):
            reason = f" ({condition['reason']})" if condition.get("reason") else ""
            text = f"{condition.get('type')} is {condition.get('status')} since then{reason}"
            yield Moment(parse_time(condition["lastTransitionTime"]), about, "condition", text)
    if obj["kind"] == "Pod":
        yield from _containers(obj, about)
    if "deletionTimestamp" in metadata:
        text = "is to be gone (its deletion was asked for, and the grace period is over)"
        yield Moment(parse_time(metadata["deletionTimestamp"]), about, "deletion", text)


def _creation(obj: Object, about: str) -> Iterator[Moment]:
    metadata = obj["metadata"]
    if not metadata.get("creationTimestamp"):
        return
    owner = meta.controller_of(obj)
    whose = f" for {owner['kind'].lower()}/{owner['name']}" if owner else ""
    first = [
        entry.get("manager", "") for entry in metadata.get("managedFields") or ()
        if entry.get("time") == metadata["creationTimestamp"] and not entry.get("subresource")
    ]  # fmt: skip
    by = f" by {first[0]}" if len(first) == 1 else ""  # of several it is not known which came first
    yield Moment(parse_time(metadata["creationTimestamp"]), about, "creation", f"created{by}{whose}")


def _written(entry: Object, created: str, about: str) -> Iterator[Moment]:
    """The last write of one manager; the write that created the object is told as that."""
    if not entry.get("time") or (entry["time"] == created and not entry.get("subresource")):
        return
    names = list(field_names(entry.get("fieldsV1") or {}))
    more = f" and {len(names) - _MOST_FIELDS} more" if len(names) > _MOST_FIELDS else ""
    where = f" ({entry['subresource']})" if entry.get("subresource") else ""
    verb = "applied" if entry.get("operation") == "Apply" else "last wrote"
    text = f"{entry.get('manager')} {verb}{where} {', '.join(names[:_MOST_FIELDS])}{more}"
    yield Moment(parse_time(entry["time"]), about, "managedFields", text)


def field_names(fields: Object, path: str = "") -> Iterator[str]:
    """`spec.replicas` of `{"f:spec": {"f:replicas": {}}}`: two levels, since deeper ones fill a screen."""
    for key, inner in fields.items():
        if not key.startswith("f:"):
            continue
        name = f"{path}.{key[2:]}" if path else key[2:]
        is_end = path or not any(one.startswith("f:") for one in inner)
        if is_end:
            yield name
        else:
            yield from field_names(inner, name)


def _told(event: Object, about: str) -> Iterator[Moment]:
    first = (
        event.get("eventTime") or event.get("firstTimestamp") or event["metadata"].get("creationTimestamp")
    )
    if not first:
        return
    series = event.get("series") or {}
    count, last = (
        series.get("count") or event.get("count") or 1,
        series.get("lastObservedTime") or event.get("lastTimestamp"),
    )
    source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or "somebody"
    again = f" (x{count}, the last time at {parse_time(last):%H:%M:%S})" if count > 1 and last else ""
    text = f"{source}: {event.get('reason')}: {shown(event.get('message') or '')}{again}"
    yield Moment(parse_time(first), about, "event", text)


def _decision(pod: Object, about: str, world: World) -> Iterator[Moment]:
    """The scheduler's last decision, with the nodes it refused and the scores of the best."""
    found: dict[str, Any] = world.decision(pod) or {}
    if not found.get("time"):
        return
    place = f"chose {found['node']}" if found.get("node") else "found no node"
    refused = ", ".join(f"{count} by {plugin}" for plugin, count in (found.get("rejectedBy") or {}).items())
    parts = [
        f"attempt {found.get('attempt')}",
        f"{found.get('feasibleNodes')} of {found.get('nodes')} nodes fit",
    ]
    if refused:
        parts.append(f"refused: {refused}")
    parts += [f"{best['node']} scored {best['total']}" for best in (found.get("bestNodes") or ())[:3]]
    parts.append(f"{found.get('milliseconds')} ms")
    yield Moment(parse_time(found["time"]), about, "scheduler", f"scheduler: {place} ({'; '.join(parts)})")


def _conditions(obj: Object) -> list[Object]:
    found = (obj.get("status") or {}).get("conditions")
    return found if isinstance(found, list) else []


def _containers(pod: Object, about: str) -> Iterator[Moment]:
    for status in pods.container_statuses(pod):
        name = status["name"]
        for part in ("lastState", "state"):
            state = status.get(part) or {}
            ended = state.get("terminated") or {}
            started = ended.get("startedAt") or (state.get("running") or {}).get("startedAt")
            if started:
                yield Moment(parse_time(started), about, "container", f"container {name} started")
            if ended.get("finishedAt"):
                text = f"container {name} ended: {ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}"
                yield Moment(parse_time(ended["finishedAt"]), about, "container", text)
