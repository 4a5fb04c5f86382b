"""Who runs, who waits, who is sent away."""

import asyncio
from typing import Any

import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher, Seat
from pinnace.apiserver.flowcontrol.queues import Queues, Waiting
from pinnace.apiserver.request_info import RequestInfo
from pinnace.testing.fake_clock import FakeClock

GET_PODS = RequestInfo("/api/v1/pods", "list", True, "", "v1", "pods")
EVERYTHING = {
    "verbs": ["*"],
    "apiGroups": ["*"],
    "resources": ["*"],
    "namespaces": ["*"],
    "clusterScope": True,
}


def schema(name: str, level: str, precedence: int, user: str, by: str = "ByUser") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": level},
            "distinguisherMethod": {"type": by},
            "rules": [
                {"subjects": [{"kind": "User", "user": {"name": user}}], "resourceRules": [EVERYTHING]}
            ],
        },
    }


def level(
    name: str, shares: int, *, lendable: int = 0, borrowing: int | None = 0, length: int = 50
) -> dict[str, Any]:
    queuing = {"queues": 8, "handSize": 2, "queueLengthLimit": length}
    limited = {
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": {"type": "Queue", "queuing": queuing},
    }
    if borrowing is not None:
        limited["borrowingLimitPercent"] = borrowing
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {"type": "Limited", "limited": limited}}


class Stored:
    def __init__(self, schemas: list[dict[str, Any]], levels: list[dict[str, Any]]) -> None:
        self.all_schemas, self.all_levels, self.changes = schemas, levels, 0

    async def load(self) -> None: ...

    def version(self) -> object:
        return self.changes

    def schemas(self) -> list[dict[str, Any]]:
        return self.all_schemas

    def levels(self) -> list[dict[str, Any]]:
        return self.all_levels


NOISY, QUIET = User("noisy", ("system:authenticated",)), User("quiet", ("system:authenticated",))


def build(clock: FakeClock, total: int = 15, **shape: Any) -> tuple[Dispatcher, Stored]:
    """10 seats for `work` and 5 for the catch-all; both users' requests belong to `work`."""
    stored = Stored([schema("all", "work", 100, "*")], [level("work", 10, **shape)])
    return Dispatcher(stored, clock, total=total), stored


async def start(dispatcher: Dispatcher, user: User, seats: int = 1) -> asyncio.Task[Seat]:
    task = asyncio.create_task(dispatcher.enter(dispatcher.classify(user, GET_PODS), seats))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_requests_run_while_there_are_seats_and_wait_after(fake_clock: FakeClock) -> None:
    dispatcher, _ = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    waiting = await start(dispatcher, NOISY)
    assert all(task.done() for task in running)
    assert not waiting.done()
    dispatcher.leave(running[0].result())
    assert (await waiting).level.name == "work"
    for task in [*running[1:], waiting]:
        dispatcher.leave(task.result())
    assert (dispatcher.levels["work"].in_use, dispatcher.levels["work"].executing) == (0, 0)


async def test_a_quiet_user_overtakes_the_queue_of_a_noisy_one(fake_clock: FakeClock) -> None:
    dispatcher, _ = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    queued = [await start(dispatcher, NOISY) for _ in range(40)]
    quiet = await start(dispatcher, QUIET)
    for task in running:  # at most one round over the noisy user's queues comes before it
        dispatcher.leave(task.result())
    await asyncio.sleep(0)
    assert quiet.done()
    assert sum(task.done() for task in queued) == 9
    for task in [*queued, quiet]:
        task.cancel()
    await asyncio.gather(*queued, quiet, return_exceptions=True)


async def test_a_full_queue_sends_requests_away(fake_clock: FakeClock) -> None:
    dispatcher, _ = build(fake_clock, length=1)
    tasks = [await start(dispatcher, NOISY) for _ in range(10 + 2)]  # a hand of two queues of one place each
    with pytest.raises(errors.TooManyRequests):
        await (await start(dispatcher, NOISY))
    assert dispatcher.levels["work"].rejected == {"queue-full": 1}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_has_waited_too_long_is_sent_away(fake_clock: FakeClock) -> None:
    dispatcher, _ = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    waiting = await start(dispatcher, QUIET)
    await fake_clock.advance(15)
    with pytest.raises(errors.TooManyRequests):
        await waiting
    assert dispatcher.levels["work"].waiting == 0
    assert dispatcher.levels["work"].timed_out == 1
    assert all(task.done() for task in running)


