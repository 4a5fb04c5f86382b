"""Whether this node takes in a pod that was bound to it, and making room for critical ones. The judgement itself is `admission`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet import preemption
from pinnace.kubelet.admission import Abilities, Refusal, alive, refusal, shortages
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.devices.manager import AllocationError, DeviceManager
from pinnace.kubelet.eviction import disruption_condition
from pinnace.kubelet.host import Host
from pinnace.kubelet.node_agent import NodeAgent
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.node_status import has_app_armor, labels
from pinnace.kubelet.pod_workers import PodWorkers

if TYPE_CHECKING:
    from pinnace.kubelet.shutdown.manager import ShutdownManager

PREEMPTION_POLL_SECONDS = 0.1


class PodAdmission:
    """`refuses`, where there is one, is asked before anything else; so is `shutdown`. `workers` are those of all pods of this node."""

    def __init__(
        self, *, clock: Clock, config: KubeletConfig, facts: NodeFacts, node_agent: NodeAgent, devices: DeviceManager,
        recorder: EventRecorder, host: Host, workers: Callable[[], PodWorkers],
    ) -> None:  # fmt: skip
        self._clock, self._config, self._facts, self._node_agent = clock, config, facts, node_agent
        self._devices, self._recorder, self._host, self._workers = devices, recorder, host, workers
        self.refuses: Callable[[Object], Refusal | None] | None = None
        self.shutdown: ShutdownManager | None = None

    async def admit(self, pod: Object) -> Refusal | None:
        """What is known of the node may be minutes old: a pod that does not fit its labels is judged by fresh ones."""
        if (refused := self._closed_to(pod)) is not None:
            return refused
        refused = await self._without_devices(pod) or self._refusal(pod)
        if refused is not None and refused[0] == "NodeAffinity":
            await self._node_agent.refresh()
            refused = self._refusal(pod)
        if refused is not None and refused[0].startswith("OutOf") and pods.is_critical(pod):
            return await self._preempt(pod)
        return refused

    def _closed_to(self, pod: Object) -> Refusal | None:
        """A node that shuts down, or is under pressure, takes in no pod, whatever room there is."""
        if self.shutdown is not None and self.shutdown.is_shutting_down:
            from pinnace.kubelet.shutdown.manager import REFUSAL

            return REFUSAL
        return self.refuses(pod) if self.refuses is not None else None

    async def _without_devices(self, pod: Object) -> Refusal | None:
        try:
            await self._devices.allocate(pod)
        except AllocationError as error:
            return "UnexpectedAdmissionError", f"Allocate failed due to {error}, which is unexpected"
        return None

    def _refusal(self, pod: Object) -> Refusal | None:
        node = self._node_agent.node or {
            "metadata": {"name": self._config.node_name, "labels": labels(self._config)}
        }
        abilities = Abilities(
            self._config.allowed_unsafe_sysctls,
            bool(self._node_agent.features.supplemental_groups_policy),
            has_app_armor(),
        )
        return refusal(pod, node, self.others(meta.uid(pod)), self._facts.allocatable, abilities)

    async def _preempt(self, pod: Object) -> Refusal | None:
        """A critical pod is not refused for lack of room while others could go."""
        others = alive(self.others(meta.uid(pod)))
        missing = {one.name: one.missing for one in shortages(pod, others, self._facts.allocatable)}
        try:
            chosen = preemption.victims(pod, others, missing)
        except preemption.NoVictims as error:
            return "UnexpectedAdmissionError", str(error)
        signal = next(iter(missing), "")
        for victim in chosen:
            self._host.counts.preemptions[signal] += 1
            self._recorder.event(victim, "Warning", preemption.REASON, preemption.MESSAGE)
            condition = disruption_condition(preemption.MESSAGE)
            self._host.fail(meta.uid(victim), (preemption.REASON, preemption.MESSAGE), None, (condition,))
        while any(self._workers().is_alive(meta.uid(victim)) for victim in chosen):
            await self._clock.sleep(PREEMPTION_POLL_SECONDS)
        return None

    def others(self, uid: str) -> list[Object]:
        """The pods that take room on this node beside this one, with what they were granted."""
        return [
            record.current()
            for record in self._workers().records()
            if record.uid != uid and record.status is not None
            and not (record.has_ended or record.is_gone_from_api)  # the scheduler has given its room away already
        ]  # fmt: skip
