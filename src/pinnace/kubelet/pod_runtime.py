"""A pod as the container runtime sees it: sandboxes and containers, newest first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pinnace.kubelet import labels
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus, SandboxStatus


@dataclass(frozen=True, slots=True)
class PodRuntime:
    """Sandboxes by attempt, containers by creation, newest first."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    by_name: dict[str, list[ContainerStatus]] = field(default_factory=dict)

    @property
    def ready_sandbox(self) -> SandboxStatus | None:
        """The newest sandbox, if it is ready."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].is_ready else None

    @property
    def is_empty(self) -> bool:
        return not self.sandboxes and not self.containers

    @property
    def running(self) -> list[ContainerStatus]:
        return [one for one in self.containers if one.state == ContainerState.RUNNING]

    def newest(self, name: str) -> ContainerStatus | None:
        found = self.by_name.get(name)
        return found[0] if found else None

    def previous(self, name: str) -> ContainerStatus | None:
        found = self.by_name.get(name) or []
        return found[1] if len(found) > 1 else None

    def in_sandbox(self, name: str, sandbox_id: str) -> ContainerStatus | None:
        """The newest container of this name in one sandbox."""
        return next((one for one in self.by_name.get(name, ()) if one.sandbox_id == sandbox_id), None)


def pod_runtime(
    uid: str, sandboxes: Sequence[SandboxStatus], containers: Sequence[ContainerStatus]
) -> PodRuntime:
    boxes = tuple(sorted(sandboxes, key=lambda one: (one.attempt, one.created_at), reverse=True))
    ordered = tuple(sorted(containers, key=lambda one: one.created_at, reverse=True))
    by_name: dict[str, list[ContainerStatus]] = {}
    for one in ordered:
        by_name.setdefault(one.name, []).append(one)
    for found in by_name.values():
        found.sort(key=lambda one: (restart_count(one), one.created_at), reverse=True)
    name, namespace = "", ""
    if boxes:
        name, namespace = boxes[0].name, boxes[0].namespace
    elif ordered:
        name = ordered[0].labels.get(labels.POD_NAME, "")
        namespace = ordered[0].labels.get(labels.POD_NAMESPACE, "")
    return PodRuntime(uid, name, namespace, boxes, ordered, by_name)


def restart_count(status: ContainerStatus) -> int:
    text = status.annotations.get(labels.RESTART_COUNT, "")
    return int(text) if text.isdigit() else status.attempt
