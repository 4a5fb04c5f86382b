"""The scheduling queue, on a fake clock."""

from pinnace.scheduler.plugins.priority_sort import PrioritySort
from pinnace.scheduler.pod_info import DEFAULT_SCHEDULER, PodInfo
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.queue import SchedulingQueue
from pinnace.scheduler.queued_pod import QueuedPod
from pinnace.scheduler.waking import Hint
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import pod

HINTS = {"Fit": Hint(("Node/Add", "Pod/Delete")), "Taints": Hint(("Node/UpdateTaint",))}


def queue(clock: FakeClock) -> SchedulingQueue:
    return SchedulingQueue(clock, PrioritySort().key, {DEFAULT_SCHEDULER: HINTS})


def info(name: str = "p", **more: object) -> PodInfo:
    return parse_pod(pod(name, **more))  # type: ignore[arg-type]


def take(waiting: SchedulingQueue) -> QueuedPod:
    entry = waiting.pop_nowait()
    assert entry is not None
    return entry


def test_higher_priority_comes_first_then_first_come() -> None:
    line = queue(FakeClock())
    for one in (info("a"), info("b"), info("urgent", priority=5)):
        line.add(one)
    assert [take(line).pod.name for _ in range(3)] == ["urgent", "a", "b"]
    assert line.pop_nowait() is None


async def test_a_refused_pod_waits_for_an_event_that_its_plugin_named() -> None:
    clock = FakeClock()
    line = queue(clock)
    line.add(info())
    line.refused(take(line), {"Fit"})
    line.happened(("Node/UpdateTaint",))
    assert line.unschedulable == 1
    line.happened(("Pod/Delete",))
    assert (line.unschedulable, line.backing_off) == (0, 1)
    await clock.advance(1.0)
    line.flush()
    assert take(line).attempts == 2


async def test_backoff_doubles_from_one_to_ten_seconds() -> None:
    clock = FakeClock()
    line = queue(clock)
    line.add(info())
    waits = []
    for _ in range(6):
        line.failed(take(line))
        waits.append(line.flush())
        await clock.advance(waits[-1])
        line.flush()
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_after_five_minutes_a_refused_pod_is_tried_without_an_event() -> None:
    clock = FakeClock()
    line = queue(clock)
    line.add(info())
    line.refused(take(line), {"Fit"})
    await clock.advance(299)
    line.flush()
    assert line.unschedulable == 1
    await clock.advance(1)
    line.flush()
    assert line.active == 1


def test_a_pod_deleted_while_in_flight_does_not_come_back() -> None:
    line = queue(FakeClock())
    line.add(info())
    entry = take(line)
    line.remove(entry.pod.uid)
    line.refused(entry, {"Fit"})
    line.failed(entry)
    assert (line.active, line.backing_off, line.unschedulable) == (0, 0, 0)


def test_a_pod_refused_for_want_of_nodes_is_woken_by_anything() -> None:
    line = queue(FakeClock())
    line.add(info())
    line.refused(take(line), ())
    line.happened(("Node/Add",))
    assert line.unschedulable == 0


async def test_the_flush_loop_wakes_for_a_new_backoff() -> None:
    import asyncio

    clock = FakeClock()
    line = queue(clock)
    task = asyncio.ensure_future(line.run())
    await clock.settle()
    line.add(info())
    line.failed(take(line))
    await clock.advance(1.0)
    assert line.active == 1
    task.cancel()


def test_a_refused_pod_is_tried_before_its_back_off_ends_when_nothing_else_is_to_be_tried() -> None:
    line = queue(FakeClock())
    line.add(info("first"))
    line.refused(take(line), {"Fit"})
    line.happened(("Pod/Delete",))
    assert line.backing_off == 1
    line.add(info("second"))
    assert [take(line).pod.name for _ in range(2)] == ["second", "first"]


def test_a_pod_that_met_an_error_waits_for_the_end_of_its_back_off() -> None:
    line = queue(FakeClock())
    line.add(info("failed"))
    line.failed(take(line))
    line.add(info("refused"))
    line.refused(take(line), {"Fit"})
    line.happened(("Pod/Delete",))
    assert take(line).pod.name == "refused"
    assert line.pop_nowait() is None
    assert line.backing_off == 1


def test_gated_pods_are_counted_and_not_moved_by_anything() -> None:
    line = queue(FakeClock())
    line.gate(info())
    line.happened(("Node/Add",))
    line.flush()
    assert line.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    assert line.pop_nowait() is None
    line.add(info())
    assert line.sizes()["gated"] == 0
    assert take(line).pod.name == "p"


def test_a_held_pod_is_not_moved_until_it_is_released() -> None:
    line = queue(FakeClock())
    line.add(info())
    line.refused(take(line), {"Fit"}, hold=True)
    line.happened(("Pod/Delete",))
    assert line.unschedulable == 1
    line.release(info().uid, retry=False)
    assert line.backing_off == 1


def test_a_pod_released_without_news_goes_on_waiting() -> None:
    line = queue(FakeClock())
    line.add(info())
    line.refused(take(line), {"Fit"}, hold=True)
    line.release(info().uid, retry=False)
    assert line.unschedulable == 1
    line.happened(("Pod/Delete",))
    assert line.backing_off == 1


def test_counts_what_brought_pods_into_which_queue_and_who_refused_those_that_wait() -> None:
    line = queue(FakeClock())
    line.add(info("a"))
    line.add(info("b"))
    for plugins in ({"Fit"}, {"Fit", "Taints"}):
        line.refused(take(line), plugins)
    assert line.refused_by() == {("Fit", DEFAULT_SCHEDULER): 2, ("Taints", DEFAULT_SCHEDULER): 1}
    line.happened(("Pod/Delete",))
    assert line.incoming == {
        ("active", "PodAdd"): 2, ("unschedulable", "ScheduleAttemptFailure"): 2, ("backoff", "PodDelete"): 2,
    }  # fmt: skip
    assert line.refused_by() == {}
