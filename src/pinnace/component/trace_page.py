"""The page `/debug/pinnace/trace`: recorded spans as JSON, all of them or those that have to do with one object."""

from collections.abc import Mapping, Sequence
from typing import Any

from pinnace.component.tracing import OPEN, Span, Tracer, related

MOST_SHOWN = 5000
PAGES = {
    "trace": "recorded spans, the oldest first; ?resource=pods&namespace=&name=&uid= for what has to do with an object (uid: several, with commas), ?limit="
}


def show(tracer: Tracer, path: Sequence[str], query: Mapping[str, str]) -> Any:
    """What the page shows; None: there is no such page."""
    match [part for part in path if part]:
        case []:
            return {"pages": PAGES, "recorded": len(tracer), "bytes": tracer.bytes, "dropped": tracer.dropped}
        case ["trace"]:
            return _trace(tracer, query)
    return None


def _trace(tracer: Tracer, query: Mapping[str, str]) -> dict[str, Any]:
    found, offset = tracer.spans(), tracer.offset()
    if query.get("resource") or query.get("uid"):
        uids = frozenset(query.get("uid", "").split(","))
        about = (query.get("resource", ""), query.get("namespace", ""), query.get("name", ""))
        found = related(found, lambda span: _is_about(span, about, uids))
    limit = int(query["limit"]) if query.get("limit", "").isdecimal() else MOST_SHOWN
    return {
        "since": tracer.since.timestamp(),
        "dropped": tracer.dropped,
        "droppedUntil": tracer.dropped_until + offset if tracer.dropped else None,
        "leftOut": max(0, len(found) - limit),
        "spans": [described(span, offset) for span in found[:limit]],
    }


def _is_about(span: Span, about: tuple[str, str, str], uids: frozenset[str]) -> bool:
    """By uid where both are known: the name may have belonged to another object before."""
    if span.many is not None:
        return _is_one_of(span, about, uids)
    if span.uid and uids != {""}:
        return span.uid in uids
    return bool(span.about.name) and span.about == about


def _is_one_of(span: Span, about: tuple[str, str, str], uids: frozenset[str]) -> bool:
    assert span.many is not None
    if uids != {""}:
        return not uids.isdisjoint(span.many.values())
    resource, namespace, name = about
    return span.about.resource == resource and span.about.namespace in ("", namespace) and name in span.many


def described(span: Span, offset: float) -> dict[str, Any]:
    """A span as JSON; times are seconds since 1970: its moments and `offset`."""
    return {
        "traceID": f"{span.trace:032x}",
        "spanID": f"{span.id:016x}",
        "parentSpanID": f"{span.parent:016x}" if span.parent else "",
        "part": span.part,
        "name": span.name,
        "resource": span.about.resource,
        "namespace": span.about.namespace,
        "object": span.about.name,
        "uid": span.uid,
        "start": round(span.begun + offset, 6),
        "end": None if span.ended == OPEN else round(span.ended + offset, 6),
        "cause": span.cause,
        "facts": dict(span.told()),
    }
