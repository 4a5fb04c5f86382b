"""A controller that looks at everything at once, every so often: for promises about the whole and not about one object."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pinnace.apimachinery.gvk import GVR
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import About, Tracer
from pinnace.controllers.runtime import indexes
from pinnace.controllers.runtime.actions import Action
from pinnace.controllers.runtime.executor import Executor
from pinnace.controllers.runtime.expectations import Expectations
from pinnace.controllers.runtime.metrics import LoopMetrics
from pinnace.controllers.runtime.tracing import PassTrace
from pinnace.controllers.runtime.world import Memory, World

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    name: str
    source: str
    period: float  # seconds
    reads: tuple[GVR, ...]
    reconcile: Callable[[World], Iterator[Action]]


class SweepLoop:
    def __init__(
        self,
        sweep: Sweep,
        client: Client,
        clock: Clock,
        informers: Informers,
        *,
        tracer: Tracer | None = None,
    ) -> None:
        self._trace: PassTrace[str] | None = None
        if tracer is not None:
            self._trace = PassTrace(tracer, sweep.name, lambda _: About("", "", ""))
        self.sweep, self._clock = sweep, clock
        self.name = sweep.name
        self._informers = {gvr: informers.of(gvr) for gvr in sweep.reads}
        for gvr, informer in self._informers.items():
            indexes.add_to(informer.lister, gvr)
        self._recorder = EventRecorder(client, clock, sweep.source)
        self._expectations = Expectations(self._informers.get)
        self._memory: Memory = {}
        self._executor = Executor(client, clock, self._recorder, self._expectations, self._memory)
        self.metrics = LoopMetrics(sweep.name, recorder=self._recorder)

    async def run(self) -> None:
        for informer in self._informers.values():
            await informer.wait_synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            try:
                await self._executor.find_out(self.name)
                if self._expectations.fulfilled(self.name, self._clock.monotonic()):
                    await self._once()
            except Exception as error:
                log.exception("%s: a sweep failed", self.name)
                self.metrics.failed(error)
            await self._clock.sleep(self.sweep.period)

    async def _once(self) -> None:
        listers = {gvr: informer.lister for gvr, informer in self._informers.items()}
        world = World(listers, self._clock, None, self._memory)
        for action in self.sweep.reconcile(world):  # one that fails does not stop the others
            work = self._executor.carry_out(self.name, (action,))
            outcome = await (work if self._trace is None else self._trace.of_pass(self.name, None, work))
            if outcome.failure is not None:
                log.warning("%s: %s", self.name, outcome.failure, exc_info=outcome.bug)
                self.metrics.failed(outcome.bug or outcome.failure)
