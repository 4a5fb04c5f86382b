import asyncio

import pytest

from pinnace.client.workqueue import WorkQueue
from pinnace.testing.fake_clock import FakeClock


async def test_a_key_added_while_active_is_queued_again_when_done() -> None:
    queue: WorkQueue[str] = WorkQueue(FakeClock())
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_rate_limited_keys_wait_twice_as_long_each_time() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock, base_delay=1.0)
    delays = []
    for _ in range(3):
        delays.append(queue.add_rate_limited("a"))
        await clock.advance(delays[-1])
        assert await queue.get() == "a"
        queue.done("a")
    assert delays == [1.0, 2.0, 4.0]
    queue.forget("a")
    assert queue.add_rate_limited("a") == 1.0
    queue.close()


async def test_a_key_may_have_a_shorter_longest_back_off() -> None:
    queue: WorkQueue[str] = WorkQueue(FakeClock(), base_delay=1.0)
    assert [queue.add_rate_limited("a", at_most=3.0) for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]
    queue.close()


async def test_of_two_delays_the_earlier_counts() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    await clock.advance(2)
    assert len(queue) == 1
    queue.close()


async def test_after_a_hundred_retries_at_once_all_keys_share_ten_a_second() -> None:
    clock = FakeClock()
    queue: WorkQueue[int] = WorkQueue(clock, retries_per_second=10.0)
    delays = [queue.add_rate_limited(key) for key in range(120)]
    assert max(delays[:100]) == 0.005
    assert delays[119] == pytest.approx(2.0)
    await clock.advance(1.0)
    assert len(queue) == 110
    assert queue.add_rate_limited(500, is_expected=True) == 0.005
    queue.close()


async def test_delays_that_were_dropped_leave_nothing_behind() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    for _ in range(1000):
        queue.drop_delay("a")
        queue.add_after("a", 1e6)
        await clock.advance(1)
    assert len(queue._timers) < 100
    queue.drop_delay("a")
    queue.add_after("a", 5)
    await clock.advance(5)
    assert await queue.get() == "a"
    queue.close()


async def test_keys_come_in_the_order_of_their_times_from_one_timer() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    for key, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("c", 2.5), ("a", 5.0)):
        queue.add_after(key, seconds)
    assert len([task for task in asyncio.all_tasks() if "_ring" in repr(task)]) <= 3
    arrived = []
    for _ in range(10):
        await clock.advance(0.5)
        while len(queue):
            arrived.append((clock.monotonic(), await queue.get()))
            queue.done(arrived[-1][1])
    assert arrived == [(1.0, "a"), (2.0, "b"), (2.5, "c")]
    queue.close()


async def test_the_queue_counts_and_times_itself() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a")
    queue.add("a")
    queue.add("b")
    await clock.advance(2)
    key = await queue.get()
    await clock.advance(3)
    assert queue.unfinished() == [3.0]
    queue.done(key)
    assert (queue.adds, queue.waits.count, queue.waits.total) == (2, 1, 2.0)
    assert (queue.work.count, queue.work.total) == (1, 3.0)
    queue.add_rate_limited("a")
    assert queue.retries == 1
    queue.close()
