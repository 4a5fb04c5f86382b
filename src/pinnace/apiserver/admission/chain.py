"""The chain of admission plugins: first all that change, later all that judge."""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from pinnace.apiserver.admission.attributes import Admission, Object, Operation


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


class Chain:
    """Plugins that do not override a phase, or do not want an operation, cost nothing in it."""

    def __init__(self, plugins: Iterable[BasePlugin] = ()) -> None:
        self.plugins = tuple(plugins)
        mutating = [p for p in self.plugins if type(p).admit is not BasePlugin.admit]
        validating = [p for p in self.plugins if type(p).validate is not BasePlugin.validate]
        self._mutating = {op: tuple(p for p in mutating if op in p.admits) for op in EVERY_OPERATION}
        self._validating = {op: tuple(p for p in validating if op in p.validates) for op in EVERY_OPERATION}

    async def admit(self, admission: Admission) -> None:
        """Once through all that change; once more when one of them asked for it, having changed what others had seen."""
        for plugin in self._mutating[admission.operation]:
            await plugin.admit(admission)
        again = admission.reinvocation
        if again is not None and again.requested:
            again.running = True
            for plugin in self._mutating[admission.operation]:
                await plugin.admit(admission)

    async def validate(self, admission: Admission) -> None:
        for plugin in self._validating[admission.operation]:
            await plugin.validate(admission)

    async def review(self, admission: Admission) -> None:
        """Both phases, for what has nothing between them: deletes, connections, bodies that are not stored."""
        await self.admit(admission)
        await self.validate(admission)
