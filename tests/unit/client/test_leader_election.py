"""The promises of leader election, on a clock that tests move: there is never a second leader, and there is always a next one."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api.resources import CONFIG_MAPS, EVENTS, LEASES
from pinnace.apimachinery import errors
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Object
from pinnace.client.leader_election import LeaderElectionConfig, LeaderElector, LeadersClient
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock

NAME = "kube-controller-manager"


class Network:
    """One candidate's way to the API: may be cut, hang, or lose the answer after the write was done."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client
        self.mode = "up"
        self.attempts = 0

    async def _send(self, call: Callable[[], Any]) -> Any:
        self.attempts += 1
        if self.mode == "cut":
            raise ConnectionError("no route to host")
        if self.mode == "hangs":
            await asyncio.Event().wait()
        answer = await call()
        if self.mode == "loses answers":
            raise TimeoutError
        return answer

    async def get(self, *args: Any, **named: Any) -> Object:
        return await self._send(lambda: self._client.get(*args, **named))

    async def create(self, *args: Any, **named: Any) -> Object:
        return await self._send(lambda: self._client.create(*args, **named))

    async def update(self, *args: Any, **named: Any) -> Object:
        return await self._send(lambda: self._client.update(*args, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Candidate:
    def __init__(self, world: "Arena", identity: str, clock: FakeClock) -> None:
        self.network = Network(world.client)
        self.clock = clock
        self.is_working, self.terms = False, 0
        config = LeaderElectionConfig(name=NAME, identity=identity)
        self.elector = LeaderElector(
            self.network, clock, config, chance=random.Random(1),  # type: ignore[arg-type]
            recorder=EventRecorder(world.client, clock, NAME),
        )  # fmt: skip
        self.task = asyncio.ensure_future(self.elector.run(self.work))

    async def work(self) -> None:
        self.is_working, self.terms = True, self.terms + 1
        try:
            await asyncio.Event().wait()
        finally:
            self.is_working = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


class Arena:
    """Candidates on one API. `pass_time` looks every tenth of a second that no two of them act."""

    def __init__(self) -> None:
        self.client, self.clock = FakeClient(), FakeClock()
        self.candidates: dict[str, Candidate] = {}

    def enter(self, identity: str, clock: FakeClock | None = None) -> Candidate:
        self.candidates[identity] = Candidate(self, identity, clock or self.clock)
        return self.candidates[identity]

    @property
    def working(self) -> list[str]:
        return [name for name, each in self.candidates.items() if each.is_working]

    async def pass_time(self, seconds: float) -> None:
        clocks = {id(each.clock): each.clock for each in self.candidates.values()}
        for _ in range(round(seconds * 10)):
            for clock in clocks.values():
                await clock.advance(0.1)
            acting = [name for name, each in self.candidates.items() if each.elector.is_leading]
            assert len(self.working) <= 1, self.working
            assert len(acting) <= 1, acting

    async def spec(self) -> Object:
        return (await self.client.get(LEASES, NAME, "kube-system"))["spec"]


@pytest_asyncio.fixture
async def arena() -> AsyncGenerator[Arena, None]:
    made = Arena()
    yield made
    for candidate in made.candidates.values():
        await candidate.stop()


async def test_the_first_candidate_leads_at_once_and_writes_upstreams_lease(arena: Arena) -> None:
    arena.enter("a")
    await arena.clock.settle()
    assert arena.working == ["a"]
    spec = await arena.spec()
    assert spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }
    event = (await arena.client.list(EVENTS, "kube-system"))["items"][0]
    assert (event["reason"], event["message"]) == ("LeaderElection", "a became leader")
    assert event["involvedObject"]["kind"] == "Lease"
    await arena.pass_time(5)
    renewed = await arena.spec()
    assert renewed["acquireTime"] == spec["acquireTime"] < renewed["renewTime"]


async def test_of_two_candidates_one_waits_for_as_long_as_the_other_renews(arena: Arena) -> None:
    arena.enter("a")
    await arena.clock.settle()
    arena.enter("b")
    await arena.pass_time(60)
    assert arena.working == ["a"]


async def test_a_clean_end_hands_over_without_waiting_for_the_lease_to_run_out(arena: Arena) -> None:
    first = arena.enter("a")
    await arena.clock.settle()
    arena.enter("b")
    await arena.pass_time(3)
    await first.stop()
    assert (await arena.spec())["holderIdentity"] == ""
    await arena.pass_time(4.5)
    assert arena.working == ["b"]
    assert (await arena.spec())["leaseTransitions"] == 1


async def test_a_renewal_whose_answer_nobody_waited_for_does_not_keep_the_lease(arena: Arena) -> None:
    """The end came between the server's write and its answer: the lease is newer than its holder knows."""
    candidate = arena.enter("a")
    await arena.pass_time(1)
    await arena.client.patch(
        LEASES, NAME, {"spec": {"renewTime": "2026-01-01T00:00:01.500000Z"}}, "kube-system"
    )
    await candidate.stop()
    assert (await arena.spec())["holderIdentity"] == ""


async def test_a_lease_that_another_holds_by_now_is_not_given_back(arena: Arena) -> None:
    candidate = arena.enter("a")
    await arena.pass_time(1)
    await arena.client.patch(LEASES, NAME, {"spec": {"holderIdentity": "stranger"}}, "kube-system")
    await candidate.stop()
    assert (await arena.spec())["holderIdentity"] == "stranger"


async def test_a_leader_that_died_is_followed_when_its_lease_has_run_out(arena: Arena) -> None:
    first = arena.enter("a")
    await arena.clock.settle()
    arena.enter("b")
    await arena.pass_time(10)
    first.network.mode = "cut"  # so that it cannot release either
    await first.stop()
    await arena.pass_time(8)
    assert arena.working == []
    await arena.pass_time(12)
    assert arena.working == ["b"]


@pytest.mark.parametrize("mode", ["cut", "hangs"])
async def test_a_partitioned_leader_stops_before_another_takes_over_and_waits_again(
    arena: Arena, mode: str
) -> None:
    first, second = arena.enter("a"), arena.enter("b")
    await arena.pass_time(5)
    assert arena.working == ["a"]
    first.network.mode = mode
    await arena.pass_time(10.5)
    assert arena.working == []
    await arena.pass_time(12)
    assert arena.working == ["b"]
    first.network.mode = "up"
    await arena.pass_time(30)
    assert arena.working == ["b"]
    await second.stop()
    await arena.pass_time(5)
    assert arena.working == ["a"]
    assert first.terms == 2


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
async def test_clocks_that_differ_by_an_hour_change_nothing(arena: Arena, ahead: float) -> None:
    skewed = FakeClock()
    await skewed.advance(max(ahead, 0))
    if ahead < 0:
        await arena.clock.advance(-ahead)
    first = arena.enter("a")
    await arena.clock.settle()
    arena.enter("b", skewed)
    await arena.pass_time(30)
    assert arena.working == ["a"]
    first.network.mode = "cut"
    await arena.pass_time(22)
    assert arena.working == ["b"]


async def test_a_write_of_somebody_else_in_between_is_a_conflict_and_costs_no_leadership(
    arena: Arena,
) -> None:
    candidate = arena.enter("a")
    await arena.pass_time(1)
    await arena.client.patch(LEASES, NAME, {"metadata": {"labels": {"x": "y"}}}, "kube-system")
    await arena.pass_time(20)
    assert (candidate.is_working, candidate.terms) == (True, 1)
    lease = await arena.client.get(LEASES, NAME, "kube-system")
    assert lease["metadata"]["labels"] == {"x": "y"}


async def test_a_lease_that_was_deleted_by_hand_is_made_again(arena: Arena) -> None:
    candidate = arena.enter("a")
    await arena.pass_time(1)
    await arena.client.delete(LEASES, NAME, "kube-system")
    await arena.pass_time(5)
    assert (await arena.spec())["holderIdentity"] == "a"
    assert candidate.terms == 1


async def test_a_lease_that_another_holds_now_ends_the_work_at_the_next_renewal(arena: Arena) -> None:
    candidate = arena.enter("a")
    await arena.pass_time(1)
    await arena.client.patch(LEASES, NAME, {"spec": {"holderIdentity": "stranger"}}, "kube-system")
    await arena.pass_time(2)
    assert not candidate.is_working
    await arena.pass_time(22)
    assert candidate.is_working  # the stranger never renewed


async def test_writes_whose_answers_are_lost_do_not_make_a_second_leader(arena: Arena) -> None:
    first, _ = arena.enter("a"), arena.enter("b")
    await arena.pass_time(3)
    first.network.mode = "loses answers"
    await arena.pass_time(60)
    assert arena.working == ["b"] or arena.working == []
    first.network.mode = "up"
    await arena.pass_time(40)
    assert len(arena.working) == 1


async def test_an_api_that_is_away_for_longer_than_the_deadline_leaves_nobody_and_then_one(
    arena: Arena,
) -> None:
    first, second = arena.enter("a"), arena.enter("b")
    await arena.pass_time(3)
    for candidate in (first, second):
        candidate.network.mode = "cut"
    await arena.pass_time(300)
    assert arena.working == []
    for candidate in (first, second):
        candidate.network.mode = "up"
    await arena.pass_time(25)
    assert len(arena.working) == 1


async def test_work_that_fails_ends_the_election_and_gives_the_lease_back(arena: Arena) -> None:
    async def fails() -> None:
        raise RuntimeError("broken")

    config = LeaderElectionConfig(name=NAME, identity="a")
    elector = LeaderElector(arena.client, arena.clock, config)
    with pytest.raises(ExceptionGroup) as caught:
        await elector.run(fails)
    assert caught.group_contains(RuntimeError, match="broken")
    assert (await arena.spec())["holderIdentity"] == ""


async def test_a_process_that_was_stopped_for_too_long_writes_nothing_when_it_wakes(arena: Arena) -> None:
    """Its tasks go on where they were before anybody could tell them that the lease is lost."""
    candidate = arena.enter("a")
    await arena.pass_time(1)
    guarded = LeadersClient(arena.client, candidate.elector)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    await guarded.create(CONFIG_MAPS, body, "default")
    arena.clock._elapsed += 30  # SIGSTOP: time passes and nothing runs
    with pytest.raises(ConnectionError, match="is lost"):
        await guarded.patch(CONFIG_MAPS, "x", {"data": {"a": "b"}}, "default")
    with pytest.raises(ConnectionError, match="is lost"):
        await guarded.delete(CONFIG_MAPS, "x", "default")
    assert await guarded.get(CONFIG_MAPS, "x", "default")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 12))])
