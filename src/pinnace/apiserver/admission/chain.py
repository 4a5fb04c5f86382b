"""The chain of admission plugins: first all that change, later all that judge."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.admission.attributes import Admission, Object, Operation
from pinnace.apiserver.admission.timings import Timing
from pinnace.component.clock import Clock
from pinnace.component.tracing import CURRENT, Span


class Plugin(Protocol):
    """`admit` may change `admission.object`, or refuse by raising a StatusError; `validate` only refuses."""

    @property
    def name(self) -> str: ...

    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


_REMEMBERED = 2048
_UNSETTLED = 128  # runs of a phase whose durations wait to be counted


class BasePlugin:
    """Does nothing; plugins override the phase they take part in.

    `admits` and `validates` are the operations for which a phase is called. Subresources come too (`pods/binding` is a CREATE)
    unless `subresources` says which do: a plugin asks `admission.is_for(...)` or `is_create_of(...)`.
    """

    name = ""
    admits: ClassVar[tuple[Operation, ...]] = ("CREATE", "UPDATE")
    validates: ClassVar[tuple[Operation, ...]] = ("CREATE", "UPDATE", "DELETE")
    subresources: ClassVar[tuple[str, ...] | None] = None  # besides the resource itself; None: all
    needs_configuration: ClassVar[bool] = False

    def configure(self, configuration: Object) -> None:
        """Take over the plugin's document of `--admission-control-config-file`; raises ValueError."""
        raise ValueError("takes no configuration")

    async def admit(self, admission: Admission) -> None:
        return None

    async def validate(self, admission: Admission) -> None:
        return None


EVERY_OPERATION: tuple[Operation, ...] = ("CREATE", "UPDATE", "DELETE", "CONNECT")


@dataclass(slots=True)
class Late:
    """A plugin that is made with the first object that concerns it, by the qualified names of resources."""

    resources: frozenset[str]
    make: Callable[[], BasePlugin]
    made: BasePlugin | None = None


class Step(NamedTuple):
    act: Callable[[Admission], Awaitable[None]]
    timing: Timing


class Phase:
    """The plugins that take part in one phase of one operation on one resource, each timed."""

    def __init__(self, steps: tuple[Step, ...], timing: Timing, now: Callable[[], float]) -> None:
        self.steps, self.timing, self._now = steps, timing, now
        self._unsettled = 0

    async def run(self, admission: Admission) -> None:
        now = self._now
        begun = since = now()
        timing = self.timing
        try:
            for act, timing in self.steps:
                await act(admission)
                then = now()
                timing.passed.append(then - since)
                since = then
        except StatusError:
            then = now()
            timing.refused.observe(then - since)
            self.timing.refused.observe(then - begun)
            raise
        self.timing.passed.append(since - begun)
        if (span := CURRENT.get()) is not None and span.is_request:
            span.admission += since - begun
        self._unsettled += 1
        if self._unsettled >= _UNSETTLED:
            self._settle()

    def examined(self, admission: Admission, span: Span) -> "Phase":
        """The same plugins, each followed by a look at what it changed."""
        from pinnace.apiserver.admission.examination import examined

        return Phase(
            tuple(Step(examined(each, admission, span), each.timing) for each in self.steps),
            self.timing,
            self._now,
        )

    def _settle(self) -> None:
        self._unsettled = 0
        self.timing.settle()
        for _, timing in self.steps:
            timing.settle()


Kind = Literal["admit", "validate"]


class Chain:
    """Plugins that do not override a phase, or do not want an operation or a resource, cost nothing in it.

    Without a clock nothing is timed.
    """

    def __init__(self, plugins: Iterable[BasePlugin | Late] = (), clock: Clock | None = None) -> None:
        self._plugins = tuple(plugins)
        self._now = clock.monotonic if clock is not None else lambda: 0.0
        self._phases: dict[tuple[Kind, Operation, GVR, str], Phase] = {}
        self._timings: dict[tuple[str, Operation, Kind], Timing] = {}  # by plugin: resources share them

    @property
    def timings(self) -> list[Timing]:
        return list(self._timings.values())

    async def admit(self, admission: Admission) -> None:
        """Once through all that change; once more when one of them asked for it, having changed what others had seen."""
        phase = self._phase("admit", admission)
        span = CURRENT.get()
        if span is not None and span.is_examined and admission.object is not None:
            phase = phase.examined(admission, span)
        await phase.run(admission)
        again = admission.reinvocation
        if again is not None and again.requested:
            again.running = True
            await phase.run(admission)

    async def validate(self, admission: Admission) -> None:
        await self._phase("validate", admission).run(admission)

    def _phase(self, kind: Kind, admission: Admission) -> Phase:
        """Of those that this operation on this resource or subresource concerns; remembered."""
        operation, gvr, sub = admission.operation, admission.resource.gvr, admission.subresource
        found = self._phases.get((kind, operation, gvr, sub))
        if found is None:
            if len(self._phases) > _REMEMBERED:  # custom resources come and go
                self._phases.clear()
            fitting = [made for plugin in self._plugins if (made := _made(plugin, gvr)) is not None]
            steps = tuple(
                Step(getattr(plugin, kind), self._timing(plugin.name, operation, kind))
                for plugin in fitting
                if _takes_part(plugin, kind, operation, sub)
            )
            found = Phase(steps, self._timing("", operation, kind), self._now)
            self._phases[kind, operation, gvr, sub] = found
        return found

    def _timing(self, name: str, operation: Operation, kind: Kind) -> Timing:
        key = name, operation, kind
        return self._timings.get(key) or self._timings.setdefault(key, Timing(*key))

    async def review(self, admission: Admission) -> None:
        """Both phases, for what has nothing between them: deletes, connections, bodies that are not stored."""
        await self.admit(admission)
        await self.validate(admission)


def _takes_part(plugin: BasePlugin, kind: Kind, operation: Operation, subresource: str) -> bool:
    if subresource and plugin.subresources is not None and subresource not in plugin.subresources:
        return False
    wanted = plugin.admits if kind == "admit" else plugin.validates
    return operation in wanted and getattr(type(plugin), kind) is not getattr(BasePlugin, kind)


def _made(plugin: BasePlugin | Late, gvr: GVR) -> BasePlugin | None:
    if isinstance(plugin, BasePlugin):
        return plugin
    if gvr.qualified not in plugin.resources:
        return None
    if plugin.made is None:
        plugin.made = plugin.make()
    return plugin.made
