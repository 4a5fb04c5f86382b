"""The events of containerd that tell of the end of a container: what to ask for, and how to read them.

Facts: https://github.com/containerd/containerd/blob/release/1.6/api/events/task.proto, services/events/v1/events.proto
"""

from functools import cache
from typing import Any

from pinnace.net.grpc_messages import build_classes

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
EXIT, DELETE = "/tasks/exit", "/tasks/delete"

TABLE = """
SubscribeRequest: 1 filters *string
Envelope: 2 namespace string, 3 topic string, 4 event Any
Any: 1 type_url string, 2 value bytes
TaskExit: 1 container_id string, 2 id string
TaskDelete: 1 container_id string, 5 id string
"""
# Field 1, repeated string; written out so that subscribing needs no message classes.
REQUEST = b"".join(
    b"\x0a" + bytes((len(text),)) + text for text in (b'topic=="/tasks/exit"', b'topic=="/tasks/delete"')
)


@cache
def _classes() -> dict[str, Any]:
    return build_classes("pinnace.containerd.events", TABLE)


def ended_container(envelope: bytes) -> str:
    """The container whose first process this event says has ended; "" for the end of a process that was run inside one."""
    classes = _classes()
    told = classes["Envelope"].FromString(envelope)
    kinds = {EXIT: "TaskExit", DELETE: "TaskDelete"}
    if told.topic not in kinds:
        return ""
    event = classes[kinds[told.topic]].FromString(told.event.value)
    container: str = event.container_id
    return container if event.id in ("", container) else ""
