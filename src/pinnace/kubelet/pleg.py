"""Pod lifecycle event generator: keeps a picture of every pod in the runtime and says which pods changed.

The runtime's own event stream says which container ended; then its pod is looked at. So is it after the kubelet's own actions.
While the stream is there, listing everything is a safety net once a minute; without it, it happens each second.
Details of a container are asked for only when its state changed.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator

from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.kubelet import labels
from pinnace.kubelet.cri.runtime import (
    Container,
    ContainerRuntime,
    ContainerState,
    ContainerStatus,
    CriError,
    Sandbox,
    SandboxStatus,
)
from pinnace.kubelet.pod_runtime import PodRuntime, pod_runtime

log = logging.getLogger(__name__)

AFTER_EVENT = (0.005, 0.01, 0.03, 0.1, 0.5)  # the runtime books an end a little after it reports it
FEW = 8  # pods that are looked at one by one; more are listed at once
WITH_EVENTS_SECONDS = 60.0
UNHEALTHY_SECONDS = 180.0


class Pleg:
    """`on_change(uid)` is called after the picture of that pod changed."""

    def __init__(
        self,
        runtime: ContainerRuntime,
        clock: Clock,
        on_change: Callable[[str], None],
        relist_seconds: float = 1.0,
    ) -> None:
        self._runtime, self._clock, self._on_change = runtime, clock, on_change
        self._period = relist_seconds
        self._pods: dict[str, PodRuntime] = {}
        self._signatures: dict[str, frozenset[tuple[str, int]]] = {}
        self._containers: dict[str, ContainerStatus] = {}
        self._sandboxes: dict[str, SandboxStatus] = {}
        self._looked_at: dict[str, float] = {}
        self._poke = asyncio.Event()
        # Containers and sandboxes that the runtime says ended and that are not seen so yet: when to look, and after how many looks.
        self._ended: dict[str, tuple[float, int]] = {}
        self._is_told_of_ends = False  # the event stream is there
        self._list_now = False
        self._lists_soon = 0  # how many of the next lists follow after the short pause whatever is told
        self._listed_at = float("-inf")
        self._told = False  # the present failure is in the log
        self.last_relist: float | None = None

    def get(self, uid: str) -> PodRuntime:
        return self._pods.get(uid) or PodRuntime(uid)

    def __iter__(self) -> Iterator[PodRuntime]:
        return iter(list(self._pods.values()))

    def health_problem(self) -> str:
        """Upstream's sentence when listing has not worked for three minutes, else ""."""
        if self.last_relist is None:
            return "PLEG is not healthy: pleg has yet to be successful"
        silent = self._clock.monotonic() - self.last_relist
        if silent < UNHEALTHY_SECONDS:
            return ""
        return f"PLEG is not healthy: pleg was last seen active {silent:.0f}s ago; threshold is 3m0s"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_running("runtime events", self._listen, self._clock))
            group.create_task(self._look_for_ever())

    async def _listen(self) -> None:
        """Ends when the runtime does or cannot tell. An end while the stream was opened is listed soon after."""
        try:
            async for ended in self._runtime.changes():
                self._is_told_of_ends = True
                if ended:
                    self._ended[ended] = (self._clock.monotonic() + AFTER_EVENT[0], 0)
                else:
                    self._list_now, self._lists_soon = True, 1
                self._poke.set()
        except CriError as error:
            log.debug("the runtime's events ended: %s", error)
        finally:
            self._is_told_of_ends = False
            self._poke.set()

    async def _look_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._poke.wait(), self._until_look())
            self._poke.clear()
            try:
                await self._look_at_ended()
                if self._list_now or not self._until_list():
                    await self.relist()
                self._told = False
            except (CriError, TimeoutError) as error:
                if not self._told:
                    log.warning("cannot list containers: %s", error)
                self._told = True

    def _until_list(self) -> float:
        """Seconds until everything is listed next."""
        is_safe = self._is_told_of_ends and not self._told and not self._lists_soon
        pause = WITH_EVENTS_SECONDS if is_safe else self._period
        return max(0.0, self._listed_at + pause - self._clock.monotonic())

    def _until_look(self) -> float:
        """Seconds until there is something to do."""
        due = min((at for at, _ in self._ended.values()), default=float("inf"))
        return min(self._until_list(), max(0.0, due - self._clock.monotonic()))

    async def _look_at_ended(self) -> None:
        """Look at the pods of what ended; what is not seen so after the last look is left to a list that follows soon.

        Who is not known may have been started just now, and another task is about to learn of it: it is forgotten no earlier.
        """
        now = self._clock.monotonic()
        due = {one: looks for one, (at, looks) in self._ended.items() if at <= now}
        for one, looks in due.items():
            if looks + 1 < len(AFTER_EVENT):
                self._ended[one] = (now + AFTER_EVENT[looks + 1], looks + 1)
            else:
                del self._ended[one]
        due = {one: looks for one, looks in due.items() if not self._is_seen_ended(one)}
        pods = {self._pod_of(one) for one in due} - {""}
        if len(pods) > FEW or any(looks == 0 and not self._pod_of(one) for one, looks in due.items()):
            await self.relist()
        else:
            for uid in pods:
                await self._look_at(uid, report=True)
        if any(one not in self._ended and not self._is_seen_ended(one) for one in due):
            self._lists_soon = 1
        for one in [one for one in self._ended if self._is_seen_ended(one)]:
            del self._ended[one]

    def _is_seen_ended(self, one: str) -> bool:
        if (container := self._containers.get(one)) is not None:
            return container.state == ContainerState.EXITED
        return (box := self._sandboxes.get(one)) is not None and not box.is_ready

    def _pod_of(self, one: str) -> str:
        """The uid of the pod; "" for what is not known."""
        if (container := self._containers.get(one)) is not None:
            return container.labels.get(labels.POD_UID, "")
        return box.uid if (box := self._sandboxes.get(one)) is not None else ""

    async def relist(self) -> None:
        """Look at everything; pods that changed are reported."""
        begun = self._listed_at = self._clock.monotonic()
        self._list_now = False
        boxes, containers = await asyncio.gather(
            self._runtime.list_sandboxes(), self._runtime.list_containers()
        )
        by_pod: dict[str, tuple[list[Sandbox], list[Container]]] = defaultdict(lambda: ([], []))
        for box in boxes:
            by_pod[box.uid][0].append(box)
        for container in containers:
            by_pod[container.labels.get(labels.POD_UID, "")][1].append(container)
        for uid in [uid for uid in self._pods if uid not in by_pod]:
            by_pod[uid] = ([], [])
        for uid, (own_boxes, own) in by_pod.items():
            if self._looked_at.get(uid, -1.0) < begun and uid:
                await self._take(uid, own_boxes, own, report=True)
        self.last_relist = self._clock.monotonic()
        self._lists_soon = max(0, self._lists_soon - 1)

    async def refresh(self, uid: str) -> PodRuntime:
        """Look at one pod now; the caller knows of the change, so it is not reported."""
        await self._look_at(uid, report=False)
        return self.get(uid)

    async def _look_at(self, uid: str, *, report: bool) -> None:
        chosen = {labels.POD_UID: uid}
        boxes, containers = await asyncio.gather(
            self._runtime.list_sandboxes(labels=chosen), self._runtime.list_containers(labels=chosen)
        )
        self._looked_at[uid] = self._clock.monotonic()
        await self._take(uid, boxes, containers, report=report)

    async def _take(
        self, uid: str, boxes: list[Sandbox], containers: list[Container], *, report: bool
    ) -> None:
        signature = frozenset(
            [(box.id, int(box.is_ready)) for box in boxes] + [(one.id, int(one.state)) for one in containers]
        )
        if self._signatures.get(uid) == signature:
            return
        try:
            box_states = [await self._sandbox(box) for box in boxes]
            states = [await self._container(one) for one in containers]
        except CriError as error:
            if error.is_not_found:  # removed between the two calls: the next look sees it
                self._lists_soon = 1
                self._poke.set()
                return
            raise
        self._forget_missing(uid, box_states, states)
        self._signatures[uid] = signature
        if signature:
            self._pods[uid] = pod_runtime(uid, box_states, states)
        else:
            for memory in (self._pods, self._signatures, self._looked_at):
                memory.pop(uid, None)
        if report:
            self._on_change(uid)

    def _forget_missing(
        self, uid: str, boxes: list[SandboxStatus], containers: list[ContainerStatus]
    ) -> None:
        old = self._pods.get(uid)
        if old is None:
            return
        alive = {box.id for box in boxes} | {one.id for one in containers}
        for box in old.sandboxes:
            if box.id not in alive:
                self._sandboxes.pop(box.id, None)
        for one in old.containers:
            if one.id not in alive:
                self._containers.pop(one.id, None)

    async def _sandbox(self, box: Sandbox) -> SandboxStatus:
        known = self._sandboxes.get(box.id)
        if known is None or known.is_ready != box.is_ready:
            known = self._sandboxes[box.id] = await self._runtime.sandbox_status(box.id)
        return known

    async def _container(self, one: Container) -> ContainerStatus:
        known = self._containers.get(one.id)
        if known is None or known.state != one.state or known.state == ContainerState.CREATED:
            fresh = await self._runtime.container_status(one.id)
            known = self._containers[one.id] = _with_sandbox(fresh, one)
        return known


def _with_sandbox(status: ContainerStatus, listed: Container) -> ContainerStatus:
    """CRI's container status does not name its sandbox; the list does."""
    import dataclasses

    return dataclasses.replace(status, sandbox_id=listed.sandbox_id)