async def test_there_is_never_a_second_leader_whatever_the_network_does(arena: Arena, seed: int) -> None:
    chance = random.Random(seed)
    candidates = [arena.enter(name) for name in "abc"]
    for _ in range(25):
        chance.choice(candidates).network.mode = chance.choice(["up", "up", "cut", "hangs", "loses answers"])
        await arena.pass_time(chance.uniform(0.5, 12))
    for candidate in candidates:
        candidate.network.mode = "up"
    await arena.pass_time(45)
    assert len(arena.working) == 1


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ({"lease_duration": 10.0}, "leaseDuration must be greater than renewDeadline"),
        ({"renew_deadline": 2.4}, "renewDeadline must be greater than retryPeriod"),
        ({"lease_duration": 0.5, "renew_deadline": 0.2}, "at least one second"),
        ({"retry_period": 0.0}, "retryPeriod must be greater than zero"),
    ],
)
def test_times_that_cannot_work_together_are_refused(times: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LeaderElectionConfig(name=NAME, identity="a", **times)


async def test_the_gauge_tells_who_leads(arena: Arena) -> None:
    def gauge(candidate: Candidate) -> object:
        (family,) = candidate.elector.families()
        return next(iter(family.samples))

    first, second = arena.enter("a"), arena.enter("b")
    await arena.pass_time(1)
    assert gauge(first) == ((NAME,), 1)
    assert gauge(second) == ((NAME,), 0)


async def test_refused_by_the_api_is_no_leadership(arena: Arena) -> None:
    class Refusing(FakeClient):
        async def create(self, *args: Any, **named: Any) -> Object:
            raise errors.Forbidden("no")

    elector = LeaderElector(Refusing(), arena.clock, LeaderElectionConfig(name=NAME, identity="a"))
    task = asyncio.ensure_future(elector.run(asyncio.Event().wait))  # type: ignore[arg-type]
    await arena.clock.advance(20)
    assert not elector.is_leading
    task.cancel()
    await asyncio.wait((task,))
