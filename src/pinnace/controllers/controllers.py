"""The part: a selection of controllers on shared informers, run until cancelled."""

import asyncio
from dataclasses import dataclass

from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.controllers import catalog
from pinnace.controllers.runtime.loop import ControllerLoop


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    controllers: tuple[str, ...] = ("*",)  # as kube-controller-manager's --controllers


class Controllers:
    def __init__(self, client: Client, clock: Clock, config: ControllersConfig | None = None) -> None:
        self.config = config or ControllersConfig()
        self.informers = Informers(client, clock)
        known = [row.name for row in catalog.PURE]
        chosen = catalog.select(self.config.controllers, known)
        self.loops = [
            ControllerLoop(row, client, clock, self.informers) for row in catalog.PURE if row.name in chosen
        ]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.informers.run())
            for loop in self.loops:
                tasks.create_task(loop.run(), name=f"controller {loop.controller.name}")
