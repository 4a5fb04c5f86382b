"""The Node authorizer: a kubelet reads what its own pods need, and writes what is its own.

What a kubelet may write to in detail is NodeRestriction's, an admission plugin. Semantics:
https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from pinnace.api import resources as r
from pinnace.apimachinery import selectors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authz.attributes import NO_OPINION, Attributes, Decision
from pinnace.apiserver.authz.rules import Rule, allows

NODES_GROUP, USER_PREFIX = "system:nodes", "system:node:"
LEASE_NAMESPACE = "kube-node-lease"
_ALLOW = Decision(True)
_OWN = ("get", "create", "update", "patch", "delete")

Judge = Callable[["NodeAuthorizer", str, Attributes], Awaitable[Decision]]


class Graph(Protocol):
    async def reaches(self, node: str, gvr: GVR, namespace: str, name: str) -> bool: ...


def _no(reason: str) -> Decision:
    return Decision(False, reason)


class NodeAuthorizer:
    """`rules`: what every node may do with resources that are not divided among nodes."""

    def __init__(self, graph: Graph, rules: tuple[Rule, ...]) -> None:
        self._graph, self._rules = graph, rules

    async def authorize(self, attributes: Attributes) -> Decision:
        user = attributes.user
        if NODES_GROUP not in user.groups or not user.name.startswith(USER_PREFIX):
            return NO_OPINION
        node = user.name[len(USER_PREFIX) :]
        if not node:
            return _no(f'unknown node for user "{user.name}"')
        if attributes.is_resource:
            judge = _DIVIDED.get((attributes.group, attributes.resource))
            if judge is not None:
                return await judge(self, node, attributes)
        return _ALLOW if any(allows(rule, attributes) for rule in self._rules) else NO_OPINION

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return []

    def unresolved(self, user: User) -> str:
        """Why `rules_of` does not tell all."""
        if NODES_GROUP in user.groups and user.name.startswith(USER_PREFIX):
            return "node authorizer does not support user rule resolution"
        return ""

    async def _related(self, node: str, gvr: GVR, attributes: Attributes) -> Decision:
        if not attributes.name:
            return _no("No Object name found")
        if await self._graph.reaches(node, gvr, attributes.namespace, attributes.name):
            return _ALLOW
        return _no(f"no relationship found between node '{node}' and this object")

    async def _get(self, node: str, gvr: GVR, attributes: Attributes) -> Decision:
        if attributes.verb != "get":
            return _no("can only get individual resources of this type")
        if attributes.subresource:
            return _no("cannot get subresource")
        return await self._related(node, gvr, attributes)

    async def _read(self, node: str, gvr: GVR, attributes: Attributes) -> Decision:
        if attributes.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if attributes.subresource:
            return _no("cannot read subresource")
        if not attributes.namespace:
            return _no("can only read namespaced object of this type")
        return await self._related(node, gvr, attributes)

    async def _claim(self, node: str, attributes: Attributes) -> Decision:
        if attributes.subresource != "status":
            return await self._get(node, r.PERSISTENT_VOLUME_CLAIMS, attributes)
        if attributes.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return await self._related(node, r.PERSISTENT_VOLUME_CLAIMS, attributes)

    async def _token(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb != "create" or not attributes.name:
            return _no("can only create tokens for individual service accounts")
        if attributes.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return await self._related(node, r.SERVICE_ACCOUNTS, attributes)

    async def _lease(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return _no("can only get, create, update, patch, or delete a node lease")
        if attributes.namespace != LEASE_NAMESPACE:
            return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        if attributes.verb != "create" and attributes.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return _ALLOW

    async def _csi_node(self, node: str, attributes: Attributes) -> Decision:
        if attributes.verb not in _OWN:
            return _no("can only get, create, update, patch, or delete a CSINode")
        if attributes.subresource:
            return _no("cannot authorize CSINode subresources")
        if attributes.verb != "create" and attributes.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return _ALLOW

    async def _slice(self, node: str, attributes: Attributes) -> Decision:
        if attributes.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        match attributes.verb:
            case "create":
                return _ALLOW
            case "get" | "update" | "patch" | "delete":
                return await self._related(node, r.RESOURCE_SLICES, attributes)
            case "watch" | "list" | "deletecollection":
                if any(_selects(attributes, path, node) for path in ("nodeName", "spec.nodeName")):
                    return _ALLOW
                return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        return _no(
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection"
        )

    async def _node(self, node: str, attributes: Attributes) -> Decision:
        match attributes.subresource, attributes.verb:
            case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
                return _ALLOW
            case "", "get" | "list" | "watch":
                if attributes.name == node:
                    return _ALLOW
                what = f"'{attributes.name}'" if attributes.name else "all nodes"
                return _no(f"node '{node}' cannot read {what}, only its own Node object")
        return NO_OPINION

    async def _pod(self, node: str, attributes: Attributes) -> Decision:
        match attributes.subresource, attributes.verb:
            case "", "get":
                return await self._get(node, r.PODS, attributes)
            case "", "list" | "watch":
                if _selects(attributes, "spec.nodeName", node):
                    return _ALLOW
                if attributes.name:
                    return await self._related(node, r.PODS, attributes)
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return _ALLOW
        return NO_OPINION


def _selects(attributes: Attributes, path: str, value: str) -> bool:
    """The field selector demands this value."""
    if path not in attributes.field_selector:
        return False
    try:
        terms = selectors.parse_fields(attributes.field_selector)
    except selectors.SelectorError:
        return False
    return any(t.path == path and t.value == value and not t.negated for t in terms)


def _getting(gvr: GVR) -> Judge:
    return lambda authorizer, node, attributes: authorizer._get(node, gvr, attributes)


def _reading(gvr: GVR) -> Judge:
    return lambda authorizer, node, attributes: authorizer._read(node, gvr, attributes)


_DIVIDED: dict[tuple[str, str], Judge] = {
    ("", "secrets"): _reading(r.SECRETS),
    ("", "configmaps"): _reading(r.CONFIG_MAPS),
    ("", "persistentvolumeclaims"): NodeAuthorizer._claim,
    ("", "persistentvolumes"): _getting(r.PERSISTENT_VOLUMES),
    ("resource.k8s.io", "resourceclaims"): _getting(r.RESOURCE_CLAIMS),
    ("storage.k8s.io", "volumeattachments"): _getting(r.VOLUME_ATTACHMENTS),
    ("", "serviceaccounts"): NodeAuthorizer._token,
    ("coordination.k8s.io", "leases"): NodeAuthorizer._lease,
    ("storage.k8s.io", "csinodes"): NodeAuthorizer._csi_node,
    ("resource.k8s.io", "resourceslices"): NodeAuthorizer._slice,
    ("", "nodes"): NodeAuthorizer._node,
    ("", "pods"): NodeAuthorizer._pod,
}
