"""Crash loops: a container that ended is started again after a wait that grows with each end."""

from typing import Any

from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.component.tracing import happened
from pinnace.kubelet import labels
from pinnace.kubelet.backoff import Backoff
from pinnace.kubelet.container_states import Waiting
from pinnace.kubelet.cri.runtime import ContainerState
from pinnace.kubelet.pod_record import PodRecord, field_path, format_pod
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.tracing import how_it_ended


class CrashLoops:
    def __init__(self, backoff: Backoff, clock: Clock, recorder: EventRecorder) -> None:
        self._backoff, self._clock, self._recorder = backoff, clock, recorder

    def may_start(self, record: PodRecord, container: dict[str, Any], runtime: PodRuntime) -> bool:
        """False while the container is in crash back-off; then the record says when to come back."""
        name, status = container["name"], runtime.newest(container["name"])
        if status is None or status.state != ContainerState.EXITED:
            return True
        key = f"{record.uid}_{name}_{labels.container_hash(container)}"
        ended, now = status.finished_at / 1e9, self._clock.now().timestamp()
        remaining = self._backoff.remaining(key, ended, now)
        if not remaining:
            self._backoff.next(key, ended)
            return True
        wait = go_seconds(self._backoff.wait_of(key))
        pod_name = format_pod(record.pod)
        message = f"back-off {wait} restarting failed container={name} pod={pod_name}"
        if (known := record.waiting.get(name)) is None or known.message != message:
            happened("back-off", container=name, seconds=round(remaining), **how_it_ended(status))
        record.waiting[name] = Waiting("CrashLoopBackOff", message)
        record.retry_within(remaining)
        text = f"Back-off restarting failed container {name} in pod {pod_name}"
        self._recorder.event(record.pod, "Warning", "BackOff", text, field_path=field_path(record.pod, name))
        return False


def go_seconds(seconds: float) -> str:
    """Whole seconds as Go prints a duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
