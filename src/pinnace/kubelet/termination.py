"""Ending containers: preStop hooks inside the grace period, SIGTERM, SIGKILL; app containers first, then sidecars."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.component.tracing import step
from pinnace.kubelet import labels
from pinnace.kubelet.cri.runtime import ContainerRuntime, ContainerState, ContainerStatus, CriError
from pinnace.kubelet.lifecycle_hooks import HookError, HookRunner
from pinnace.kubelet.pod_record import field_path
from pinnace.kubelet.pod_runtime import PodRuntime

log = logging.getLogger(__name__)

MINIMUM_GRACE_SECONDS = 2  # what is left for SIGTERM after a long preStop hook
MESSAGE_BYTES, LOG_MESSAGE_BYTES, LOG_MESSAGE_LINES = 4096, 2048, 80


class Terminator:
    def __init__(
        self, runtime: ContainerRuntime, hooks: HookRunner, recorder: EventRecorder, clock: Clock
    ) -> None:
        self._runtime, self._hooks, self._recorder, self._clock = runtime, hooks, recorder, clock

    async def end_pod(self, pod: Object | None, runtime: PodRuntime, grace: int) -> None:
        """Stop all containers, then all sandboxes. `pod` is None when the API forgot it."""
        sidecars = [one["name"] for one in pods.init_containers(pod) if pods.is_sidecar(one)] if pod else []
        live = [one for one in runtime.containers if one.state != ContainerState.EXITED]
        begun = self._clock.monotonic()
        await self._stop_all(pod, [one for one in live if one.name not in sidecars], runtime, grace)
        for name in reversed(sidecars):
            left = max(0, grace - int(self._clock.monotonic() - begun))
            await self._stop_all(pod, [one for one in live if one.name == name], runtime, left)
        await asyncio.gather(
            *(self._runtime.stop_sandbox(box.id) for box in runtime.sandboxes if box.is_ready)
        )

    async def remove_containers(self, pod: Object, runtime: PodRuntime, *, last: ContainerStatus) -> None:
        """All but the ephemeral ones, at once and without hooks. `last` goes last: a kubelet that is killed meanwhile sees
        from it what was begun."""
        names = {one["name"] for one in (*pods.init_containers(pod), *pods.containers(pod))}
        chosen = [one for one in runtime.containers if one.name in names and one.id != last.id]
        await self._stop_all(
            pod, [one for one in chosen if one.state != ContainerState.EXITED], runtime, grace=0
        )
        for one in (*chosen, last):
            await self._runtime.remove_container(one.id)

    async def _stop_all(
        self, pod: Object | None, chosen: list[ContainerStatus], runtime: PodRuntime, grace: int
    ) -> None:
        await asyncio.gather(
            *(
                self.stop(pod, one, runtime, grace=grace, message=f"Stopping container {one.name}")
                for one in chosen
            )
        )

    async def stop(
        self, pod: Object | None, status: ContainerStatus, runtime: PodRuntime, *, grace: int, message: str
    ) -> None:
        """Stop one container; `message` is the Killing event's."""
        if pod is not None:
            where = field_path(pod, status.name)
            self._recorder.event(pod, "Normal", "Killing", message, field_path=where)
        with step("stop container", container=status.name, grace=grace, **_told(status, message)):
            await self._stop(pod, status, runtime, grace)

    async def _stop(
        self, pod: Object | None, status: ContainerStatus, runtime: PodRuntime, grace: int
    ) -> None:
        begun = self._clock.monotonic()
        if pod is not None and grace > 0 and status.state == ContainerState.RUNNING:
            await self._pre_stop(pod, status, runtime, grace)
        spent = int(self._clock.monotonic() - begun)
        left = max(grace - spent, MINIMUM_GRACE_SECONDS) if grace > 0 else 0
        chosen = stop_signal(pod, status.name)
        if chosen and left > 0 and status.state == ContainerState.RUNNING:
            left = await self._signal(status, chosen, left)
        await self._runtime.stop_container(status.id, left)

    async def _signal(self, status: ContainerStatus, number: int, grace: int) -> int:
        """The container's own stop signal, which CRI of containerd 1.6 cannot be told; returns the grace that is left."""
        try:
            await self._runtime.signal_container(status.id, number, grace)
        except CriError as error:
            if error.code != "UNIMPLEMENTED":
                raise
            log.warning("container %s: this runtime sends no signal but the image's", status.name)
            return grace
        return 0

    async def _pre_stop(self, pod: Object, status: ContainerStatus, runtime: PodRuntime, grace: int) -> None:
        container = pods.find_container(pod, status.name) or {}
        handler = (container.get("lifecycle") or {}).get("preStop")
        if not handler:
            return
        sandbox = runtime.ready_sandbox
        address = sandbox.ips[0] if sandbox and sandbox.ips else ""
        try:
            with step("preStop", container=status.name):
                hook = self._hooks.run(pod, container, status.id, handler, address)
                await self._clock.wait_for(hook, grace)
        except TimeoutError:
            log.info("preStop hook of %s did not end within the grace period", status.name)
        except HookError as error:
            log.info("preStop hook of %s failed: %s", status.name, error)
            where = field_path(pod, status.name)
            self._recorder.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", field_path=where)


def _told(status: ContainerStatus, message: str) -> dict[str, str]:
    """Why one container is stopped, where it is not that the pod ends."""
    return {} if message == f"Stopping container {status.name}" else {"why": message}


def termination_message(status: ContainerStatus, file: Path, log_file: Path) -> str:
    """What the container left in its message file, else (if its policy says so and it failed) the end of its log."""
    text = ""
    try:
        with file.open("rb") as source:
            text = source.read(MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        pass
    policy = status.annotations.get(labels.MESSAGE_POLICY)
    if text or policy != "FallbackToLogsOnError" or status.exit_code == 0:
        return text
    return _log_tail(log_file)


def _log_tail(path: Path) -> str:
    """The last lines of a CRI log, without time stamps."""
    try:
        with path.open("rb") as source:
            source.seek(0, 2)
            source.seek(max(0, source.tell() - 4 * LOG_MESSAGE_BYTES))
            lines = source.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    parts = [line.split(" ", 3) for line in lines[-LOG_MESSAGE_LINES:]]
    texts = [_content(part) for part in parts if len(part) == 4]
    return "".join(texts)[-LOG_MESSAGE_BYTES:]


def _content(parts: list[str]) -> str:
    """`time stream P|F text`: a partial line has no line end."""
    return parts[3] if parts[2] == "P" else f"{parts[3]}\n"


def stop_signal(pod: Object | None, name: str) -> int:
    """The number of the container's `lifecycle.stopSignal`; 0 when it has none."""
    container = pods.find_container(pod, name) if pod is not None else None
    text: str = ((container or {}).get("lifecycle") or {}).get("stopSignal") or ""
    for base, number in (("SIGRTMIN", 34), ("SIGRTMAX", 64)):
        if text.startswith(base):
            return number + int(text.removeprefix(base) or 0)
    return int(signal.Signals[text]) if text else 0


def stop_grace(pod: Object | None, status: ContainerStatus) -> int:
    """The grace period for ending one container outside the pod's own end."""
    if pod is not None:
        chosen: Any = pod["spec"].get("terminationGracePeriodSeconds")
        return 30 if chosen is None else chosen
    text = status.annotations.get(labels.GRACE_PERIOD, "")
    return int(text) if text.isdigit() else 30
