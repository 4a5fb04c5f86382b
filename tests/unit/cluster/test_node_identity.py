"""A node's certificates: asked for, kept, made anew before they expire. Time is a fake clock; the signer is the real one."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pinnace.api.certificates import requests
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS as CSR
from pinnace.cluster import node_identity
from pinnace.cluster.node_identity import NodeCertificate, Refused, Wish, rotation_time
from pinnace.controllers.certificates.authority import FileAuthority
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock

NOW = datetime.now(UTC)  # the authority's own certificate is good from now on
DAY, LIFE = timedelta(days=1), timedelta(hours=1)
WISH = Wish(requests.KUBELET_SERVING, "system:node:n", "system:nodes", "server auth", ("10.0.0.1", "n"))


class Signer(FakeClient):
    """Signs every request at once, for an hour; `verdict` instead, when there is one."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        super().__init__()
        made = TestAuthority(directory)
        key = directory / "ca.key"
        key.write_bytes(made.key_text())
        self._authority, self._clock = FileAuthority(made.ca, key, LIFE), clock
        self.asked: list[dict[str, Any]] = []
        self.verdict: dict[str, str] | None = None
        self.fails = 0

    async def create(self, gvr: Any, body: Any, namespace: Any = None, **options: Any) -> Any:
        assert gvr == CSR
        if self.fails:
            self.fails -= 1
            raise ConnectionError("away")
        self.asked.append(body)
        return {**body, "metadata": {"name": f"csr-{len(self.asked)}"}}

    async def get(self, gvr: Any, name: str, namespace: Any = None, **options: Any) -> Any:
        csr = self.asked[int(name.removeprefix("csr-")) - 1]
        if self.verdict:
            return {**csr, "metadata": {"name": name}, "status": {"conditions": [self.verdict]}}
        text = self._authority.sign(requests.read(csr), requests.usages(csr), None, self._clock.now())
        return {**csr, "metadata": {"name": name}, "status": {"certificate": text}}


class Rig:
    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock(NOW)
        self.signer = Signer(directory, self.clock)
        self.told = 0
        self.wish: Wish | None = WISH
        self.path = directory / "pki" / "kubelet-server.pem"

    def certificate(self) -> NodeCertificate:
        return NodeCertificate(self.path, self.clock, lambda: self.signer, lambda: self.wish, self._changed)

    async def _changed(self) -> None:
        self.told += 1


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_certificate_is_obtained_kept_and_rotated_before_it_expires(rig: Rig) -> None:
    running = asyncio.create_task(rig.certificate().run())
    await rig.clock.advance(1)
    assert (len(rig.signer.asked), rig.told) == (1, 1)
    first = rig.path.read_bytes()
    await rig.clock.advance(LIFE.total_seconds() * 0.69)
    assert len(rig.signer.asked) == 1
    await rig.clock.advance(LIFE.total_seconds() * 0.22)
    assert (len(rig.signer.asked), rig.told) == (2, 2)
    assert rig.path.read_bytes() != first
    assert rig.path.stat().st_mode & 0o077 == 0
    for _ in range(10):
        await rig.clock.advance(LIFE.total_seconds())
    assert 11 <= len(rig.signer.asked) <= 17
    running.cancel()


async def test_a_restart_takes_what_is_kept(rig: Rig) -> None:
    for _ in range(2):
        running = asyncio.create_task(rig.certificate().run())
        await rig.clock.advance(1)
        running.cancel()
    assert (len(rig.signer.asked), rig.told) == (1, 2)


async def test_other_names_make_another_certificate(rig: Rig) -> None:
    certificate = rig.certificate()
    rig.wish = None
    running = asyncio.create_task(certificate.run())
    await rig.clock.advance(1)
    assert not rig.signer.asked
    for number, names in enumerate((("n",), ("10.0.0.2", "n"))):
        rig.wish = Wish(WISH.signer, WISH.common_name, WISH.organization, WISH.usage, names)
        certificate.look_again.set()
        await rig.clock.advance(1)
        assert len(rig.signer.asked) == number + 1
    running.cancel()


async def test_a_server_that_is_away_is_asked_again(rig: Rig) -> None:
    rig.signer.fails = 3
    running = asyncio.create_task(rig.certificate().run())
    await rig.clock.advance(1)
    assert rig.told == 0
    await rig.clock.advance(30)
    assert rig.told == 1
    running.cancel()


async def test_a_denied_request_says_why(rig: Rig) -> None:
    rig.signer.verdict = {"type": "Denied", "status": "True", "reason": "No", "message": "not you"}
    with pytest.raises(Refused, match="was denied: No: not you"):
        await node_identity.obtain(rig.signer, rig.clock, WISH)


def test_the_time_of_rotation_lies_between_seventy_and_ninety_percent() -> None:
    assert rotation_time(NOW, NOW + 10 * DAY, 0.0) == NOW + 7 * DAY
    assert rotation_time(NOW, NOW + 10 * DAY, 1.0) == NOW + 9 * DAY


def test_a_request_says_what_is_wished_for() -> None:
    _, text = node_identity.new_request(WISH)
    wanted = requests.read({"spec": {"request": base64.b64encode(text).decode()}})
    assert (wanted.common_name, wanted.organizations) == ("system:node:n", ("system:nodes",))
    assert (wanted.dns_names, wanted.ip_addresses) == (("n",), ("10.0.0.1",))
