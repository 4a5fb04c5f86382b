"""Leader election by Lease, after client-go: of several candidates one holds the lease and works, the others wait.

A candidate never compares its clock with the times in a lease: it counts, on its own clock, from when it last saw the lease
change. Whoever leads counts from before the request that renewed it, so that it stops earlier than anybody takes over.
Lost leadership ends the work and waits for the next chance (upstream ends the process). Leaves out coordinated election.
"""

import asyncio
import contextlib
import logging
import os
import platform
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pinnace.api.resources import LEASES
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_micro_time
from pinnace.client.events import EventRecorder
from pinnace.client.interface import ActsFor, Client, Object
from pinnace.component.clock import Clock
from pinnace.component.metrics import Family

log = logging.getLogger(__name__)

JITTER = 1.2  # a candidate waits up to this many retry periods longer, so that candidates do not go in step
RELEASE_SECONDS = 2.0  # a clean end waits no longer for its lease to be given back
UNANSWERED = (StatusError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElectionConfig:
    """Names and numbers as kube-controller-manager's `--leader-elect-...`; raises ValueError when they cannot work."""

    name: str
    identity: str
    namespace: str = "kube-system"
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if self.lease_duration < 1:
            raise ValueError("leaseDuration must be at least one second")
        if self.lease_duration <= self.renew_deadline:
            raise ValueError("leaseDuration must be greater than renewDeadline")
        if self.renew_deadline <= JITTER * self.retry_period:
            raise ValueError("renewDeadline must be greater than retryPeriod*JitterFactor")
        if self.retry_period <= 0:
            raise ValueError("retryPeriod must be greater than zero")


def process_identity() -> str:
    """Of this process and no other: host name and a random part, as upstream's."""
    return f"{platform.node()}_{uuid.uuid4()}" if platform.node() else f"{os.getpid()}_{uuid.uuid4()}"


class LeaderElector:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        config: LeaderElectionConfig,
        *,
        recorder: EventRecorder | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._client, self._clock, self.config = client, clock, config
        self._recorder, self._chance = recorder, chance or random.Random()
        self._lease: Object | None = None  # as last seen or written
        self._seen_at = 0.0
        self._renewed_at: float | None = None  # None: somebody else leads, or nobody

    @property
    def is_leading(self) -> bool:
        """Whether this process may act now, whatever became of its tasks: False as soon as renewing took too long."""
        return self._renewed_at is not None and self._clock.monotonic() < self._must_stop_at()

    @property
    def holder(self) -> str:
        """Who held the lease when it was last seen."""
        return _spec(self._lease).get("holderIdentity") or ""

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` whenever this candidate leads, until cancelled; ends early only with the exception that `work` raised."""
        recorder = self._recorder
        async with asyncio.TaskGroup() as tasks:
            if recorder is not None:
                tasks.create_task(recorder.run())
            while True:
                await self._acquire()
                await self._lead(work)

    async def _acquire(self) -> None:
        log.info("attempting to acquire leader lease %s/%s", self.config.namespace, self.config.name)
        while not await self._try(self.config.renew_deadline):
            await self._clock.sleep(self.config.retry_period * (1 + self._chance.random() * JITTER))
        log.info("successfully acquired lease %s/%s", self.config.namespace, self.config.name)
        self._tell("became leader")

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            if renewing.done() and not working.done():
                log.error("failed to renew lease %s/%s", self.config.namespace, self.config.name)
                self._tell("stopped leading")
        finally:
            renewing.cancel()
            working.cancel()
            await asyncio.wait((working, renewing))
            await self._release()
        for done in (working, renewing):
            if not done.cancelled() and (error := done.exception()) is not None:
                raise error

    async def _renew(self) -> None:
        """Return when the lease is lost or could not be renewed in time."""
        while True:
            await self._clock.sleep(min(self.config.retry_period, max(0.0, self._left())))
            if self._left() <= 0:
                return
            if not await self._try(self._left()) and self.holder != self.config.identity:
                return

    def _must_stop_at(self) -> float:
        return (self._renewed_at or 0.0) + self.config.renew_deadline

    def _left(self) -> float:
        return self._must_stop_at() - self._clock.monotonic()

    async def _try(self, limit: float) -> bool:
        """One attempt to take or keep the lease, of at most `limit` seconds: an API that hangs is one that does not answer."""
        limit = min(limit, self.config.renew_deadline / 2)  # then there is time for a second one
        try:
            return await self._clock.wait_for(self._take_or_keep(), limit)
        except UNANSWERED as error:
            log.warning("lease %s/%s: %s", self.config.namespace, self.config.name, error or "no answer")
            return False

    async def _take_or_keep(self) -> bool:
        mine, config = self.holder == self.config.identity, self.config
        if mine and self.is_leading:
            with contextlib.suppress(*UNANSWERED):  # it changed meanwhile, or is gone: look
                return await self._write(self._lease)
        begun = self._clock.monotonic()
        try:
            found = await self._client.get(LEASES, config.name, config.namespace)
        except NotFound:
            return await self._write(None)
        if _spec(found) != _spec(self._lease):
            self._seen_at = begun
        self._lease = found
        spec = _spec(found)
        held = spec.get("holderIdentity") or ""
        if held and held != config.identity:
            self._renewed_at = None
            valid_for = float(spec.get("leaseDurationSeconds") or config.lease_duration)
            if self._clock.monotonic() < self._seen_at + valid_for:
                return False
        return await self._write(found)

    async def _write(self, before: Object | None) -> bool:
        config, begun = self.config, self._clock.monotonic()
        now, old = format_micro_time(self._clock.now()), _spec(before)
        keeps = old.get("holderIdentity") == config.identity
        transitions = (old.get("leaseTransitions") or 0) + (0 if keeps or before is None else 1)
        spec = {
            **old,
            "holderIdentity": config.identity,
            "leaseDurationSeconds": round(config.lease_duration),
            "acquireTime": old.get("acquireTime") or now if keeps else now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        self._keep(await self._put(before, spec), begun)
        self._renewed_at = begun
        return True

    async def _put(self, before: Object | None, spec: Object) -> Object:
        if before is not None:
            return await self._client.update(LEASES, {**before, "spec": spec})
        metadata = {"name": self.config.name, "namespace": self.config.namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        return await self._client.create(LEASES, body, self.config.namespace)

    def _keep(self, lease: Object, when: float) -> None:
        self._lease, self._seen_at = lease, when

    async def _release(self) -> None:
        """Give a lease that is still ours back, so that the next candidate need not wait until it runs out."""
        leads, self._renewed_at = self.is_leading, None
        if not leads or self._lease is None or self.holder != self.config.identity:
            return
        try:
            await self._clock.wait_for(self._give_back(self._lease), RELEASE_SECONDS)
        except UNANSWERED as error:
            log.warning(
                "lease %s/%s could not be released: %s", self.config.namespace, self.config.name, error
            )

    async def _give_back(self, lease: Object) -> None:
        try:
            await self._write_free(lease)
        except Conflict:  # a renewal that was ended before its answer came may have been carried out
            found = await self._client.get(LEASES, self.config.name, self.config.namespace)
            if _spec(found).get("holderIdentity") == self.config.identity:
                await self._write_free(found)

    async def _write_free(self, lease: Object) -> None:
        begun, now = self._clock.monotonic(), format_micro_time(self._clock.now())
        free = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now}
        self._keep(await self._put(lease, {**_spec(lease), **free}), begun)

    def _tell(self, what: str) -> None:
        if self._recorder is not None and self._lease is not None:
            about = {**self._lease, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            self._recorder.event(about, "Normal", "LeaderElection", f"{self.config.identity} {what}")

    def families(self) -> Iterator[Family]:
        yield Family(
            "leader_election_master_status",
            "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.",
            "gauge",
            ("name",),
            [((self.config.name,), int(self.is_leading))],
        )


def _spec(lease: Object | None) -> Object:
    return (lease or {}).get("spec") or {}


class LeadersClient:
    """A client that writes only while its elector leads; a write after that raises ConnectionError and reaches nobody.

    For a process that was stopped, or hung, for longer than its lease lasts: its tasks go on where they were.
    """

    def __init__(self, client: Client, elector: LeaderElector) -> None:
        self._client, self._elector = client, elector
        self.get, self.list, self.watch = client.get, client.list, client.watch
        self.raw, self.close = client.raw, client.close

    def acting_as(self, user: str, groups: tuple[str, ...]) -> Client:
        client = self._client
        return (
            LeadersClient(client.acting_as(user, groups), self._elector)
            if isinstance(client, ActsFor)
            else self
        )

    def _check(self) -> None:
        if not self._elector.is_leading:
            raise ConnectionError(
                f"the lease {self._elector.config.name} is lost: nothing is written any more"
            )

    async def create(self, *args: Any, **named: Any) -> Object:
        self._check()
        return await self._client.create(*args, **named)

    async def update(self, *args: Any, **named: Any) -> Object:
        self._check()
        return await self._client.update(*args, **named)

    async def patch(self, *args: Any, **named: Any) -> Object:
        self._check()
        return await self._client.patch(*args, **named)

    async def delete(self, *args: Any, **named: Any) -> Object:
        self._check()
        return await self._client.delete(*args, **named)

    async def delete_collection(self, *args: Any, **named: Any) -> Object:
        self._check()
        return await self._client.delete_collection(*args, **named)