async def test_a_client_that_goes_away_leaves_the_queue(fake_clock: FakeClock) -> None:
    dispatcher, _ = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    first, second = await start(dispatcher, NOISY), await start(dispatcher, QUIET)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert dispatcher.levels["work"].waiting == 1
    dispatcher.leave(running[0].result())
    assert (await second).seats == 1


async def test_the_catch_all_rejects_at_once(fake_clock: FakeClock) -> None:
    dispatcher = Dispatcher(Stored([], []), fake_clock, total=2)
    for _ in range(2):
        assert (await start(dispatcher, NOISY)).done()
    with pytest.raises(errors.TooManyRequests):
        await (await start(dispatcher, NOISY))
    assert dispatcher.levels["catch-all"].rejected == {"concurrency-limit": 1}


async def test_masters_are_exempt(fake_clock: FakeClock) -> None:
    dispatcher = Dispatcher(Stored([], []), fake_clock, total=1)
    found = dispatcher.classify(User("root", ("system:masters",)), GET_PODS)
    assert (found.schema.name, found.level.exempt) == ("exempt", True)


async def test_a_level_borrows_what_others_may_lend_and_no_more(fake_clock: FakeClock) -> None:
    levels = [level("work", 10, borrowing=None), level("other", 10, lendable=60)]
    dispatcher = Dispatcher(Stored([schema("all", "work", 100, "*")], levels), fake_clock, total=25)
    running = [await start(dispatcher, NOISY) for _ in range(30)]
    done = sum(task.done() for task in running)
    assert done == 16  # ten of its own, six of the other's; four stay guaranteed to it, five to the catch-all
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_wide_request_waits_for_all_its_seats_but_runs_alone_whatever_its_width(
    fake_clock: FakeClock,
) -> None:
    dispatcher, _ = build(fake_clock)
    wide = await start(dispatcher, NOISY, seats=30)
    assert wide.done()
    narrow = await start(dispatcher, QUIET)
    assert not narrow.done()
    dispatcher.leave(wide.result())
    assert (await narrow).seats == 1


async def test_new_configuration_takes_those_who_wait_along(fake_clock: FakeClock) -> None:
    dispatcher, stored = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    waiting = await start(dispatcher, NOISY)
    changed = level("work", 10, length=7)
    stored.all_levels, stored.changes = [changed], 1
    dispatcher.classify(QUIET, GET_PODS)
    assert dispatcher.levels["work"].waiting == 1
    dispatcher.leave(running[0].result())
    assert (await waiting).seats == 1


async def test_a_level_that_is_removed_serves_those_who_wait_in_it(fake_clock: FakeClock) -> None:
    dispatcher, stored = build(fake_clock)
    running = [await start(dispatcher, NOISY) for _ in range(10)]
    waiting = await start(dispatcher, NOISY)
    stored.all_levels, stored.all_schemas, stored.changes = [], [], 1
    assert dispatcher.classify(QUIET, GET_PODS).level.name == "catch-all"
    for task in running:
        dispatcher.leave(task.result())
    assert (await waiting).level.name == "work"


def test_a_flow_is_dealt_the_same_different_queues_each_time() -> None:
    queues = Queues(64, 8, 50)
    hands = {flow: queues.hand(flow) for flow in ("a", "b", "c")}
    for flow, hand in hands.items():
        assert len(set(hand)) == 8
        assert queues.hand(flow) == hand
    assert len({tuple(hand) for hand in hands.values()}) == 3


def test_the_queue_that_was_served_least_goes_first() -> None:
    queues = Queues(64, 1, 50)
    noisy = [Waiting(None, 1, "noisy") for _ in range(3)]
    for each in noisy:
        queues.add(each)
    assert queues.head() is noisy[0]
    noisy[0].begin(1.0)
    quiet = Waiting(None, 1, "quiet")
    queues.add(quiet)
    noisy[1].begin(1.0)
    assert queues.head() is quiet
