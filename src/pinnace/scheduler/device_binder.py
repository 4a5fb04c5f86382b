"""Claims of pods that have a node: devices are reserved with the decision, and written down before the pod is bound.

What is watched for this is watched from the first pod with claims on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.resource import pod_claims
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.scheduler.devices import Devices
from pinnace.scheduler.following import Following
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.queued_pod import QueuedPod

if TYPE_CHECKING:
    from pinnace.scheduler.devices.planner import DevicePlan

log = logging.getLogger(__name__)

ATTEMPTS = 5  # to write the status of a claim that others write, too
TIMEOUT = 60.0
WATCHED: Mapping[str, GVR] = {
    "ResourceSlice": r.RESOURCE_SLICES,
    "DeviceClass": r.DEVICE_CLASSES,
    "ResourceClaim": r.RESOURCE_CLAIMS,
}
Continue = Callable[[QueuedPod, str], Awaitable[None]]


class ClaimsNotBound(Exception):
    """Why the pod's claims could not be allocated or reserved; the pod is to be scheduled again."""


class DeviceBinder:
    """`then` goes on with the pod when its claims are written; `failed` takes it back."""

    def __init__(
        self, client: Client, clock: Clock, devices: Devices, *, happened: Callable[[Iterable[str]], None],
        then: Continue, failed: Callable[[QueuedPod, str, Exception], None],
    ) -> None:  # fmt: skip
        self._client, self._clock, self._devices = client, clock, devices
        self._happened, self._then, self._failed = happened, then, failed
        self.follow = Following(WATCHED, self._changed).begin
        self._plans: dict[str, DevicePlan] = {}  # by uid of the pod
        self._tasks: set[asyncio.Task[None]] = set()

    def _changed(self, kind: str, old: Object | None, new: Object | None) -> None:
        self._happened(self._devices.inventory.changed(kind, old, new))

    def rejects(self, pod: PodInfo) -> str:
        """Why the pod cannot be scheduled anywhere now; "" when nodes are worth a look."""
        return self._devices.planner.needs(pod).refusal

    def reserve(self, pod: PodInfo, node: str, labels: Mapping[str, str]) -> None:
        """The devices are this pod's from now on."""
        plan = self._devices.planner.plan(pod, node, labels)
        for claim, allocation in plan.allocations:
            self._devices.inventory.assume(claim, allocation)
        self._plans[pod.uid] = plan

    async def start(self, entry: QueuedPod, node: str) -> None:
        """Write down what was reserved (if anything was), then go on."""
        plan = self._plans.get(entry.pod.uid)
        if plan is None or not (plan.allocations or plan.reservations):
            await self._then(entry, node)
            return
        self._spawn(self._run(entry, node, plan), f"claims of {entry.pod.name}")

    def done(self, uid: str) -> None:
        """The pod is bound."""
        self._plans.pop(uid, None)

    def give_back(self, pod: PodInfo) -> None:
        """The pod did not get to its node: its devices are free again, also those that were written down already."""
        plan = self._plans.pop(pod.uid, None)
        if plan is None:
            return
        for claim, _ in plan.allocations:
            self._devices.inventory.forget(claim)
        claims = [*(claim for claim, _ in plan.allocations), *plan.reservations]
        if claims:
            self._spawn(self._unreserve(pod, claims), f"unreserve claims of {pod.name}")

    def free_useless(self, pod: PodInfo) -> None:
        """The pod fits nowhere: an allocation that nobody uses may be what keeps it from other nodes."""
        for claim in self._devices.planner.needs(pod).allocated:
            others = [one for one in pod_claims.reserved_for(claim) if one["uid"] != pod.uid]
            selector = (pod_claims.allocation(claim) or {}).get("nodeSelector")
            if not others and selector is not None:
                self._spawn(self._deallocate(claim), f"deallocate {meta.name(claim)}")
                return  # one at a time: it may be enough

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- one pod

    async def _run(self, entry: QueuedPod, node: str, plan: "DevicePlan") -> None:
        try:
            await self._clock.wait_for(self._write(entry.pod, plan), TIMEOUT)
        except (ClaimsNotBound, StatusError, OSError, TimeoutError) as error:
            self._failed(entry, node, ClaimsNotBound(str(error) or type(error).__name__))
        except Exception as error:
            log.exception("claims of %s/%s", *entry.pod.key)
            self._failed(entry, node, ClaimsNotBound(str(error)))
        else:
            await self._then(entry, node)

    async def _write(self, pod: PodInfo, plan: "DevicePlan") -> None:
        for claim, allocation in plan.allocations:
            await self._bind(claim, pod, allocation)
        for claim in plan.reservations:
            await self._bind(claim, pod, None)

    async def _bind(self, claim: Object, pod: PodInfo, allocation: Object | None) -> None:
        """Protect the claim, then allocate it (unless it is) and reserve it for the pod."""
        current = claim
        for attempt in range(ATTEMPTS):
            try:
                if allocation is not None:
                    current = await self._protect(current)
                await self._set_status(current, pod, allocation)
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
                current = await self._client.get(r.RESOURCE_CLAIMS, meta.name(claim), meta.namespace(claim))
                if meta.uid(current) != meta.uid(claim) or meta.is_terminating(current):
                    raise NotFound(f'resourceclaims.resource.k8s.io "{meta.name(claim)}" not found') from None
            else:
                return

    async def _protect(self, claim: Object) -> Object:
        finalizers = claim["metadata"].get("finalizers") or []
        if pod_claims.FINALIZER in finalizers:
            return claim
        metadata = {
            "uid": meta.uid(claim),
            "resourceVersion": meta.resource_version(claim),
            "finalizers": [*finalizers, pod_claims.FINALIZER],
        }
        return await self._client.patch(
            r.RESOURCE_CLAIMS, meta.name(claim), {"metadata": metadata}, meta.namespace(claim)
        )

    async def _set_status(self, claim: Object, pod: PodInfo, allocation: Object | None) -> None:
        status = claim.get("status") or {}
        stored = status.get("allocation")
        if allocation is None and stored is None:
            raise ClaimsNotBound(f"claim {meta.key_text(claim)} got deallocated elsewhere in the meantime")
        if allocation is not None and stored is not None:
            raise ClaimsNotBound(f"claim {meta.key_text(claim)} got allocated elsewhere in the meantime")
        reserved = pod_claims.reserved_for(claim)
        if not pod_claims.is_reserved_for(claim, pod.object):
            reserved = [*reserved, pod_claims.consumer(pod.object)]
        changed = {**status, "allocation": stored or allocation, "reservedFor": reserved}
        await self._client.update(r.RESOURCE_CLAIMS, {**claim, "status": changed}, subresource="status")

    # --- a step back

    async def _unreserve(self, pod: PodInfo, claims: Iterable[Object]) -> None:
        for claim in claims:
            try:
                current = await self._client.get(r.RESOURCE_CLAIMS, meta.name(claim), meta.namespace(claim))
                kept = [one for one in pod_claims.reserved_for(current) if one["uid"] != pod.uid]
                if meta.uid(current) == meta.uid(claim) and pod_claims.is_reserved_for(current, pod.object):
                    await self._put_status(current, kept, keeps_allocation=True)
            except (StatusError, OSError, TimeoutError) as error:
                log.debug("reservation of %s for %s: %s", meta.key_text(claim), pod.name, error)

    async def _deallocate(self, claim: Object) -> None:
        try:
            await self._put_status(claim, [], keeps_allocation=False)
        except (StatusError, OSError, TimeoutError) as error:
            log.debug("allocation of %s: %s", meta.key_text(claim), error)

    async def _put_status(self, claim: Object, reserved: list[Object], *, keeps_allocation: bool) -> None:
        dropped = ("reservedFor",) if keeps_allocation else ("reservedFor", "allocation", "devices")
        status = {key: value for key, value in (claim.get("status") or {}).items() if key not in dropped}
        if reserved:
            status["reservedFor"] = reserved
        await self._client.update(r.RESOURCE_CLAIMS, {**claim, "status": status}, subresource="status")
