"""A thin client of etcd's v3 gRPC API: endpoints and fail-over, TLS, logins, deadlines, errors as `StoreError`s.

gRPC and protobuf are imported when the first client is made, so that the other stores do not pay for them.
Left out: discovery of members by DNS, balancing over members (one is used until it fails).
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.store.backend import OutcomeUnknown, StoreError, StoreFull, StoreUnavailable
from pinnace.store.etcd_messages import METHODS, PACKAGE, message_classes

CALL_SECONDS = 5.0
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),  # as kube-apiserver: a dead connection is noticed
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_http_proxy", 0),
]
WRITES = frozenset(("KV/Put", "KV/Txn"))
# What etcd and gRPC say when a request cannot have been done; every other failure of a write leaves that open.
NOT_DONE = ("failed to connect", "no leader", "too many requests")


class RangeCompacted(StoreError):
    """etcd refused a revision as compacted; it does not say which one is the oldest."""


class RangeInFuture(StoreError):
    """etcd refused a revision that has not happened yet."""


@dataclass(frozen=True)
class EtcdConfig:
    """`prefix` is put in front of every key; only keys below `prefix + span` are watched and answered."""

    servers: tuple[str, ...]
    prefix: str = ""
    span: str = "/registry/"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    user: str = ""
    password: str = ""


def _grpc() -> Any:
    """The library, without its handlers around fork: the children of this process exec at once."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    import grpc.aio

    return grpc


class EtcdClient:
    """Bound to the event loop it is made on. Methods raise only `StoreError`s."""

    def __init__(self, config: EtcdConfig) -> None:
        self._config, self._grpc = config, _grpc()
        self.rpc_error: type[Exception] = self._grpc.RpcError  # what a stream of `watch` raises
        self._channels = [self._open(server) for server in config.servers]
        self._current = 0
        self._token = ""

    def _open(self, server: str) -> Any:
        scheme, _, address = server.rpartition("://")
        if scheme != "https":
            return self._grpc.aio.insecure_channel(address, OPTIONS)
        files = (self._config.ca_file, self._config.key_file, self._config.cert_file)
        try:
            contents = [Path(file).read_bytes() if file else None for file in files]
        except OSError as error:
            raise StoreUnavailable(f"{error.filename}: {error.strerror}") from error
        return self._grpc.aio.secure_channel(address, self._grpc.ssl_channel_credentials(*contents), OPTIONS)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def call(self, method: str, *, seconds: float = CALL_SECONDS, **fields: Any) -> Any:
        """One request; tried on every server while it is certain that none has done it."""
        for _ in self._channels[1:]:
            try:
                return await self._once(method, seconds, fields)
            except (StoreFull, OutcomeUnknown):
                raise
            except StoreUnavailable:
                continue
        return await self._once(method, seconds, fields)

    async def _once(self, method: str, seconds: float, fields: dict[str, Any]) -> Any:
        stub, request = self._stub(method), message_classes()[METHODS[method][0]](**fields)
        login_again = bool(self._config.user) and method != "Auth/Authenticate"
        while True:
            try:
                return await stub(request, timeout=seconds, metadata=await self._metadata(method))
            except self._grpc.RpcError as error:
                if login_again and "auth token" in (error.details() or ""):
                    login_again, self._token = False, ""
                    continue
                raise self.translated(error, method) from error

    def _stub(self, method: str) -> Any:
        classes, channel = message_classes(), self._channels[self._current]
        request, answer = METHODS[method]
        make = channel.stream_stream if method == "Watch/Watch" else channel.unary_unary
        return make(
            f"/{PACKAGE}.{method}",
            request_serializer=classes[request].SerializeToString,
            response_deserializer=classes[answer].FromString,
        )

    async def _metadata(self, method: str) -> list[tuple[str, str]]:
        if not self._config.user or method == "Auth/Authenticate":
            return []
        if not self._token:
            answer = await self.call(
                "Auth/Authenticate", name=self._config.user, password=self._config.password
            )
            self._token = answer.token
        return [("token", self._token)]

    async def watch(self) -> Any:
        """A bidirectional stream; etcd ends it when its member has lost the cluster's leader."""
        metadata = [*await self._metadata("Watch/Watch"), ("hasleader", "true")]
        return self._stub("Watch/Watch")(metadata=metadata)

    async def read(self, stream: Any) -> Any:
        """The next answer of a watch; raises `rpc_error`, or EOFError at the end of the stream."""
        answer = await stream.read()
        if answer is self._grpc.aio.EOF:
            raise EOFError
        return answer

    def translated(self, error: Any, method: str) -> StoreError:
        """The StoreError for an RpcError. Another server comes next when this one did not answer."""
        code, details = error.code().name, error.details() or ""
        if code == "OUT_OF_RANGE" and "compacted" in details:
            return RangeCompacted(details)
        if code == "OUT_OF_RANGE" and "future" in details:
            return RangeInFuture(details)
        if "database space exceeded" in details:
            return StoreFull(details)
        if code == "INVALID_ARGUMENT" or "larger than max" in details:
            return StoreError(details)
        self._current = (self._current + 1) % len(self._channels)
        why = details.rpartition(": ")[2] if "failed to connect" in details else details or code
        sentence = f"etcd at {', '.join(self._config.servers)}: {why}"
        if method in WRITES and not any(text in details for text in NOT_DONE):
            if code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION"):
                return StoreUnavailable(sentence)
            return OutcomeUnknown(sentence)
        return StoreUnavailable(sentence)


class Revisions:
    """Linearizable revisions, one question to etcd at a time: who asks while one is on its way shares the next."""

    def __init__(self, client: EtcdClient, key: bytes) -> None:
        self._client, self._key = client, key
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def newest(self) -> int:
        """The revision of the newest write that was acknowledged before this was called."""
        if self._running is None:
            task = self._running = self._start(self._ask())
        elif self._next is None:
            task = self._next = self._start(self._ask_after(self._running))
        else:
            task = self._next
        return await asyncio.shield(task)

    def _start(self, question: Coroutine[Any, Any, int]) -> asyncio.Task[int]:
        task = asyncio.create_task(question)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # all askers may be gone
        return task

    async def _ask(self) -> int:
        try:
            answer = await self._client.call("KV/Range", key=self._key, count_only=True)
        finally:
            self._running, self._next = self._next, None
        return answer.header.revision

    async def _ask_after(self, previous: asyncio.Task[int]) -> int:
        await asyncio.wait({previous})
        return await self._ask()
