"""ResourceQuota: what is created must fit into the quotas of its namespace, and is charged to them before it is stored.

Open requests of one namespace are judged together and charged by one compare-and-swap per quota, so that racing requests never
use more than there is, whatever other API servers and the quota controller do in between.
Facts: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/resourcequota/controller.go
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.admission.stored import objects_in
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome

Object = dict[str, Any]
_NEVER_COUNTED = frozenset((("events", ""), ("events", "events.k8s.io"), ("bindings", "")))
TIMEOUT = 10.0  # seconds, as upstream


@dataclass(eq=False, slots=True)
class _Open:
    """A request that waits for its verdict."""

    admission: Admission
    verdict: asyncio.Future[None]

    def settle(self, error: BaseException | None = None) -> None:
        if self.verdict.done():
            return
        if error is None:
            self.verdict.set_result(None)
        else:
            self.verdict.set_exception(error)


@dataclass(slots=True)
class _Desk:
    """The open requests of one namespace, and who works on them; gone when there are none."""

    waiting: list[_Open] = field(default_factory=list)
    worker: asyncio.Task[None] | None = None


class ResourceQuota(BasePlugin):
    name = "ResourceQuota"
    subresources = ("resize",)
    validates = ("CREATE", "UPDATE")

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._limited: tuple[Any, ...] = ()
        self._desks: dict[str, _Desk] = {}

    def configure(self, configuration: Object) -> None:
        from pinnace.apiserver.admission.quota_decision import limited_from

        self._limited = limited_from(configuration)

    async def validate(self, admission: Admission) -> None:
        if not _may_use_something(admission):
            return
        storage = self._registries.of(r.RESOURCE_QUOTAS).storage
        if (not self._limited and await storage.is_empty()) or not _is_counted(admission):
            return
        loop = asyncio.get_running_loop()
        opened = _Open(admission, loop.create_future())
        desk = self._desks.setdefault(admission.namespace, _Desk())
        desk.waiting.append(opened)
        if desk.worker is None:
            work = self._work(admission.namespace, desk)
            desk.worker = loop.create_task(work, name=f"quota of {admission.namespace}")
        try:
            await self._registries.clock.wait_for(opened.verdict, TIMEOUT)
        except TimeoutError:
            raise errors.InternalError(
                "Internal error occurred: resource quota evaluation timed out"
            ) from None

    async def _work(self, namespace: str, desk: _Desk) -> None:
        try:
            while desk.waiting:
                batch, desk.waiting = desk.waiting, []
                await self._judge(namespace, [one for one in batch if not one.verdict.done()])
        finally:
            self._desks.pop(namespace, None)

    async def _judge(self, namespace: str, batch: list[_Open]) -> None:
        try:
            quotas = await objects_in(self._registries, r.RESOURCE_QUOTAS, namespace)
            fitting = self._without_refused(quotas, batch)
            for quota in quotas:
                fitting = await self._charge(quota["metadata"], fitting)
        except Exception as error:  # whoever waits must hear of it
            for one in batch:
                one.settle(error if isinstance(error, errors.StatusError) else _broken(error))
            return
        for one in batch:
            one.settle()

    def _without_refused(self, quotas: list[Object], batch: list[_Open]) -> list[_Open]:
        """Nothing is charged to one quota for a request that another refuses."""
        from pinnace.apiserver.admission.quota_decision import Refusal, charged, uncovered

        standing, fitting = {quota["metadata"]["name"]: quota for quota in quotas}, []
        for one in batch:
            try:
                if self._limited and (why := uncovered(self._limited, quotas, one.admission)):
                    raise Refusal(why)
                after = {name: charged(quota, one.admission) for name, quota in standing.items()}
            except Refusal as refusal:
                one.settle(refused(one.admission, str(refusal)))
                continue
            if one.admission.dry_run or not any(after.values()):
                one.settle()
                continue
            standing |= {name: quota for name, quota in after.items() if quota is not None}
            fitting.append(one)
        return fitting

    async def _charge(self, metadata: Object, batch: Iterable[_Open]) -> list[_Open]:
        """Write the quota with these requests charged; those that fit no more, since it has changed, are refused."""
        from pinnace.apiserver.admission.quota_decision import Refusal, charged

        fitting: list[_Open] = []
        late: list[tuple[_Open, Refusal]] = []

        async def transform(item: Item) -> Object | Outcome:
            fitting.clear()
            late.clear()
            quota = item.obj
            for one in batch:
                try:
                    quota = charged(quota, one.admission) or quota
                    fitting.append(one)
                except Refusal as refusal:
                    late.append((one, refusal))
            return Outcome.KEEP if quota is item.obj else quota

        storage = self._registries.of(r.RESOURCE_QUOTAS).storage
        try:
            await storage.update(metadata["name"], metadata["namespace"], transform)
        except errors.NotFound:
            return list(batch)  # a quota that was deleted limits nothing
        for one, refusal in late:
            one.settle(refused(one.admission, str(refusal)))
        return list(fitting)


def _may_use_something(admission: Admission) -> bool:
    if admission.object is None or not admission.namespace:
        return False
    gvr = admission.resource.gvr
    if (gvr.resource, gvr.group) in _NEVER_COUNTED:
        return False
    if admission.subresource:
        return admission.is_for("pods", subresource="resize") and admission.operation == "UPDATE"
    return True


def _is_counted(admission: Admission) -> bool:
    """Of updates only those that may need more than before."""
    if admission.operation == "CREATE" or admission.subresource:
        return True
    from pinnace.api.quota.evaluators import evaluator_for

    gvr = admission.resource.gvr
    return evaluator_for(gvr.resource, gvr.group).on_update


def _broken(error: Exception) -> errors.InternalError:
    return errors.InternalError(f"Internal error occurred: resource quota evaluation failed: {error}")
