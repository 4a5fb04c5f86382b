"""What must be done to bring a pod from its runtime state to its spec: a pure decision, recomputed at every sync.

Order and rules follow upstream's computePodActions: a dead or doubled sandbox is replaced, init containers run one after
the other, sidecars stay beside the app containers, app containers restart by policy, a pod with nothing left to run gives
its sandbox back. Back-off is not decided here but by whoever starts containers.
"""

from dataclasses import dataclass, field
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet import labels
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.restart_policy import should_restart, trigger_of_all


@dataclass(frozen=True, slots=True)
class Kill:
    status: ContainerStatus
    message: str


@dataclass(slots=True)
class PodActions:
    """`kill_pod` ends all containers and sandboxes; with `create_sandbox` a new one follows, as attempt `attempt`."""

    kill_pod: bool = False
    create_sandbox: bool = False
    attempt: int = 0
    sandbox_id: str = ""
    kill: list[Kill] = field(default_factory=list)
    start_init: list[dict[str, Any]] = field(default_factory=list)
    start: list[dict[str, Any]] = field(default_factory=list)
    start_ephemeral: list[dict[str, Any]] = field(default_factory=list)
    restart_all: ContainerStatus | None = (
        None  # because of whose end all containers are removed and start anew
    )

    @property
    def is_nothing(self) -> bool:
        return not (
            self.kill_pod or self.create_sandbox or self.kill or self.start_init or self.start
            or self.start_ephemeral or self.restart_all
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StartedBy:
    """What the startup probes say: container ids whose probe has not passed yet."""

    waiting: frozenset[str] = frozenset()

    def is_started(self, status: ContainerStatus) -> bool:
        return status.state == ContainerState.RUNNING and status.id not in self.waiting


def compute(
    pod: Object,
    runtime: PodRuntime,
    started: StartedBy = StartedBy(),
    to_resize: frozenset[str] = frozenset(),
) -> PodActions:
    """`started` tells which running sidecars have passed their startup probe; `to_resize` names running containers that
    restart for new resources."""
    if needs_new_sandbox(pod, runtime):
        return _with_new_sandbox(pod, runtime)
    assert runtime.ready_sandbox is not None
    if trigger := trigger_of_all(pod, runtime):
        return PodActions(sandbox_id=runtime.ready_sandbox.id, restart_all=trigger)
    actions = PodActions(sandbox_id=runtime.ready_sandbox.id)
    _restart_resized(pod, runtime, to_resize, actions)
    _start_ephemeral(pod, runtime, actions)
    if not _initialize(pod, runtime, started, actions):
        return actions
    kept = _app_containers(pod, runtime, actions)
    if not kept and not actions.start:
        return PodActions(kill_pod=True, sandbox_id=actions.sandbox_id)
    return actions


def needs_new_sandbox(pod: Object, runtime: PodRuntime) -> bool:
    if sum(sandbox.is_ready for sandbox in runtime.sandboxes) > 1:
        return True
    sandbox = runtime.ready_sandbox
    if sandbox is None:
        return True
    if sandbox.on_host_network != pods.uses_host_network(pod):
        return True
    return not sandbox.on_host_network and not sandbox.ips


def _with_new_sandbox(pod: Object, runtime: PodRuntime) -> PodActions:
    attempt = runtime.sandboxes[0].attempt + 1 if runtime.sandboxes else 0
    actions = PodActions(kill_pod=bool(runtime.sandboxes), create_sandbox=True, attempt=attempt)
    restartable = [
        one for one in pods.containers(pod) if _runs_in_new_sandbox(pod, one, runtime.newest(one["name"]))
    ]
    if not restartable and any(runtime.newest(one["name"]) for one in pods.containers(pod)):
        return PodActions(kill_pod=True)
    if attempt and pod["spec"].get("restartPolicy") == "Never" and _init_failed(pod, runtime):
        return PodActions(kill_pod=True)
    first = _first_inits(pod)
    if first:
        actions.start_init = first
    else:
        actions.start = restartable
    return actions


def _runs_in_new_sandbox(pod: Object, container: dict[str, Any], status: ContainerStatus | None) -> bool:
    """A container that was running when its sandbox died counts as ended with an error."""
    if status is not None and status.state == ContainerState.RUNNING:
        return True
    return should_restart(pod, container, status)


def _init_failed(pod: Object, runtime: PodRuntime) -> bool:
    newest = (runtime.newest(one["name"]) for one in pods.init_containers(pod) if not pods.is_sidecar(one))
    return any(one and one.state == ContainerState.EXITED and one.exit_code for one in newest)


def _first_inits(pod: Object) -> list[dict[str, Any]]:
    return pods.init_containers(pod)[:1]


def _initialize(pod: Object, runtime: PodRuntime, started: StartedBy, actions: PodActions) -> bool:
    """Drive the init containers; True when the app containers may start."""
    box = actions.sandbox_id
    initialized = any(runtime.in_sandbox(one["name"], box) for one in pods.containers(pod))
    for container in pods.init_containers(pod):
        status = runtime.in_sandbox(container["name"], box)
        if status is not None and status.state == ContainerState.UNKNOWN:
            actions.kill.append(Kill(status, f"Init container {container['name']} is in an unknown state"))
        if pods.is_sidecar(container):
            if _definition_changed(container, status, actions):
                continue
            if status is None or status.state != ContainerState.RUNNING:
                actions.start_init.append(container)
                if not initialized:
                    return False
            elif not initialized and not started.is_started(status):
                return False
        elif not initialized:
            done = _one_init(pod, container, status, actions)
            if not done:
                return False
    return True


def _one_init(
    pod: Object, container: dict[str, Any], status: ContainerStatus | None, actions: PodActions
) -> bool:
    """True when this init container has completed."""
    if status is None:
        actions.start_init.append(container)
        return False
    if status.state == ContainerState.RUNNING:
        return False
    if status.state == ContainerState.EXITED and status.exit_code == 0:
        return True
    if status.state == ContainerState.EXITED and not should_restart(pod, container, status):
        actions.kill_pod = True
        return False
    actions.start_init.append(container)
    return False


def _app_containers(pod: Object, runtime: PodRuntime, actions: PodActions) -> int:
    """Fill `start` and `kill`; returns how many containers go on running."""
    kept = 0
    for container in pods.containers(pod):
        name = container["name"]
        status = runtime.in_sandbox(name, actions.sandbox_id)
        if status is None:
            newest = runtime.newest(name)
            if (
                newest is None
                or should_restart(pod, container, newest)
                or newest.state == ContainerState.RUNNING
            ):
                actions.start.append(container)
        elif status.state != ContainerState.RUNNING:
            if should_restart(pod, container, status):
                if status.state == ContainerState.UNKNOWN:
                    actions.kill.append(Kill(status, f"Container {name} is in an unknown state"))
                actions.start.append(container)
        elif any(container is one for one in actions.start):
            continue  # restarts for its new resources
        elif not _definition_changed(container, status, actions):
            kept += 1
        else:
            actions.start.append(container)
    return kept


def _definition_changed(
    container: dict[str, Any], status: ContainerStatus | None, actions: PodActions
) -> bool:
    if status is None or status.state != ContainerState.RUNNING:
        return False
    if status.annotations.get(labels.HASH) in (None, labels.container_hash(container)):
        return False
    message = f"Container {container['name']} definition changed, will be restarted"
    actions.kill.append(Kill(status, message))
    return True


def _restart_resized(pod: Object, runtime: PodRuntime, names: frozenset[str], actions: PodActions) -> None:
    """Stopped here, and started again by whoever looks at them next: in this state their restart policy does not count."""
    for container in (*pods.init_containers(pod), *pods.containers(pod)) if names else ():
        status = runtime.in_sandbox(container["name"], actions.sandbox_id)
        if container["name"] in names and status is not None and status.state == ContainerState.RUNNING:
            message = f"Container {container['name']} resize requires restart"
            actions.kill.append(Kill(status, message))
            (actions.start_init if pods.is_sidecar(container) else actions.start).append(container)


def _start_ephemeral(pod: Object, runtime: PodRuntime, actions: PodActions) -> None:
    for container in pods.ephemeral_containers(pod):
        if runtime.newest(container["name"]) is None:
            actions.start_ephemeral.append(container)
