"""Several loops that are one controller to users: they start, end and are chosen together."""

import asyncio

from pinnace.controllers.runtime.loop import ControllerLoop


class Together:
    def __init__(self, *loops: ControllerLoop) -> None:
        self.loops = loops

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self.loops:
                tasks.create_task(loop.run(), name=f"controller {loop.controller.name}")
