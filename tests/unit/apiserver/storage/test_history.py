"""How long events are kept for watches that come back."""

from pinnace.apiserver.storage import history
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.history import AT_LEAST, AT_MOST, FRESH_SECONDS, History
from pinnace.apiserver.storage.item import Item
from pinnace.testing.fake_clock import FakeClock


def event(revision: int, kind: str = "ADDED") -> StorageEvent:
    item = Item(f"/r/{revision}", b'{"a":1}', revision, namespace="", name="", labels={}, fields={})
    return StorageEvent(kind, item)  # type: ignore[arg-type]


def filled(clock: FakeClock, count: int) -> History:
    kept = History(clock)
    kept.reset(0)
    for revision in range(1, count + 1):
        kept.append([event(revision)])
    return kept


def revisions(kept: History, after: int) -> list[int]:
    return [one.revision for one in kept.after(after)]


def test_gives_the_events_after_a_revision() -> None:
    kept = filled(FakeClock(), 10)
    assert revisions(kept, 7) == [8, 9, 10]
    assert revisions(kept, 10) == []
    assert len(kept.after(0)) == 10


def test_keeps_fresh_events_up_to_the_limit() -> None:
    kept = filled(FakeClock(), AT_MOST + 500)
    assert kept.floor <= 500
    assert revisions(kept, kept.floor)[0] == kept.floor + 1


async def test_drops_stale_events_but_keeps_a_few() -> None:
    clock = FakeClock()
    kept = filled(clock, 5 * AT_LEAST)
    assert kept.floor == 0
    await clock.advance(FRESH_SECONDS + 1)
    kept.append([event(5 * AT_LEAST + 1)])
    assert kept.floor == 4 * AT_LEAST + 1
    assert len(kept.after(kept.floor)) == AT_LEAST


def test_decoded_objects_of_old_deletions_are_released() -> None:
    kept = History(FakeClock())
    gone = event(1, "DELETED")
    assert gone.item.obj == {"a": 1}
    kept.append([gone])
    for revision in range(2, history.SETTLED + 3):
        kept.append([event(revision)])
    assert gone.item._obj is None


def test_encodings_of_old_events_are_released() -> None:
    kept = History(FakeClock())
    old = event(1)
    line = old.line
    kept.append([old])
    for revision in range(2, history.SETTLED + 3):
        kept.append([event(revision)])
    assert old._line is None
    assert old.line == line


def test_what_an_event_replaced_is_released_with_it() -> None:
    kept = History(FakeClock())
    before = event(1).item
    assert before.obj == {"a": 1}
    kept.append([StorageEvent("MODIFIED", event(2).item, before)])
    assert before.held is not None
    for revision in range(3, history.SETTLED + 4):
        kept.append([event(revision)])
    assert before.held is None


async def test_watchers_have_read_what_is_old_or_far_behind() -> None:
    clock = FakeClock()
    kept = filled(clock, history.SETTLED + 10)
    assert kept.read_up_to() == 10
    await clock.advance(history.READ_SECONDS)
    assert kept.read_up_to() == history.SETTLED + 10
    assert filled(clock, 3).read_up_to() == 0
