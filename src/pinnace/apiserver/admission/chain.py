"""The chain of admission plugins: first all that change, later all that judge."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.admission.attributes import Admission, Object, Operation


class Plugin(Protocol):
    """`admit` may change `admission.object`, or refuse by raising a StatusError; `validate` only refuses."""

    @property
    def name(self) -> str: ...

    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


_REMEMBERED = 2048


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


@dataclass(slots=True)
class Late:
    """A plugin that is made with the first object that concerns it, by the qualified names of resources."""

    resources: frozenset[str]
    make: Callable[[], BasePlugin]
    made: BasePlugin | None = None


class Chain:
    """Plugins that do not override a phase, or do not want an operation or a resource, cost nothing in it."""

    def __init__(self, plugins: Iterable[BasePlugin | Late] = ()) -> None:
        self._plugins = tuple(plugins)
        self._mutating: dict[tuple[Operation, GVR], tuple[BasePlugin, ...]] = {}
        self._validating: dict[tuple[Operation, GVR], tuple[BasePlugin, ...]] = {}

    async def admit(self, admission: Admission) -> None:
        """Once through all that change; once more when one of them asked for it, having changed what others had seen."""
        plugins = self._mutating.get((admission.operation, admission.resource.gvr))
        if plugins is None:
            plugins = self._select(admission)[0]
        for plugin in plugins:
            await plugin.admit(admission)
        again = admission.reinvocation
        if again is not None and again.requested:
            again.running = True
            for plugin in plugins:
                await plugin.admit(admission)

    async def validate(self, admission: Admission) -> None:
        plugins = self._validating.get((admission.operation, admission.resource.gvr))
        if plugins is None:
            plugins = self._select(admission)[1]
        for plugin in plugins:
            await plugin.validate(admission)

    def _select(self, admission: Admission) -> tuple[tuple[BasePlugin, ...], tuple[BasePlugin, ...]]:
        """Those that this operation on this resource concerns, by phase; remembered."""
        operation, gvr = admission.operation, admission.resource.gvr
        fitting = [made for plugin in self._plugins if (made := _made(plugin, gvr)) is not None]
        if len(self._mutating) > _REMEMBERED:  # custom resources come and go
            self._mutating.clear()
            self._validating.clear()
        mutating = self._mutating[operation, gvr] = tuple(
            p for p in fitting if type(p).admit is not BasePlugin.admit and operation in p.admits
        )
        validating = self._validating[operation, gvr] = tuple(
            p for p in fitting if type(p).validate is not BasePlugin.validate and operation in p.validates
        )
        return mutating, validating

    async def review(self, admission: Admission) -> None:
        """Both phases, for what has nothing between them: deletes, connections, bodies that are not stored."""
        await self.admit(admission)
        await self.validate(admission)


def _made(plugin: BasePlugin | Late, gvr: GVR) -> BasePlugin | None:
    if isinstance(plugin, BasePlugin):
        return plugin
    if gvr.qualified not in plugin.resources:
        return None
    if plugin.made is None:
        plugin.made = plugin.make()
    return plugin.made
