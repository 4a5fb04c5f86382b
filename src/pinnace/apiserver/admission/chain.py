"""The chain of admission plugins: first all that change, later all that judge."""

from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar, NamedTuple, Protocol

from pinnace.apimachinery.errors import StatusError
from pinnace.apiserver.admission.attributes import Admission, Object, Operation
from pinnace.apiserver.admission.timings import Timing
from pinnace.component.clock import Clock


class Plugin(Protocol):
    """`admit` may change `admission.object`, or refuse by raising a StatusError; `validate` only refuses."""

    @property
    def name(self) -> str: ...

    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


class BasePlugin:
    """Does nothing; plugins override the phase they take part in.

    `admits` and `validates` are the operations for which a phase is called. Subresources come too (`pods/binding` is a CREATE):
    a plugin asks `admission.is_for(...)` or `is_create_of(...)`.
    """

    name = ""
    admits: ClassVar[tuple[Operation, ...]] = ("CREATE", "UPDATE")
    validates: ClassVar[tuple[Operation, ...]] = ("CREATE", "UPDATE", "DELETE")
    needs_configuration: ClassVar[bool] = False

    def configure(self, configuration: Object) -> None:
        """Take over the plugin's document of `--admission-control-config-file`; raises ValueError."""
        raise ValueError("takes no configuration")

    async def admit(self, admission: Admission) -> None:
        return None

    async def validate(self, admission: Admission) -> None:
        return None


EVERY_OPERATION: tuple[Operation, ...] = ("CREATE", "UPDATE", "DELETE", "CONNECT")


class Step(NamedTuple):
    act: Callable[[Admission], Awaitable[None]]
    timing: Timing


class Phase:
    """The plugins that take part in one phase of one operation, each timed."""

    def __init__(
        self, kind: str, operation: Operation, plugins: Iterable[BasePlugin], now: Callable[[], float]
    ) -> None:
        act = "admit" if kind == "admit" else "validate"
        self.steps = tuple(Step(getattr(p, act), Timing(p.name, operation, kind)) for p in plugins)
        self.timing, self._now = Timing("", operation, kind), now

    async def run(self, admission: Admission) -> None:
        now = self._now
        begun = since = now()
        timing = self.timing
        try:
            for act, timing in self.steps:
                await act(admission)
                then = now()
                timing.accepted.observe(then - since)
                since = then
        except StatusError:
            then = now()
            timing.refused.observe(then - since)
            self.timing.refused.observe(then - begun)
            raise
        self.timing.accepted.observe(since - begun)


class Chain:
    """Plugins that do not override a phase, or do not want an operation, cost nothing in it. Without a clock nothing is timed."""

    def __init__(self, plugins: Iterable[BasePlugin] = (), clock: Clock | None = None) -> None:
        self.plugins = tuple(plugins)
        now = clock.monotonic if clock is not None else lambda: 0.0
        mutating = [p for p in self.plugins if type(p).admit is not BasePlugin.admit]
        validating = [p for p in self.plugins if type(p).validate is not BasePlugin.validate]
        self._mutating = {
            op: Phase("admit", op, [p for p in mutating if op in p.admits], now) for op in EVERY_OPERATION
        }
        self._validating = {
            op: Phase("validate", op, [p for p in validating if op in p.validates], now)
            for op in EVERY_OPERATION
        }

    @property
    def timings(self) -> list[Timing]:
        phases = (*self._mutating.values(), *self._validating.values())
        return [
            timing for phase in phases for timing in (phase.timing, *(step.timing for step in phase.steps))
        ]

    async def admit(self, admission: Admission) -> None:
        """Once through all that change; once more when one of them asked for it, having changed what others had seen."""
        phase = self._mutating[admission.operation]
        await phase.run(admission)
        again = admission.reinvocation
        if again is not None and again.requested:
            again.running = True
            await phase.run(admission)

    async def validate(self, admission: Admission) -> None:
        await self._validating[admission.operation].run(admission)

    async def review(self, admission: Admission) -> None:
        """Both phases, for what has nothing between them: deletes, connections, bodies that are not stored."""
        await self.admit(admission)
        await self.validate(admission)
