"""CSR approver: client certificates for nodes are approved for those whom RBAC allows to have one made without asking.

It asks the API server whether the requestor may, so it is not one of the pure controllers; what it recognizes is a pure function.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/certificates/approver/sarapprove.go
Unlike upstream it leaves one kind of request to an administrator: somebody with a bootstrap token who wants the identity of a
node that is there and Ready. A machine that joins has no such wish; who stole a token has.
"""

import asyncio
from typing import Any

from pinnace.api import meta
from pinnace.api.certificates import requests
from pinnace.api.certificates.requests import Unreadable
from pinnace.api.core import nodes as node_rules
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS, NODES, SUBJECT_ACCESS_REVIEWS
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, Lister, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers.certificates.approval import approve, is_open
from pinnace.controllers.runtime.workers import Workers

_GROUP = "certificates.k8s.io"
BOOTSTRAPPERS = "system:bootstrappers"  # every bootstrap token is in this group
_MESSAGES = {
    "selfnodeclient": "Auto approving self kubelet client certificate after SubjectAccessReview.",
    "nodeclient": "Auto approving kubelet client certificate after SubjectAccessReview.",
}


def permissions(csr: Object) -> list[str]:
    """Any of these subresources, which the requestor may create, is enough to approve; none for requests of other kinds."""
    spec = csr["spec"]
    if spec.get("signerName") != requests.KUBELET_CLIENT:
        return []
    try:
        wanted = requests.read(csr)
    except Unreadable:
        return []
    if requests.wrong_for_kubelet_client(wanted, requests.usages(csr)):
        return []
    return ["selfnodeclient", "nodeclient"] if wanted.common_name == spec.get("username") else ["nodeclient"]


def would_take(csr: Object, nodes: Lister) -> str:
    """The node that is Ready and whose identity a bootstrap token asks for; "" for requests of other kinds."""
    if BOOTSTRAPPERS not in (csr["spec"].get("groups") or ()):
        return ""
    name = requests.read(csr).common_name.removeprefix(requests.NODE_PREFIX)
    found = nodes.get(name)
    return name if found is not None and node_rules.is_ready(found) else ""


class ApprovingController:
    name = "certificatesigningrequest-approving"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, *, tracer: Tracer | None = None
    ) -> None:
        self._client, self._clock = client, clock
        self._requests = informers.of(CERTIFICATE_SIGNING_REQUESTS)
        self._nodes = informers.of(NODES)
        self._recorder = EventRecorder(client, clock, "certificate-controller")
        self._workers = Workers(
            self.name, clock, self._sync, count=1, recorder=self._recorder, about=self._requests.lister.get, tracer=tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        await self._requests.wait_synced()
        await self._nodes.wait_synced()
        with following((self._requests, self._changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and not (new.get("status") or {}).get("conditions"):
            self._queue.add(meta.name(new))

    async def _sync(self, name: str) -> None:
        csr = self._requests.lister.get(name)
        if csr is not None:
            await self.look_at(csr)

    async def look_at(self, csr: Object) -> None:
        if not is_open(csr):
            return
        wanted = permissions(csr)
        if wanted and (taken := would_take(csr, self._nodes.lister)):
            why = f"Not approved automatically: node {taken} is Ready, and a bootstrap token asks for its identity"
            self._recorder.event(csr, "Warning", "NodeIsReady", why)
            return
        for permission in wanted:
            if await self._may(csr["spec"], permission):
                await approve(self._client, self._clock, csr, _MESSAGES[permission])
                return

    async def _may(self, spec: dict[str, Any], subresource: str) -> bool:
        attributes = {
            "group": _GROUP, "resource": "certificatesigningrequests", "verb": "create", "subresource": subresource,
        }  # fmt: skip
        asked = {
            "user": spec.get("username", ""), "uid": spec.get("uid", ""), "groups": spec.get("groups") or [],
            "extra": spec.get("extra") or {}, "resourceAttributes": attributes,
        }  # fmt: skip
        review = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": asked}
        answer = await self._client.create(SUBJECT_ACCESS_REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))
