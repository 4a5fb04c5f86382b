from collections.abc import Callable
from typing import Any

import pytest

from pinnace.api.resources import PODS, REPLICA_SETS
from pinnace.apimachinery.errors import Cause, Conflict, Forbidden, NotFound
from pinnace.client.events import EventRecorder
from pinnace.controllers.runtime import (
    Adopt,
    Create,
    Delete,
    Emit,
    Patch,
    RequeueAfter,
    SetStatus,
    Update,
    pods,
)
from pinnace.controllers.runtime.executor import Executor, Outcome
from pinnace.controllers.runtime.expectations import Expectations
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import pod, replicaset


class Refusing(FakeClient):
    """Refuses every create after the first `allowed` with `error`."""

    def __init__(self, *args: Any, error: Exception, allowed: int = 0) -> None:
        super().__init__(*args)
        self.error, self.allowed, self.tried = error, allowed, 0

    async def create(self, *args: Any, **kwargs: Any) -> dict:
        self.tried += 1
        if self.tried > self.allowed:
            raise self.error
        return await super().create(*args, **kwargs)


Run = Callable[..., Any]


@pytest.fixture
def carry_out() -> Run:
    async def run(client: FakeClient, *actions: Any) -> Outcome:
        clock = FakeClock()
        recorder = EventRecorder(client, clock, "test")
        return await Executor(client, clock, recorder, Expectations(lambda _: None)).carry_out("key", actions)

    return run


async def test_creation_that_cannot_succeed_is_tried_once_and_the_status_is_still_set(carry_out: Run) -> None:
    rs = replicaset()
    client = Refusing([rs], error=Forbidden("exceeded quota"))
    rs = await client.get(REPLICA_SETS, "web", "default")
    creates = [Create(pods.for_owner(rs["spec"]["template"], rs), about=rs) for _ in range(50)]
    outcome = await carry_out(
        client, *creates, Emit(rs, "Normal", "Never", ""), SetStatus(rs, {"replicas": 0})
    )
    assert client.tried == 1
    assert str(outcome.failure) == "exceeded quota"
    assert (await client.get(REPLICA_SETS, "web", "default"))["status"] == {"replicas": 0}


async def test_batches_double(carry_out: Run) -> None:
    rs = replicaset()
    client = Refusing([rs], error=Forbidden("exceeded quota"), allowed=5)
    creates = [Create(pods.for_owner(rs["spec"]["template"], rs)) for _ in range(50)]
    await carry_out(client, *creates)
    assert client.tried == 1 + 2 + 4
    assert len((await client.list(PODS))["items"]) == 5


async def test_a_terminating_namespace_is_no_failure(carry_out: Run) -> None:
    error = Forbidden("no", causes=(Cause("NamespaceTerminating", "namespace x is being terminated"),))
    outcome = await carry_out(Refusing(error=error), Create(pod("a")), Create(pod("b")))
    assert (outcome.failure, outcome.conflict, outcome.halted) == (None, False, True)


async def test_a_stale_update_is_a_reason_to_look_again(carry_out: Run) -> None:
    client = FakeClient([replicaset()])
    outcome = await carry_out(client, Update(replicaset(replicas=9) | {"metadata": {
        "name": "web", "namespace": "default", "uid": "u", "resourceVersion": "999"}}))  # fmt: skip
    assert outcome.conflict
    assert outcome.failure is None


async def test_later_writes_of_a_pass_build_on_the_earlier_ones(carry_out: Run) -> None:
    client = FakeClient([replicaset()])
    rs = await client.get(REPLICA_SETS, "web", "default")
    patch = Patch(rs, {"metadata": {"annotations": {"a": "b"}}}, guarded=True)
    outcome = await carry_out(client, patch, SetStatus(rs, {"replicas": 1}))
    assert not outcome.stopped
    found = await client.get(REPLICA_SETS, "web", "default")
    assert (found["status"], found["metadata"]["annotations"]) == ({"replicas": 1}, {"a": "b"})


async def test_what_is_gone_needs_no_deleting(carry_out: Run) -> None:
    outcome = await carry_out(FakeClient(), Delete(pod("a")))
    assert not outcome.stopped


async def test_an_owner_that_was_replaced_adopts_nobody(carry_out: Run) -> None:
    client = FakeClient([replicaset(), pod("a")])
    stale = replicaset() | {"metadata": {**replicaset()["metadata"], "uid": "former"}}
    orphan = await client.get(PODS, "a", "default")
    await carry_out(client, Adopt(orphan, stale))
    assert "ownerReferences" not in (await client.get(PODS, "a", "default"))["metadata"]
    await carry_out(client, Adopt(orphan, await client.get(REPLICA_SETS, "web", "default")))
    assert (await client.get(PODS, "a", "default"))["metadata"]["ownerReferences"][0]["controller"] is True


async def test_the_earliest_requeue_counts(carry_out: Run) -> None:
    assert (await carry_out(FakeClient(), RequeueAfter(9), RequeueAfter(3))).requeue_after == 3


async def test_errors_of_the_network_are_failures(carry_out: Run) -> None:
    outcome = await carry_out(Refusing(error=ConnectionError("refused")), Create(pod("a")))
    assert str(outcome.failure) == "refused"
    assert not isinstance(outcome.failure, Conflict | NotFound)


async def test_a_patch_of_another_kind_waits_for_the_one_before_it(carry_out: Run) -> None:
    """A claim must not be bound to a volume that somebody else got first."""
    rs, other = replicaset(), pod("p")
    client = FakeClient([rs, other])
    stale = await client.get(REPLICA_SETS, "web", "default")
    current = await client.get(PODS, other["metadata"]["name"], "default")
    await client.patch(REPLICA_SETS, "web", {"spec": {"replicas": 7}}, "default")
    mine = {"metadata": {"annotations": {"mine": "yes"}}}
    outcome = await carry_out(client, Patch(stale, mine, guarded=True), Patch(current, mine, guarded=True))
    assert outcome.conflict
    kept = await client.get(PODS, other["metadata"]["name"], "default")
    assert "annotations" not in kept["metadata"]
