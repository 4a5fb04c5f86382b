"""Certificates of a cluster that runs for years: each is made anew in time, and told; on a clock that tests drive."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pinnace.cluster.pki import DAYS_LEAF, RENEW_BEFORE, Leaf, Pki
from pinnace.cluster.renewal import RETRY_SECONDS, Renewal
from pinnace.testing.fake_clock import FakeClock

DAY = 86400.0
LEAVES = [
    Leaf("kubelet-server", "system:node:n", ("system:nodes",), ("n", "10.0.0.1"), server=True),
    Leaf("kubelet-client", "system:node:n", ("system:nodes",), client=True),
]


class World:
    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.pki = Pki(directory, self.clock.now())
        self.pki.ensure(LEAVES)
        self.told: list[int] = []  # days
        self.renewal = Renewal(
            self.pki, LEAVES, self.clock, lambda: self.told.append(int(self.clock.monotonic() // DAY))
        )

    def certificates(self) -> list[x509.Certificate]:
        return [x509.load_pem_x509_certificate(self.pki.cert(leaf.file).read_bytes()) for leaf in LEAVES]


@contextlib.asynccontextmanager
async def running(world: World):
    task = asyncio.create_task(world.renewal.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_certificates_are_made_anew_before_they_expire_and_never_twice(tmp_path: Path) -> None:
    world = World(tmp_path)
    first, ca = world.certificates(), world.pki.ca.read_bytes()
    age = DAYS_LEAF - RENEW_BEFORE.days
    async with running(world):
        await world.clock.advance(age * DAY - 1)
        assert world.certificates() == first
        assert world.told == []
        await world.clock.advance(3)
        assert world.told == [age]
        second = world.certificates()
        for old, new in zip(first, second, strict=True):
            assert new.serial_number != old.serial_number
            assert new.not_valid_after_utc - world.clock.now() > timedelta(days=DAYS_LEAF - 1)
        await world.clock.advance(2 * 365 * DAY)
        assert world.told == [age, 2 * age, 3 * age]
        for found in world.certificates():
            assert found.not_valid_after_utc > world.clock.now()
            found.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
        assert world.pki.ca.read_bytes() == ca


async def test_a_clock_that_is_set_forward_is_noticed_within_a_day(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with running(world):
        await world.clock.advance(60)
        world.clock.set_forward(350 * DAY)
        await world.clock.advance(DAY)
        assert len(world.told) == 1


async def test_a_disk_that_is_full_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    ensure, attempts = world.pki.ensure, []

    def full_at_first(*arguments: object) -> bool:
        attempts.append(arguments)
        if len(attempts) == 1:
            raise OSError(28, "No space left on device")
        return ensure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(world.pki, "ensure", full_at_first)
    world.clock.set_forward((DAYS_LEAF - RENEW_BEFORE.days) * DAY)
    async with running(world):
        await world.clock.advance(2)
        assert (len(attempts), world.told) == (1, [])
        await world.clock.advance(RETRY_SECONDS + 1)
        assert (len(attempts), len(world.told)) == (2, 1)
