"""Shared time limits behave as `asyncio.timeout` does, and leave nothing behind."""

import asyncio

import pytest

from pinnace.component.limits import MOST_LENGTHS, SHARED_FROM, Limit, SharedLimits

SHORT = 0.02


def limit(seconds: float = SHORT) -> Limit:
    return Limit(asyncio.get_running_loop(), seconds)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_too_long_ends_with_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        await limit().wait_for(for_ever())
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_results_and_errors_come_through() -> None:
    async def fails() -> None:
        raise ValueError("why")

    queue = limit()
    assert await queue.wait_for(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="why"):
        await queue.wait_for(fails())


async def test_waits_end_one_after_the_other_by_one_timer() -> None:
    queue, ended = limit(), list[int]()

    async def wait(number: int) -> None:
        try:
            await queue.wait_for(for_ever())
        except TimeoutError:
            ended.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(wait(number))
            await asyncio.sleep(SHORT / 4)
    assert ended == [0, 1, 2]
    assert queue.is_unused


async def test_somebody_elses_cancellation_is_no_timeout() -> None:
    task = asyncio.create_task(limit(60.0).wait_for(for_ever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_when_it_is_cancelled_keeps_its_result() -> None:
    async def stubborn() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            return "done"
        return ""

    assert await limit().wait_for(stubborn()) == "done"
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_short_limits_and_too_many_lengths_get_timers_of_their_own() -> None:
    limits = SharedLimits()
    assert limits.of(SHARED_FROM / 2) is None
    first = limits.of(60.0)
    assert first is limits.of(60.0)
    busy = [
        asyncio.create_task(used.wait_for(for_ever()))
        for n in range(MOST_LENGTHS - 1)
        if (used := limits.of(10.0 + n))
    ]
    await asyncio.sleep(0)
    assert limits.of(99.0) is not None  # in the place of the one that nobody uses
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_when_all_lengths_are_in_use_there_is_none_for_another() -> None:
    limits = SharedLimits()
    busy = [
        asyncio.create_task(used.wait_for(for_ever()))
        for n in range(MOST_LENGTHS)
        if (used := limits.of(10.0 + n))
    ]
    await asyncio.sleep(0)
    assert limits.of(99.0) is None
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
