"""What is in a cluster, in lines: for the message of a test that waited in vain."""

from pinnace.api import meta
from pinnace.api.resources import EVENTS, TABLE
from pinnace.apimachinery.errors import StatusError
from pinnace.client.interface import Client, Object

MOST_EVENTS = 40


async def report(client: Client) -> str:
    """Nodes, pods, whatever else has a status, and the latest events."""
    lines = []
    for row in TABLE:
        if row.gvr == EVENTS or row.view_of or not any(one.name == "status" for one in row.subresources):
            continue
        try:
            items = (await client.list(row.gvr))["items"]
        except StatusError:
            continue
        lines += [f"{row.kind} {_name(one)}: {_state(one)}" for one in items if one.get("status")]
    events = (await client.list(EVENTS))["items"]
    lines.append("Events:")
    events.sort(key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "")
    for one in events[-MOST_EVENTS:]:
        about = one["involvedObject"]
        lines.append(
            f"  {one.get('lastTimestamp')} {about['kind']} {about.get('name')} {one['reason']}: {one['message']}"
        )
    return "\n".join(lines)


def _name(obj: Object) -> str:
    return "/".join(filter(None, meta.key(obj)))


def _state(obj: Object) -> str:
    """The status in short: its plain values, and which conditions are true."""
    status = obj["status"]
    parts = [f"{key}={value}" for key, value in status.items() if isinstance(value, (str, int, bool))]
    for one in status.get("conditions") or ():
        parts.append(f"{one['type']}={one['status']}{':' + one['reason'] if one.get('reason') else ''}")
    parts += [
        f"{one['name']}: {one['state']} restarts={one['restartCount']}"
        for one in status.get("containerStatuses") or ()
    ]
    if meta.is_terminating(obj):
        parts.append(f"deleted at {obj['metadata']['deletionTimestamp']}")
    return " ".join(parts)
