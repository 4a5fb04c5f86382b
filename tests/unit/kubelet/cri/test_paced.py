import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pinnace.kubelet.cri.paced import BEGIN, GO_ON, Turns
from pinnace.testing.fake_clock import FakeClock


class Calls:
    """Calls that last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def call(self, name: str) -> str:
        self.begun.append(name)
        self._ends[name] = asyncio.Event()
        await self._ends[name].wait()
        return name

    def let_go(self, name: str) -> None:
        self._ends[name].set()


def starter(turns: Turns, calls: Calls) -> Callable[[str, int], "asyncio.Task[str]"]:
    def start(name: str, rank: int) -> "asyncio.Task[str]":
        work: Coroutine[Any, Any, str] = turns.run(calls.call(name), rank)
        return asyncio.ensure_future(work)

    return start


async def test_only_so_many_run_and_begun_pods_go_first() -> None:
    clock, calls = FakeClock(), Calls()
    start = starter(Turns(clock, 2), calls)
    tasks = [start(name, BEGIN) for name in ("a", "b", "c")]
    tasks.append(start("container of a", GO_ON))
    await clock.settle()
    assert calls.begun == ["a", "b"]
    calls.let_go("a")
    await clock.settle()
    assert calls.begun == ["a", "b", "container of a"]
    for name in ("b", "container of a"):
        calls.let_go(name)
    await clock.settle()
    calls.let_go("c")
    assert await asyncio.gather(*tasks) == ["a", "b", "c", "container of a"]


async def test_a_call_that_takes_long_lends_its_turn() -> None:
    clock, calls = FakeClock(), Calls()
    start = starter(Turns(clock, 1, patience=2.0), calls)
    slow, quick = start("slow", BEGIN), start("quick", BEGIN)
    await clock.advance(2.1)
    assert calls.begun == ["slow", "quick"]
    calls.let_go("quick")
    assert await quick == "quick"
    calls.let_go("slow")
    assert await slow == "slow"


async def test_a_turn_of_work_given_up_is_passed_on() -> None:
    clock, calls = FakeClock(), Calls()
    start = starter(Turns(clock, 1), calls)
    first, second, third = (start(name, BEGIN) for name in ("first", "second", "third"))
    await clock.settle()
    second.cancel()
    first.cancel()
    await clock.settle()
    assert calls.begun == ["first", "third"]
    calls.let_go("third")
    assert await third == "third"
    assert first.cancelled()
    assert second.cancelled()


async def test_an_error_frees_the_turn() -> None:
    async def fail() -> None:
        raise ValueError("no")

    turns = Turns(FakeClock(), 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await turns.run(fail(), BEGIN)


async def test_the_call_is_cancelled_with_its_caller_even_after_it_lent_its_turn() -> None:
    clock, calls = FakeClock(), Calls()
    ended: list[str] = []

    async def call() -> None:
        try:
            await calls.call("slow")
        finally:
            ended.append("slow")

    task = asyncio.ensure_future(Turns(clock, 1, patience=2.0).run(call(), BEGIN))
    await clock.advance(3)
    task.cancel()
    await clock.settle()
    assert ended == ["slow"]
