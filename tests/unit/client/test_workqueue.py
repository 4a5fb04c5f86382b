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


async def test_of_two_delays_the_earlier_counts() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    await clock.advance(2)
    assert len(queue) == 1
    queue.close()
