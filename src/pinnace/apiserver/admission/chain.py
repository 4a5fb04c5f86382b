"""The chain of admission plugins: first all that change, later all that judge."""

from collections.abc import Iterable
from typing import Protocol

from pinnace.apiserver.admission.attributes import Admission


class Plugin(Protocol):
    """`admit` may change `admission.object`, or refuse by raising a StatusError; `validate` only refuses."""

    @property
    def name(self) -> str: ...

    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


class BasePlugin:
    """Does nothing; plugins override the phase they take part in."""

    name = ""

    async def admit(self, admission: Admission) -> None:
        return None

    async def validate(self, admission: Admission) -> None:
        return None


class Chain:
    """Plugins that do not override a phase cost nothing in it."""

    def __init__(self, plugins: Iterable[BasePlugin] = ()) -> None:
        self.plugins = tuple(plugins)
        self._mutating = [p for p in self.plugins if type(p).admit is not BasePlugin.admit]
        self._validating = [p for p in self.plugins if type(p).validate is not BasePlugin.validate]

    async def admit(self, admission: Admission) -> None:
        for plugin in self._mutating:
            await plugin.admit(admission)

    async def validate(self, admission: Admission) -> None:
        for plugin in self._validating:
            await plugin.validate(admission)
