"""What the kubelet remembers of one pod between syncs. All of it can be rebuilt from the API and the runtime."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.component.tracing import Span
from pinnace.kubelet.allocation import Allocation
from pinnace.kubelet.container_states import Waiting


@dataclass(slots=True)
class PodRecord:
    """`desired` is the API's object, the newest; `pod` is the same with the resources that this node has granted.

    `failed` (reason, message) is set when the kubelet ends it for a reason of its own.
    """

    pod: Object
    is_static: bool = False  # from a file of the node; what is written of it goes to its mirror
    desired: Object = field(init=False)
    allocation: Allocation | None = None
    waiting: dict[str, Waiting] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    failed: tuple[str, str] | None = None
    extra_conditions: tuple[dict[str, Any], ...] = ()
    status: dict[str, Any] | None = None
    is_ending: bool = False
    has_ended: bool = False
    is_gone_from_api: bool = False
    grace_override: int | None = None
    retry_after: float | None = None
    volume_failures: int = 0  # in a row
    requested: Object | None = None  # what the last resize that was counted asked for
    adopted: dict[str, float] | None = (
        None  # container id -> until when its old readiness counts; None: not looked yet
    )
    has_volumes: bool = False
    span: Span | None = None  # where what becomes of it is recorded

    def __post_init__(self) -> None:
        self.desired = self.pod

    def take(self, pod: Object) -> None:
        """A newer object from the API."""
        self.desired = pod
        self.pod = pod if self.allocation is None else self.allocation.applied_to(pod)

    @property
    def uid(self) -> str:
        return meta.uid(self.pod)

    def current(self) -> Object:
        """The pod with the status that was computed last instead of the API's."""
        return self.pod if self.status is None else {**self.pod, "status": self.status}

    def retry_within(self, seconds: float) -> None:
        if self.retry_after is None or seconds < self.retry_after:
            self.retry_after = seconds

    def wants_end(self) -> bool:
        return (
            self.is_gone_from_api or self.failed is not None or pods.is_terminating(self.pod)
            or pods.is_terminal(self.current())
        )  # fmt: skip

    def grace_seconds(self) -> int:
        if self.grace_override is not None:
            return self.grace_override
        if self.is_gone_from_api:
            return 0 if not pods.is_terminating(self.pod) else min(1, pods.grace_period_seconds(self.pod))
        return pods.grace_period_seconds(self.pod)


@dataclass(frozen=True, slots=True)
class PodPaths:
    """Where a pod's files are; the layout is upstream's."""

    root: Path

    def pod(self, uid: str) -> Path:
        return self.root / "pods" / uid

    def volumes(self, uid: str) -> Path:
        return self.pod(uid) / "volumes"

    def volume(self, uid: str, plugin: str, name: str) -> Path:
        return self.volumes(uid) / plugin / name

    def sub_paths(self, uid: str) -> Path:
        return self.pod(uid) / "volume-subpaths"

    def hosts(self, uid: str) -> Path:
        return self.pod(uid) / "etc-hosts"

    def message(self, uid: str, container: str, attempt: int) -> Path:
        """The file mounted as the container's termination message."""
        return self.pod(uid) / "containers" / container / str(attempt)


def format_pod(pod: Object) -> str:
    """`name_namespace(uid)`, as upstream names pods in messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def field_path(pod: Object, name: str) -> str:
    """The event's field path of a container: `spec.containers{name}`."""
    for group in ("containers", "initContainers", "ephemeralContainers"):
        if any(one["name"] == name for one in pod["spec"].get(group) or ()):
            return f"spec.{group}{{{name}}}"
    return ""
