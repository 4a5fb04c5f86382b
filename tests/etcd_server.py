"""`etcd`: a private etcd on free ports for the test session, and what makes its revisions comparable with those of other stores."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pinnace.cluster.preflight import free_port
from pinnace.component.clock import RealClock
from pinnace.store.backend import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    RangeResult,
    RevisionMismatch,
    StoreError,
    Subscriber,
    Subscription,
)
from pinnace.store.etcd import EtcdBackend
from pinnace.store.etcd_client import EtcdClient, EtcdConfig

NOT_INSTALLED = "etcd is not installed: `apt-get install etcd-server`"


class EtcdServer:
    """One etcd process, which can be stopped and started again on the same data and ports."""

    def __init__(
        self,
        directory: Path,
        *flags: str,
        scheme: str = "http",
        name: str = "default",
        peers: dict[str, str] | None = None,  # of a cluster: name -> peer URL of every member
    ) -> None:
        if shutil.which("etcd") is None:
            pytest.skip(NOT_INSTALLED)
        self.url = f"{scheme}://127.0.0.1:{free_port()}"
        peers = peers or {name: f"http://127.0.0.1:{free_port()}"}
        peer = peers[name]
        self._health = f"http://127.0.0.1:{free_port()}"
        self._log, self._data = directory / "etcd.log", directory / "data"
        self._command = [
            "etcd", "--data-dir", str(self._data), "--listen-client-urls", self.url, "--advertise-client-urls",
            self.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
            ",".join(f"{each}={url}" for each, url in peers.items()), "--name", name, "--listen-metrics-urls", self._health, "--max-request-bytes", "8000000", *flags,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        self.wait_until_healthy()

    def launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def wait_until_healthy(self) -> None:
        """A member of a cluster is healthy when there is a leader."""
        assert self._process is not None
        deadline = time.monotonic() + 30
        while not self._is_healthy():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._health}/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    @property
    def is_leader(self) -> bool:
        if self._process is None:
            return False
        request = urllib.request.Request(f"{self.url}/v3/maintenance/status", data=b"{}")
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                status = json.load(answer)
        except (urllib.error.URLError, OSError):
            return False
        return status.get("leader") == status["header"]["member_id"]

    def signal(self, number: int) -> None:
        """A stop has happened when this returns: of several threads some may go on for a moment."""
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def lose_data(self) -> None:
        self.kill()
        shutil.rmtree(self._data)

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class EtcdCluster:
    """Three members; it serves as long as two of them run."""

    def __init__(self, directory: Path) -> None:
        peers = {f"m{index}": f"http://127.0.0.1:{free_port()}" for index in range(3)}
        self.members: list[EtcdServer] = []
        for name in peers:
            (directory / name).mkdir(parents=True)
            self.members.append(EtcdServer(directory / name, name=name, peers=peers))

    @property
    def urls(self) -> str:
        return ",".join(member.url for member in self.members)

    def start(self) -> None:
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait_until_healthy()

    def leader(self) -> EtcdServer:
        """Raises AssertionError when no leader is elected within 30 seconds."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for member in self.members:
                if member.is_leader:
                    return member
            time.sleep(0.05)
        raise AssertionError("no leader")

    def kill(self) -> None:
        for member in self.members:
            member.kill()


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Generator[EtcdServer, None, None]:
    """Shared by tests that leave it running; each takes a prefix of its own."""
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Renumbered(EtcdBackend):
    """An empty store of its own on a shared etcd: revisions count from 0 although those of etcd go on."""

    _base = 0

    async def open(self) -> None:
        if not self._base:
            client = EtcdClient(self._config)
            base = (await client.call("KV/Put", key=b"base")).header.revision
            await client.call("KV/Compact", revision=base)
            await client.close()
            self._base = base
        await super().open()

    def _own(self, kv: KeyValue) -> KeyValue:
        return kv._replace(
            create_revision=kv.create_revision - self._base, mod_revision=kv.mod_revision - self._base
        )

    def _own_error(self, error: StoreError) -> StoreError:
        base = self._base
        match error:
            case KeyExists():
                return KeyExists(self._own(error.current))
            case RevisionMismatch():
                return RevisionMismatch(self._own(error.current), error.expected - base)
            case Compacted():
                return Compacted(error.requested - base, error.compacted - base)
            case FutureRevision():
                return FutureRevision(error.requested - base, error.current - base)
        return error

    async def _own_revision(self, write: Any) -> int:
        try:
            return await write - self._base
        except StoreError as error:
            raise self._own_error(error) from None

    async def revision(self) -> int:
        return await super().revision() - self._base

    async def get(self, key: str) -> KeyValue | None:
        found = await super().get(key)
        return self._own(found) if found else None

    async def create(self, key: str, value: bytes) -> int:
        return await self._own_revision(super().create(key, value))

    async def update(self, key: str, value: bytes, expected: int) -> int:
        return await self._own_revision(super().update(key, value, expected + self._base))

    async def delete(self, key: str, expected: int) -> int:
        return await self._own_revision(super().delete(key, expected + self._base))

    async def compact(self, revision: int) -> None:
        try:
            await super().compact(revision + self._base)
        except StoreError as error:
            raise self._own_error(error) from None

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        at = revision + self._base if revision else 0
        try:
            found = await super().range(start, end, limit=limit, revision=at)
        except StoreError as error:
            raise self._own_error(error) from None
        return RangeResult([self._own(kv) for kv in found.kvs], found.revision - self._base, found.total)

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        try:
            return _OwnSubscription(
                await super().subscribe(prefix, after + self._base, _OwnEvents(self, subscriber)), self._base
            )
        except StoreError as error:
            raise self._own_error(error) from None


class _OwnEvents:
    def __init__(self, store: Renumbered, subscriber: Subscriber) -> None:
        self._store, self._subscriber = store, subscriber

    def deliver(self, events: Any) -> None:
        self._subscriber.deliver([Event(self._store._own(event.kv), event.is_delete) for event in events])

    def fail(self, error: StoreError) -> None:
        self._subscriber.fail(self._store._own_error(error))


class _OwnSubscription:
    is_never_late = False

    def __init__(self, inner: Subscription, base: int) -> None:
        self._inner, self._base = inner, base

    @property
    def revision(self) -> int:
        return self._inner.revision - self._base

    async def wait_until(self, revision: int) -> None:
        await self._inner.wait_until(revision + self._base)

    def close(self) -> None:
        self._inner.close()


def empty_store(server: EtcdServer, name: str) -> Renumbered:
    return Renumbered(EtcdConfig((server.url,), prefix=f"/{name}", span="/"), RealClock())
