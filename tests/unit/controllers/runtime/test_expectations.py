from pinnace.api.resources import PODS
from pinnace.client.informer import Informer
from pinnace.controllers.runtime.expectations import PATIENCE, Expectations
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import pod


def setup() -> tuple[Informer, Expectations]:
    informer = Informer(FakeClient(), FakeClock(), PODS)
    return informer, Expectations(lambda gvr: informer if gvr == PODS else None)


def written(revision: int) -> dict:
    return pod("p", resourceVersion=str(revision))


def test_a_write_is_seen_when_the_informer_has_reached_its_revision() -> None:
    informer, expectations = setup()
    expectations.wrote("key", PODS, written(7), 0)
    informer.resource_version = "6"
    assert not expectations.fulfilled("key", 1)
    informer.resource_version = "7"
    assert expectations.fulfilled("key", 1)
    assert expectations.fulfilled("other key", 1)


def test_a_delete_is_seen_when_the_object_is_gone_replaced_or_leaving() -> None:
    for later in (None, pod("p") | {"metadata": {"name": "p", "namespace": "default", "uid": "another"}},
                  pod("p", deletionTimestamp="2026-01-01T00:00:00Z")):  # fmt: skip
        informer, expectations = setup()
        informer.lister.put(pod("p"))
        expectations.deleted("key", PODS, pod("p"), 0)
        assert not expectations.fulfilled("key", 1)
        if later is None:
            informer.lister._store(("default", "p"), None)
        else:
            informer.lister.put(later)
        assert expectations.fulfilled("key", 1)


def test_a_lost_event_holds_a_key_back_only_for_so_long() -> None:
    _, expectations = setup()
    expectations.wrote("key", PODS, written(7), 0)
    assert not expectations.fulfilled("key", PATIENCE - 1)
    assert expectations.fulfilled("key", PATIENCE)
