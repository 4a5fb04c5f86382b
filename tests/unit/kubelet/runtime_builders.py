"""Pods and what a runtime says of them, written down shortly."""

from typing import Any

from pinnace.api.meta import Object
from pinnace.kubelet import labels
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus, SandboxStatus
from pinnace.kubelet.pod_runtime import PodRuntime, pod_runtime

UID = "uid-1"
SECOND = 1_000_000_000


def make_pod(*containers: Any, status: Object | None = None, **spec: Any) -> Object:
    """Containers are names or dicts."""
    listed = [one if isinstance(one, dict) else {"name": one, "image": "i"} for one in containers or ("c",)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": UID, "generation": 1},
        "spec": {"restartPolicy": "Always", **spec, "containers": listed},
        "status": status or {},
    }


def init(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", **fields}


def sandbox(attempt: int = 0, *, ready: bool = True, ips: tuple[str, ...] = ("10.0.0.5",)) -> SandboxStatus:
    return SandboxStatus(f"box{attempt}", "web", "default", UID, attempt, ready, SECOND, ips=ips)


def ran(
    name: str = "c",
    state: ContainerState = ContainerState.RUNNING,
    *,
    code: int = 0,
    attempt: int = 0,
    box: str = "box0",
    image: str = "i",
) -> ContainerStatus:
    ended = state == ContainerState.EXITED
    return ContainerStatus(
        id=f"{name}-{attempt}",
        name=name,
        attempt=attempt,
        state=state,
        created_at=(attempt + 1) * 10 * SECOND,
        started_at=(attempt + 1) * 10 * SECOND + 1,
        finished_at=(attempt + 1) * 10 * SECOND + 5 * SECOND if ended else 0,
        exit_code=code,
        image=image,
        image_ref="sha256:1",
        reason=("Completed" if code == 0 else "Error") if ended else "",
        sandbox_id=box,
        annotations={
            labels.RESTART_COUNT: str(attempt),
            labels.HASH: labels.container_hash({"name": name, "image": image}),
        },
    )


def exited(name: str = "c", code: int = 0, **fields: Any) -> ContainerStatus:
    return ran(name, ContainerState.EXITED, code=code, **fields)


def seen(*containers: ContainerStatus, boxes: tuple[SandboxStatus, ...] | None = None) -> PodRuntime:
    return pod_runtime(UID, (sandbox(),) if boxes is None else boxes, containers)
