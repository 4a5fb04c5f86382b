"""Fan-out by prefix, and subscribers that misbehave."""

from collections.abc import Sequence

from pinnace.store.backend import Event, KeyValue, StoreError, StoreUnavailable
from pinnace.store.broadcaster import HISTORY_PAGE, Broadcaster


class Recorder:
    def __init__(self, failing: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.error: StoreError | None = None
        self._failing = failing

    def deliver(self, events: Sequence[Event]) -> None:
        if self._failing:
            raise ValueError("cannot take it")
        self.batches.append([event.kv.mod_revision for event in events])

    def fail(self, error: StoreError) -> None:
        self.error = error


def event(key: str, revision: int) -> Event:
    return Event(KeyValue(key, b"", revision, revision))


async def no_history(prefix: str, after: int, up_to: int, limit: int) -> list[Event]:
    return []


async def test_delivers_a_commit_as_one_batch_per_subscriber() -> None:
    broadcaster, pods, everything = Broadcaster(), Recorder(), Recorder()
    await broadcaster.attach("/registry/pods/", 0, pods, no_history)
    await broadcaster.attach("/registry/", 0, everything, no_history)
    broadcaster.publish(
        [event("/registry/pods/a", 1), event("/registry/podsx/a", 2), event("/registry/pods/b", 3)]
    )
    assert (pods.batches, everything.batches) == ([[1, 3]], [[1, 2, 3]])
    assert broadcaster.revision == 3


async def test_failing_subscriber_is_closed_and_others_are_served() -> None:
    broadcaster, bad, good = Broadcaster(), Recorder(failing=True), Recorder()
    await broadcaster.attach("/", 0, bad, no_history)
    await broadcaster.attach("/", 0, good, no_history)
    broadcaster.publish([event("/a", 1)])
    broadcaster.publish([event("/a", 2)])
    assert isinstance(bad.error, StoreUnavailable)
    assert good.batches == [[1], [2]]


async def test_history_is_replayed_in_pages_until_the_live_stream_is_reached() -> None:
    """Writes go on while history is read: nothing is missed and nothing comes twice."""
    log = [event("/a", revision) for revision in range(1, 2 * HISTORY_PAGE + 1)]
    broadcaster, late = Broadcaster(len(log)), Recorder()
    extra = iter([3, 2, 1])

    async def history(prefix: str, after: int, up_to: int, limit: int) -> list[Event]:
        page = [one for one in log if after < one.kv.mod_revision <= up_to][:limit]
        for _ in range(next(extra, 0)):
            log.append(event("/a", len(log) + 1))
            broadcaster.publish(log[-1:])
        return page

    await broadcaster.attach("/", 0, late, history)
    broadcaster.publish([event("/a", len(log) + 1)])
    seen = [revision for batch in late.batches for revision in batch]
    assert seen == list(range(1, len(log) + 2))


async def test_end_tells_every_subscriber() -> None:
    broadcaster, one = Broadcaster(), Recorder()
    await broadcaster.attach("/", 0, one, no_history)
    broadcaster.end(StoreUnavailable("closed"))
    assert isinstance(one.error, StoreUnavailable)
