"""The pages of `/debug/scheduler`: what was decided about pods and why, and which pods wait for what."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pinnace.scheduler.decisions import DecisionRing, Record
from pinnace.scheduler.queue import SchedulingQueue
from pinnace.scheduler.queued_pod import QueuedPod

SHOWN = 100
PAGES = {
    "decisions": "the latest decisions, the newest first; ?namespace=, ?node=, ?result=scheduled|unschedulable, ?limit=",
    "decisions/NAMESPACE/POD": "the latest decision about one pod, with reasons, scores and preemption",
    "queue": "pods that wait, and which plugins refused them",
}


def show(ring: DecisionRing, queue: SchedulingQueue, path: Sequence[str], query: Mapping[str, str]) -> Any:
    """What the page shows, as JSON; None: there is no such page, or nothing is known of the pod."""
    match [part for part in path if part]:
        case []:
            return {"pages": PAGES, "queue": queue.sizes(), "decisions": len(ring)}
        case ["decisions"]:
            return {"decisions": [_short(record) for record in _chosen(ring, query)]}
        case ["decisions", namespace, name]:
            record = ring.get(namespace, name)
            return None if record is None else _whole(record)
        case ["queue"]:
            return {
                "queue": queue.sizes(),
                "pods": [_waiting(place, entry) for place, entry in queue.places()],
            }
    return None


def _chosen(ring: DecisionRing, query: Mapping[str, str]) -> list[Record]:
    limit = int(query["limit"]) if query.get("limit", "").isdecimal() else SHOWN
    wanted = {"namespace": query.get("namespace"), "node": query.get("node"), "result": query.get("result")}
    found: list[Record] = []
    for record in ring.latest_first():
        if len(found) >= limit:
            break
        facts = {
            "namespace": record.decision.namespace,
            "node": record.decision.node,
            "result": _result(record),
        }
        if all(value is None or facts[key] == value for key, value in wanted.items()):
            found.append(record)
    return found


def _result(record: Record) -> str:
    return "scheduled" if record.decision.node else "unschedulable"


def _short(record: Record) -> dict[str, Any]:
    decision = record.decision
    return {
        "namespace": decision.namespace,
        "pod": decision.name,
        "result": _result(record),
        "node": decision.node,
        "time": datetime.fromtimestamp(record.at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "attempt": record.attempt,
        "message": decision.message,
    }


def _whole(record: Record) -> dict[str, Any]:
    return {**_short(record), **why(record)}


def why(record: Record) -> dict[str, Any]:
    """Who refused which nodes, who is best, and who would have to go."""
    decision, preemption = record.decision, record.decision.preemption
    return {
        "schedulerName": record.profile,
        "milliseconds": round(record.seconds * 1000, 3),
        "nodes": decision.nodes,
        "feasibleNodes": decision.feasible,
        "rejectedBy": dict(decision.rejected),
        "reasons": [{"reason": one.text, "count": one.count, "nodes": list(one.nodes)} for one in decision.reasons],
        "bestNodes": [{"node": card.node, "total": card.total, "scores": dict(card.scores)} for card in decision.best],
        "preemption": None if preemption is None else {
            "nominatedNode": preemption.node,
            "victims": list(preemption.victim_names),
            "message": preemption.message,
        },
    }  # fmt: skip


def _waiting(place: str, entry: QueuedPod) -> dict[str, Any]:
    return {
        "namespace": entry.pod.namespace,
        "pod": entry.pod.name,
        "queue": place,
        "priority": entry.pod.priority,
        "attempts": entry.attempts,
        "refusedBy": sorted(entry.refused_by),
        "waitsForEvictions": entry.is_held,
    }
