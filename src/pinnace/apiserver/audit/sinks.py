"""Where audit events go: a file that is rotated, or a server that is sent them in batches."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TextIO

import orjson

from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook, WebhookFailed
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)
Event = dict[str, Any]
_QUEUE = 10_000
_BYTES_PER_MB = 1024 * 1024


class Sink(Protocol):
    def write(self, event: Event) -> None: ...

    async def close(self) -> None: ...


class LogFile:
    """`--audit-log-*`: one line for each event. Old files carry the moment of their end: `audit-2026-01-02T03-04-05.678.log`."""

    def __init__(
        self, path: str, clock: Clock, *, style: str = "json", max_mb: int = 100, max_backups: int = 0,
        max_age_days: int = 0,
    ) -> None:  # fmt: skip
        if style not in ("json", "legacy"):
            raise ValueError(f"invalid audit log format {style}, allowed formats are legacy,json")
        self._path, self._clock, self._style = path, clock, style
        self._limit, self._max_backups, self._max_age = max_mb * _BYTES_PER_MB, max_backups, max_age_days
        self._file: TextIO | None = None
        self._size = 0
        self._open()

    def _open(self) -> None:
        """Raises OSError: a server whose audit log cannot be written must not start."""
        if self._path == "-":
            self._file = sys.stdout
            return
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._size = path.stat().st_size

    def write(self, event: Event) -> None:
        line = legacy_line(event) if self._style == "legacy" else orjson.dumps(event).decode()
        size = len(line.encode()) + 1
        try:
            if self._path != "-" and self._limit and self._size and self._size + size > self._limit:
                self._rotate()
            assert self._file is not None
            self._file.write(line + "\n")
            self._size += size
        except OSError as error:
            log.error("an audit event could not be written to %s: %s", self._path, error)

    def _rotate(self) -> None:
        assert self._file is not None
        self._file.close()
        path = Path(self._path)
        path.rename(path.with_name(f"{path.stem}-{_moment(self._clock)}{path.suffix}"))
        self._open()
        for old in self._superfluous(path):
            old.unlink(missing_ok=True)

    def _superfluous(self, path: Path) -> Iterator[Path]:
        backups = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"), reverse=True)
        oldest = ""
        if self._max_age:
            oldest = _stamp(self._clock, timedelta(days=self._max_age))
        for number, backup in enumerate(backups, 1):
            stamp = backup.name.removeprefix(f"{path.stem}-").removesuffix(path.suffix)
            if (self._max_backups and number > self._max_backups) or (oldest and stamp < oldest):
                yield backup

    async def close(self) -> None:
        if self._file is not None and self._path != "-":
            self._file.close()


def _moment(clock: Clock) -> str:
    return _stamp(clock, timedelta())


def _stamp(clock: Clock, before: timedelta) -> str:
    moment = clock.now() - before
    return moment.strftime("%Y-%m-%dT%H-%M-%S.") + f"{moment.microsecond // 1000:03d}"


def legacy_line(event: Event) -> str:
    def quoted(value: Any) -> str:
        return orjson.dumps(value or "<none>").decode()

    def listed(user: Event) -> str:
        return ",".join(quoted(group) for group in user.get("groups") or ()) or '"<none>"'

    user, other = event.get("user") or {}, event.get("impersonatedUser") or {}
    code = (event.get("responseStatus") or {}).get("code", "<deferred>")
    parts = (
        f"id={quoted(event['auditID'])}", f"stage={quoted(event['stage'])}", f"ip={quoted(next(iter(event.get('sourceIPs') or ()), ''))}",
        f"method={quoted(event['verb'])}", f"user={quoted(user.get('username'))}", f"groups={quoted(listed(user))}",
        f"as={quoted(other.get('username', '<self>'))}", f"asgroups={quoted(listed(other) if other else '<lookup>')}",
        f"user-agent={quoted(event.get('userAgent'))}", f"namespace={quoted((event.get('objectRef') or {}).get('namespace'))}",
        f"uri={quoted(event['requestURI'])}", f'response="{code}"',
    )  # fmt: skip
    return f"{event['stageTimestamp']} AUDIT: {' '.join(parts)}"


class BatchedWebhook:
    """`--audit-webhook-config-file`: events are sent as EventLists; when the server cannot keep up, the newest are dropped."""

    def __init__(
        self, client: KubeconfigWebhook, clock: Clock, *, max_size: int, max_wait_seconds: float
    ) -> None:
        self._client, self._clock = client, clock
        self._max_size, self._max_wait = max_size, max_wait_seconds
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        self._sender: asyncio.Task[None] | None = None
        self.dropped = 0

    def write(self, event: Event) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="audit webhook")
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped == 1:
                log.error("the audit webhook is too slow: events are dropped")

    async def _send(self) -> None:
        while True:
            batch = [await self._queue.get()]
            until = self._clock.monotonic() + self._max_wait
            while len(batch) < self._max_size:
                left = until - self._clock.monotonic()
                try:
                    batch.append(await self._clock.wait_for(self._queue.get(), max(left, 0.0)))
                except TimeoutError:
                    break
            await self._post(batch)

    async def _post(self, batch: list[Event]) -> None:
        try:
            await self._client.post(
                {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": batch}
            )
        except WebhookFailed as error:
            log.error("%d audit events could not be sent: %s", len(batch), error)

    async def close(self) -> None:
        """What waits is sent."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
            rest = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
            if rest:
                await self._post(rest)
        await self._client.close()
