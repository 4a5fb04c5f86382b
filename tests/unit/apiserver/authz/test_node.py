from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authz.attributes import Attributes, Decision
from pinnace.apiserver.authz.bootstrap_policy import node_rules
from pinnace.apiserver.authz.node import NodeAuthorizer
from pinnace.apiserver.authz.node_graph import _secrets_of_volume, named

NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))


class Graph:
    """Everything called `mine` belongs to the node."""

    async def reaches(self, node: str, gvr: GVR, namespace: str, name: str) -> bool:
        return name == "mine"


async def ask(verb: str, resource: str, name: str = "", *, user: User = NODE, **more: Any) -> Decision:
    authorizer = NodeAuthorizer(Graph(), node_rules())
    return await authorizer.authorize(Attributes(user, verb, True, resource=resource, name=name, **more))


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more", "allowed"),
    [
        ("get", "secrets", "mine", {"namespace": "n"}, True),
        ("watch", "configmaps", "mine", {"namespace": "n"}, True),
        ("get", "secrets", "other", {"namespace": "n"}, False),
        ("list", "secrets", "", {"namespace": "n"}, False),
        ("update", "secrets", "mine", {"namespace": "n"}, False),
        ("get", "persistentvolumeclaims", "mine", {"namespace": "n"}, True),
        ("update", "persistentvolumeclaims", "mine", {"namespace": "n", "subresource": "status"}, True),
        ("list", "persistentvolumes", "mine", {}, False),
        ("create", "serviceaccounts", "mine", {"namespace": "n", "subresource": "token"}, True),
        ("create", "serviceaccounts", "other", {"namespace": "n", "subresource": "token"}, False),
        ("get", "serviceaccounts", "mine", {"namespace": "n"}, False),
        ("update", "leases", "n1", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}, True),
        ("update", "leases", "n2", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}, False),
        ("create", "leases", "", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}, True),
        ("get", "leases", "n1", {"group": "coordination.k8s.io", "namespace": "default"}, False),
        ("get", "csinodes", "n1", {"group": "storage.k8s.io"}, True),
        ("get", "csinodes", "n2", {"group": "storage.k8s.io"}, False),
        ("get", "nodes", "n1", {}, True),
        ("get", "nodes", "n2", {}, False),
        ("list", "nodes", "", {}, False),
        ("patch", "nodes", "n1", {"subresource": "status"}, True),
        ("list", "pods", "", {"field_selector": "spec.nodeName=n1"}, True),
        ("list", "pods", "", {"field_selector": "spec.nodeName!=n1"}, False),
        ("list", "pods", "", {"field_selector": "spec.nodeName=n2"}, False),
        ("list", "pods", "", {}, False),
        ("get", "pods", "mine", {"namespace": "n"}, True),
        ("get", "pods", "other", {"namespace": "n"}, False),
        ("create", "pods", "x", {"namespace": "n", "subresource": "eviction"}, True),
        ("create", "pods", "x", {"namespace": "n", "subresource": "exec"}, False),
        (
            "list",
            "resourceslices",
            "",
            {"group": "resource.k8s.io", "field_selector": "spec.nodeName=n1"},
            True,
        ),
        ("list", "resourceslices", "", {"group": "resource.k8s.io"}, False),
        ("watch", "services", "", {}, True),
        ("delete", "services", "x", {"namespace": "n"}, False),
        ("create", "events", "", {"namespace": "n"}, True),
    ],
)
async def test_a_node_may(verb: str, resource: str, name: str, more: dict[str, Any], allowed: bool) -> None:
    assert (await ask(verb, resource, name, **more)).allowed is allowed


async def test_refusals_say_why() -> None:
    assert (await ask("get", "nodes", "n2")).reason == "node 'n1' cannot read 'n2', only its own Node object"
    related = await ask("get", "secrets", "other", namespace="n")
    assert related.reason == "no relationship found between node 'n1' and this object"
    unknown = await ask("get", "pods", "x", user=User("system:node:", ("system:nodes",)))
    assert unknown.reason == 'unknown node for user "system:node:"'


async def test_others_are_not_its_business() -> None:
    assert await ask("get", "secrets", "mine", user=User("jane"), namespace="n") == Decision(False)
    impostor = User("system:node:n1", ("system:authenticated",))
    assert await ask("get", "secrets", "mine", user=impostor, namespace="n") == Decision(False)


POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n"},
    "spec": {
        "serviceAccountName": "web",
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [
            {
                "name": "c",
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "value", "key": "k"}}},
                ],
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "every"}}],
            }
        ],
        "volumes": [
            {"name": "a", "secret": {"secretName": "volume"}},
            {"name": "b", "configMap": {"name": "files"}},
            {"name": "c", "projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "piece"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "e", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "f", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "csi"}}},
        ],
        "resourceClaims": [{"name": "gpu", "resourceClaimName": "device"}],
    },
    "status": {"resourceClaimStatuses": [{"name": "t", "resourceClaimName": "made"}]},
}  # fmt: skip


def test_what_a_pod_refers_to() -> None:
    assert named(POD, r.SECRETS) == {"pull", "key", "all", "volume", "part", "csi"}
    assert named(POD, r.CONFIG_MAPS) == {"value", "every", "files", "piece"}
    assert named(POD, r.PERSISTENT_VOLUME_CLAIMS) == {"claim", "p-e"}
    assert named(POD, r.RESOURCE_CLAIMS) == {"device", "made"}
    assert named(POD, r.SERVICE_ACCOUNTS) == {"web"}


def test_secrets_of_a_volume() -> None:
    csi = {"driver": "x", "nodeStageSecretRef": {"name": "stage", "namespace": "store"}}
    assert list(_secrets_of_volume({"spec": {"csi": csi}}, "n")) == [("store", "stage")]
    file = {"spec": {"azureFile": {"secretName": "share"}}}
    assert list(_secrets_of_volume(file, "n")) == [("n", "share")]
