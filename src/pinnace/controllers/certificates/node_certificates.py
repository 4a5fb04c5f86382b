"""Approves what a joined node asks for beside its client certificate: a serving certificate, and one for the parts beside the kubelet.

Upstream leaves kubelet-serving requests to an administrator, since only who knows the machines can tell whether names and
addresses belong to the node. Here they must be those that the Node object says, and no other node's; since nodes write their
addresses themselves, never what clients know the API server or a Service by. The second one is for
`pinnace:node-parts`, whose rights the service proxy and the name server of an agent have: no node can ask for another user.
"""

import asyncio
import ipaddress
from collections.abc import Collection, Iterable

from pinnace.api import meta, names
from pinnace.api.certificates import requests
from pinnace.api.certificates.requests import Unreadable, Wanted
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS, NODES
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers.certificates.approval import approve, is_open
from pinnace.controllers.runtime.workers import Workers

PARTS_GROUP = "pinnace:node-parts"
NEVER = ("localhost", "kubernetes", "kubernetes.default")
MESSAGES = {
    requests.KUBELET_SERVING: "Auto approving kubelet serving certificate: its names are the node's own.",
    requests.CLIENT: "Auto approving certificate for the parts of a node beside its kubelet.",
}


def parts_user(node: str) -> str:
    return f"{PARTS_GROUP}:{node}"


def node_of(csr: Object) -> str:
    """The node whose kubelet asks; "" when it is somebody else."""
    spec = csr["spec"]
    user = spec.get("username") or ""
    is_node = user.startswith(requests.NODE_PREFIX) and requests.NODES_GROUP in (spec.get("groups") or ())
    return user.removeprefix(requests.NODE_PREFIX) if is_node else ""


def is_approvable(csr: Object, nodes: Iterable[Object], reserved: Collection[str] = ()) -> bool:
    node, signer = node_of(csr), csr["spec"].get("signerName")
    if not node or signer not in MESSAGES:
        return False
    try:
        wanted = requests.read(csr)
    except Unreadable:
        return False
    if signer == requests.CLIENT:
        subject = (wanted.common_name, wanted.organizations)
        has_other = wanted.has_names or wanted.emails or wanted.uris
        return (
            subject == (parts_user(node), (PARTS_GROUP,))
            and not has_other
            and not requests.wrong_for_client(requests.usages(csr))
        )
    if wanted.common_name != requests.NODE_PREFIX + node or requests.wrong_for_kubelet_serving(
        wanted, requests.usages(csr)
    ):
        return False
    asked = (*wanted.dns_names, *wanted.ip_addresses)
    if any(name in reserved for name in asked) or not all(map(_can_be_a_nodes, asked)):
        return False
    return names_are_its_own(wanted, node, nodes)


def _can_be_a_nodes(name: str) -> bool:
    """Not a wildcard, not a Service (the API server is one), not an address that every machine has."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        is_service = name.endswith(".svc") or ".svc." in name
        return not names.dns_subdomain(name) and name not in NEVER and not is_service
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


def names_are_its_own(wanted: Wanted, node: str, nodes: Iterable[Object]) -> bool:
    """Every name and address is one of the node's, and no other node says that it has it."""
    asked = {*wanted.dns_names, *wanted.ip_addresses}
    own: set[str] = set()
    for one in nodes:
        known = {
            meta.name(one),
            *(entry.get("address") or "" for entry in (one.get("status") or {}).get("addresses") or ()),
        }
        if meta.name(one) == node:
            own = known
        elif asked & known:
            return False
    return bool(asked) and asked <= own


class NodeCertificateApprover:
    """`reserved`: names and addresses of the API server."""

    name = "node-certificate-approving"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, reserved: Collection[str] = (), *,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._reserved = client, clock, reserved
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
        with following((self._requests, self._changed), (self._nodes, self._node_changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_open(new):
            self._queue.add(meta.name(new))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A request may have come before the node said its addresses."""
        if new is None or _addresses(old) == _addresses(new):
            return
        for csr in self._requests.lister:
            if is_open(csr) and node_of(csr) == meta.name(new):
                self._queue.add(meta.name(csr))

    async def _sync(self, name: str) -> None:
        csr = self._requests.lister.get(name)
        if csr is None or not is_open(csr) or not is_approvable(csr, self._nodes.lister, self._reserved):
            return
        await approve(self._client, self._clock, csr, MESSAGES[csr["spec"]["signerName"]])


def _addresses(node: Object | None) -> object:
    return ((node or {}).get("status") or {}).get("addresses")
