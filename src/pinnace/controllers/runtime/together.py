"""Several loops that are one controller to users: they start, end and are chosen together."""

import asyncio

from pinnace.controllers.runtime.loop import ControllerLoop


class Together:
    """The first loop's metrics stand for the controller."""

    def __init__(self, *loops: ControllerLoop) -> None:
        self._loops = loops
        self.metrics = loops[0].metrics

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self._loops:
                tasks.create_task(loop.run(), name=f"controller {loop.controller.name}")
