"""What can be said of any kind, custom resources too: what its conditions and the warnings about it say."""

from collections.abc import Iterator

from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import EFFECT, LIKELY, Finding, Object, condition, event, finding, ready_to_type
from pinnace.insight.world import World, is_known

GOOD = (
    "Ready",
    "Available",
    "Synced",
    "Established",
    "Healthy",
    "Reconciled",
    "Accepted",
    "Programmed",
    "Succeeded",
)
BAD = ("Failed", "Stalled", "Degraded", "Error", "ReconcileError")
RECENT_SECONDS = 3600


def conditions(obj: Object, _: World) -> Iterator[Finding]:
    """Kinds for which there are rules of their own are left to those."""
    if is_known(obj):
        return
    listed = (obj.get("status") or {}).get("conditions")
    for one in listed if isinstance(listed, list) else ():
        kind, status = one.get("type"), one.get("status")
        if (kind in GOOD and status in ("False", "Unknown")) or (kind in BAD and status == "True"):
            yield finding(
                obj, f"its condition {kind} is {status}: {one.get('message') or one.get('reason') or 'no reason is given'}", rank=LIKELY,
                evidence=[condition(obj, one)], commands=[ready_to_type("describe", obj)],
            )  # fmt: skip


def warnings(obj: Object, world: World) -> Iterator[Finding]:
    """The newest warning, when it is recent; it stands below what the rules understand."""
    if is_known(obj):
        return
    for one in world.events(obj)[:20]:
        seen = one.get("lastTimestamp") or one.get("eventTime") or one.get("firstTimestamp")
        if (
            one.get("type") == "Warning"
            and seen
            and world.now - parse_time(seen).timestamp() < RECENT_SECONDS
        ):
            yield finding(
                obj, f"{one.get('reason')}: {' '.join((one.get('message') or '').split())}", rank=EFFECT,
                evidence=[event(one)], commands=[ready_to_type("describe", obj)],
            )  # fmt: skip
            return
