"""A pod that waits to be scheduled, and what the queue remembers of its tries."""

from dataclasses import dataclass, field

from pinnace.component.tracing import Span
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.pod_info import Demand, PodInfo

Group = tuple[str, frozenset[str], Demand, int]  # the scheduler's name, who refused, the demand, the priority


@dataclass(slots=True)
class QueuedPod:
    pod: PodInfo
    queued_at: float  # when the queue first saw the pod: its place among pods of the same priority
    attempts: int = 0
    tried_at: float = 0.0
    refusals: int = 0
    errors: int = 0  # in a row
    ready_at: float = 0.0  # end of the back-off
    refused_by: frozenset[str] = field(default_factory=frozenset)
    is_held: bool = False  # not to be tried while its victims are being evicted
    is_called: bool = False  # something happened while it was held
    span: Span | None = None  # of the last attempt, where attempts are recorded
    missed: list[Happening] = field(default_factory=list)  # what happened while it was decided about

    @property
    def group(self) -> Group:
        return self.pod.scheduler_name, self.refused_by, self.pod.demand, self.pod.priority
