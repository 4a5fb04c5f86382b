"""What the containers of a simulated pod do: how long they run, how they end, when they are ready.

A rule is a function of the pod: it is asked anew at every step, so it may look at restart counts, labels or owners.
Times count from what the pod's status says, which knows whole seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pinnace.api.meta import Object


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container, from its start to its exit."""

    seconds: float | None = None  # None: until it is told to end
    exit_code: int = 0
    ready_after: float | None = 0.0  # seconds after the start; None: never
    reason: str = ""  # "": Completed or Error, by the exit code
    message: str = ""  # the termination message


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`runs` are the first, second, ... run of every app container; the last one stands for all later ones."""

    runs: tuple[Run, ...] = (Run(),)
    containers: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)  # by name, also init containers
    starts_after: float | None = (
        0.0  # seconds from the binding to the first container; None: it stays Pending
    )
    leaves_after: float = 0.0  # seconds from the deletion to the end, at most the grace period
    killed_exit_code: int = (
        143  # of containers that a deletion ends in time; after the grace period it is 137
    )
    evicted: str = ""  # the message with which the kubelet evicts the pod

    def runs_of(self, name: str, *, is_init: bool) -> tuple[Run, ...]:
        return self.containers.get(name) or (COMPLETES if is_init else self.runs)


Rule = Callable[[Object], Behaviour | None]
"""None: this rule has nothing to say about the pod."""

COMPLETES = (Run(seconds=0.0),)
RUNS_ON = Behaviour()
SUCCEEDS = Behaviour(runs=(Run(seconds=1.0),))


def of_jobs(pod: Object) -> Behaviour | None:
    """As KWOK has it, but after a second: what a Job made runs, and succeeds."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return SUCCEEDS if any(one["kind"] == "Job" for one in owners) else None
