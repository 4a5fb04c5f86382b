"""What a shutdown of the node does: no new pods, a node that is not ready, and pods that end group by group."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any, Protocol

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.shutdown.periods import Group, grace_seconds, grouped

log = logging.getLogger(__name__)

REASON, MESSAGE = "Terminated", "Pod was terminated in response to imminent node shutdown."
REFUSAL = ("NodeShutdown", "Pod was rejected as the node is shutting down.")
NODE_PROBLEM = "node is shutting down"


class ShutdownSignals(Protocol):
    """Who tells of a shutdown and lets it wait for us."""

    def events(self) -> AsyncGenerator[bool, None]:
        """True: the machine is about to go down and waits; False: it is not, after all."""
        ...

    async def delay(self) -> None:
        """Have the next shutdown wait for us. Idempotent."""

    async def release(self) -> None:
        """Let it go on."""


class Ending(Protocol):
    async def end_pod(
        self, uid: str, reason: str, message: str, *, grace_period_seconds: int, conditions: Iterable[Object]
    ) -> None:
        """Fail the pod and return when nothing of it runs."""


class ShutdownManager:
    """`running` gives the pods of the node; `changed` is called when the node began or ceased to shut down."""

    def __init__(
        self,
        signals: ShutdownSignals,
        clock: Clock,
        shares: Sequence[tuple[int, float]],
        *,
        ending: Ending,
        running: Callable[[], Iterable[Object]],
        changed: Callable[[], None],
    ) -> None:
        self._signals, self._clock, self._shares = signals, clock, shares
        self._ending, self._running, self._changed = ending, running, changed
        self.is_shutting_down = False

    async def run(self) -> None:
        await self._signals.delay()
        async for is_due in self._signals.events():
            if is_due != self.is_shutting_down:
                self.is_shutting_down = is_due
                self._changed()
            if is_due:
                log.info("the node is shutting down")
                try:
                    await self.end_all()
                finally:
                    await self._signals.release()
            else:
                await self._signals.delay()

    async def end_all(self) -> None:
        """One group after the other, each for as long as its time lasts."""
        found = [pod for pod in self._running() if not pods.is_terminal(pod)]
        for group in grouped(found, self._shares):
            log.info("ending %d pods of priority %d and more", len(group.pods), group.priority)
            try:
                await self._clock.wait_for(
                    asyncio.gather(*(self._end(pod, group) for pod in group.pods)), group.seconds
                )
            except TimeoutError:
                log.warning("pods of priority %d did not end within %.0f s", group.priority, group.seconds)

    async def _end(self, pod: Object, group: Group) -> None:
        condition: dict[str, Any] = {
            "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": MESSAGE,
        }  # fmt: skip
        await self._ending.end_pod(
            meta.uid(pod), REASON, MESSAGE,
            grace_period_seconds=grace_seconds(pod, group), conditions=(condition,),
        )  # fmt: skip
