"""SQLite and etcd against memory: the same random operations give the same answers, across compactions and restarts."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from etcd_server import EtcdServer, Renumbered, empty_store
from pinnace.store.backend import Backend, Event, KeyValue, StoreError
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend
from pinnace.store.watch import BufferedWatch
from properties import examples

KEYS = st.sampled_from([f"/{space}/{name}" for space in ("a", "a-b", "b") for name in ("x", "y", "yy", "é")])
PREFIXES = st.sampled_from(["/", "/a/", "/b/", "/a-b/"])
VALUES = st.binary(max_size=20)
BACK = st.integers(0, 12)


class StoresAgree(RuleBasedStateMachine):
    """Every rule does one thing to both stores and compares the answers, errors included."""

    is_ordered = True  # concurrent writes are done in the order of the calls

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="pinnace-store-model-"))
        self.runner = asyncio.Runner()
        self.memory: Backend = MemoryBackend()
        self.other = self.make()
        self.watches: list[tuple[BufferedWatch, BufferedWatch]] = []

    def make(self) -> Backend:
        return SqliteBackend(self.directory / "state.db")

    @initialize()
    def begin(self) -> None:
        self.runner.run(self.memory.open())
        self.runner.run(self.other.open())

    def teardown(self) -> None:
        self.runner.run(self.other.close())
        self.runner.close()
        shutil.rmtree(self.directory)

    def both(self, operate: Callable[[Backend], Awaitable[Any]]) -> Any:
        async def answer(backend: Backend) -> Any:
            try:
                return await operate(backend)
            except StoreError as error:
                return type(error), vars(error)

        expected = self.runner.run(answer(self.memory))
        assert self.runner.run(answer(self.other)) == expected
        return expected

    def revision(self) -> int:
        return self.runner.run(self.memory.revision())

    def seen(self, key: str, stale: bool) -> int:
        current: KeyValue | None = self.runner.run(self.memory.get(key))
        return (current.mod_revision if current else 1) + (1 if stale else 0)

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        self.both(lambda store: store.create(key, value))

    @rule(key=KEYS, value=VALUES, stale=st.booleans())
    def update(self, key: str, value: bytes, stale: bool) -> None:
        expected = self.seen(key, stale)
        self.both(lambda store: store.update(key, value, expected))

    @rule(key=KEYS, stale=st.booleans())
    def delete(self, key: str, stale: bool) -> None:
        expected = self.seen(key, stale)
        self.both(lambda store: store.delete(key, expected))

    @precondition(lambda self: self.is_ordered)
    @rule(writes=st.lists(st.tuples(KEYS, VALUES), max_size=8))
    def create_together(self, writes: list[tuple[str, bytes]]) -> None:
        async def all_at_once(store: Backend) -> list[Any]:
            tasks = [store.create(key, value) for key, value in writes]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            return [str(answer) for answer in answers]

        self.both(all_at_once)

    @rule(prefix=PREFIXES, limit=st.integers(0, 4), back=BACK)
    def read(self, prefix: str, limit: int, back: int) -> None:
        at = self.revision() - back
        self.both(
            lambda store: store.range(
                prefix, "/é" if prefix == "/" else prefix + "~é", limit=limit, revision=max(at, 0)
            )
        )

    @rule(back=BACK)
    def compact(self, back: int) -> None:
        at = max(0, self.revision() - back)
        self.both(lambda store: store.compact(at))

    @rule(prefix=PREFIXES, back=BACK)
    def watch(self, prefix: str, back: int) -> None:
        after = max(0, self.revision() - back)

        async def history(store: Backend) -> list[Event]:
            watch = await BufferedWatch.open(store, prefix, after)
            watch.close()
            return list(watch._buffer)

        self.both(history)

    @rule(prefix=PREFIXES)
    def keep_watching(self, prefix: str) -> None:
        after = self.revision()
        pair = [
            self.runner.run(BufferedWatch.open(store, prefix, after)) for store in (self.memory, self.other)
        ]
        self.watches.append((pair[0], pair[1]))

    @rule()
    def restart(self) -> None:
        self.runner.run(self.other.close())
        self.other = self.make()
        self.runner.run(self.other.open())
        self.watches = []

    @invariant()
    def agree(self) -> None:
        self.both(lambda store: store.revision())
        for left, right in self.watches:
            assert left._buffer == right._buffer


SETTINGS = settings(examples(30), stateful_step_count=30, suppress_health_check=list(HealthCheck))
TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = SETTINGS


def test_etcd_agrees(etcd: EtcdServer) -> None:
    class EtcdAgrees(StoresAgree):
        """All examples share one etcd; a restart keeps what the example has made of it."""

        is_ordered = False
        store: Renumbered | None = None

        def make(self) -> Backend:
            self.store = self.store or empty_store(etcd, self.directory.name)
            return self.store

    run_state_machine_as_test(
        EtcdAgrees,
        settings=settings(SETTINGS, max_examples=examples(10).max_examples, phases=(Phase.generate,)),
    )  # type: ignore[no-untyped-call]
