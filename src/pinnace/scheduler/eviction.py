"""Carrying out a preemption, in the background: victims get their condition and are deleted, weaker nominations are withdrawn.

The preemptor is not tried again before that is done, since its victims would be chosen a second time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from pinnace.api import meta
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Lister
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client, Object
from pinnace.component.clock import Clock
from pinnace.scheduler.nomination import PREEMPTED, Nominator
from pinnace.scheduler.pod_info import PodInfo

log = logging.getLogger(__name__)

TIMEOUT = 60.0
AT_A_TIME = 64


class Evictor:
    """`recorders` by the preemptor's scheduler name. `finished(preemptor, succeeded)` is called on the event loop when all victims were told to go, or one could not be; `withdrawn(pod)` when
    a pod was told that it is no longer nominated."""

    def __init__(
        self, client: Client, clock: Clock, recorders: Mapping[str, EventRecorder], pods: Lister,
        nominator: Nominator, *, finished: Callable[[PodInfo, bool], None], withdrawn: Callable[[PodInfo], None],
    ) -> None:  # fmt: skip
        self._client, self._clock, self._recorders = client, clock, recorders
        self._pods, self._nominator = pods, nominator
        self._finished, self._withdrawn = finished, withdrawn
        self._places = asyncio.Semaphore(
            AT_A_TIME
        )  # of preemptors, so that a burst does not flood the server
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, pod: PodInfo, node: str, victims: Sequence[PodInfo], weaker: Iterable[PodInfo]) -> None:
        """`weaker`: pods of lower priority that are nominated to the node."""
        task = asyncio.create_task(
            self._run(pod, node, [v for v in victims if not v.is_terminating], list(weaker)),
            name=f"preempt for {pod.namespace}/{pod.name}",
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, pod: PodInfo, node: str, victims: list[PodInfo], weaker: list[PodInfo]) -> None:
        succeeded = False
        try:
            async with self._places:
                done = await asyncio.gather(
                    *(self._withdraw(other) for other in weaker),
                    *(self._evict(pod, node, one) for one in victims),
                )
            succeeded = all(done)
        except Exception:
            log.exception("preemption for %s/%s failed", pod.namespace, pod.name)
        self._finished(pod, succeeded)

    async def _withdraw(self, pod: PodInfo) -> bool:
        """Tell the API, unless the pod found another node meanwhile; then it may look for one."""
        if self._nominator.node_of(pod.uid):
            return True
        body = {"metadata": {"uid": pod.uid}, "status": {"nominatedNodeName": None}}
        patch = self._client.patch(PODS, pod.name, body, pod.namespace, subresource="status")
        done = await self._try(patch, f"nomination of {pod.namespace}/{pod.name} not withdrawn")
        self._withdrawn(pod)
        return done

    async def _evict(self, pod: PodInfo, node: str, victim: PodInfo) -> bool:
        what = f"{victim.namespace}/{victim.name} not preempted"
        condition = self._condition(pod, victim)
        if condition is not None:
            body = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
            patch = self._client.patch(
                PODS, victim.name, body, victim.namespace,
                subresource="status", content_type=STRATEGIC_MERGE_PATCH,
            )  # fmt: skip
            if not await self._try(patch, what):
                return False
        if not await self._try(
            self._client.delete(PODS, victim.name, victim.namespace, uid=victim.uid), what
        ):
            return False
        message = f"Preempted by pod {pod.uid} on node {node}"
        self._recorders[pod.scheduler_name].event(
            victim.object, "Normal", "Preempted", message, action="Preempting", related=pod.object
        )
        return True

    async def _try(self, request: "asyncio.Future[Object] | object", what: str) -> bool:
        try:
            await self._clock.wait_for(request, TIMEOUT)  # type: ignore[arg-type]
        except (NotFound, Conflict):
            pass  # gone, or another one of that name
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("%s: %s", what, error)
            return False
        return True

    def _condition(self, pod: PodInfo, victim: PodInfo) -> Object | None:
        """The DisruptionTarget condition, or None when the victim has it already."""
        current = self._pods.get(victim.name, victim.namespace) or victim.object
        new = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": PREEMPTED,
            "message": f"{pod.scheduler_name}: preempting to accommodate a higher priority pod",
        }
        old = meta.find_condition(current, "DisruptionTarget") or {}
        if all(old.get(part) == value for part, value in new.items()):
            return None
        since = old.get("lastTransitionTime") if old.get("status") == "True" else None
        new["lastTransitionTime"] = since or format_time(self._clock.now())
        generation = current["metadata"].get("generation")
        return {**new, "observedGeneration": generation} if generation else new

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
