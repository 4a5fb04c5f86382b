"""Linearizable revisions: many askers, few questions, and never an answer from before one asked."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pinnace.store.backend import StoreUnavailable
from pinnace.store.etcd_client import Revisions


class SlowEtcd:
    """Its revision is the number of questions begun."""

    def __init__(self) -> None:
        self.questions, self.go_on = 0, asyncio.Event()
        self.is_down = False

    async def call(self, method: str, **fields: Any) -> Any:
        self.questions += 1
        revision = self.questions
        await self.go_on.wait()
        if self.is_down:
            raise StoreUnavailable("down")
        return SimpleNamespace(header=SimpleNamespace(revision=revision))


async def test_askers_during_a_question_share_the_next_one() -> None:
    etcd = SlowEtcd()
    revisions = Revisions(etcd, b"k")  # type: ignore[arg-type]  # all that it calls
    first = asyncio.create_task(revisions.newest())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(revisions.newest()) for _ in range(10)]
    await asyncio.sleep(0)
    etcd.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 10
    assert await revisions.newest() == 3


async def test_a_failed_question_is_not_remembered() -> None:
    etcd = SlowEtcd()
    etcd.go_on.set()
    etcd.is_down = True
    revisions = Revisions(etcd, b"k")  # type: ignore[arg-type]  # all that it calls
    with pytest.raises(StoreUnavailable):
        await revisions.newest()
    etcd.is_down = False
    assert await revisions.newest() == 2
