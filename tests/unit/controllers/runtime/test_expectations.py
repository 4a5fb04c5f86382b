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


def test_a_lost_event_is_looked_into_after_a_while() -> None:
    _, expectations = setup()
    expectations.wrote("key", PODS, written(7), 0)
    assert not expectations.fulfilled("key", PATIENCE - 1)
    assert expectations.uncertain_about("key") == []
    assert not expectations.fulfilled("key", PATIENCE)
    assert expectations.uncertain_about("key") == [(PODS, "default")]
    expectations.take_stock("key", PODS, "default", [], PATIENCE)  # it was deleted, and nobody told
    assert expectations.fulfilled("key", PATIENCE)


def test_after_a_write_without_an_answer_the_informer_must_know_all_that_is_there() -> None:
    informer, expectations = setup()
    informer.resource_version = "5"
    informer.lister.put(pod("old", uid="u-old"))
    expectations.uncertain("key", PODS, "default")
    assert not expectations.fulfilled("key", 0)
    fresh = [pod("made", uid="u-made", resourceVersion="9")]
    expectations.take_stock("key", PODS, "default", fresh, 0)
    assert expectations.uncertain_about("key") == []
    assert not expectations.fulfilled("key", 0)
    informer.resource_version = "9"
    assert not expectations.fulfilled("key", 0)  # the old one is gone, and the informer has it still
    informer.lister._store(("default", "old"), None)
    assert expectations.fulfilled("key", 0)
