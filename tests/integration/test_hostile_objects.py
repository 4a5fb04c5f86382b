"""Objects that a fuzzer found: what is missing, null or of another type is refused with a 4xx, never a 500."""

from typing import Any

import pytest

from pinnace.apimachinery.errors import StatusError
from pinnace.testing.api_server import ApiServerInProcess

TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
ROLE = {
    "kind": "ClusterRole",
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "metadata": {"name": "r"},
    "rules": [None],
}
APPS, POLICY = "/apis/apps/v1/namespaces/default", "/apis/policy/v1/namespaces/default"


def replica_set(*expressions: Any) -> dict[str, Any]:
    spec = {
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": list(expressions)},
        "template": TEMPLATE,
    }
    return {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "r"}, "spec": spec}


def budget(*expressions: Any) -> dict[str, Any]:
    spec = {"minAvailable": 1, "selector": {"matchExpressions": list(expressions)}}
    return {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "b"}, "spec": spec}


def token_request(reference: Any) -> dict[str, Any]:
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "spec": {"boundObjectRef": reference},
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{APPS}/replicasets", replica_set({"operator": "In", "values": ["b"]})),
        (f"{APPS}/replicasets", replica_set(None)),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", ROLE),
        (f"{POLICY}/poddisruptionbudgets", budget(None)),
        ("/api/v1/namespaces/default/serviceaccounts/one/token", token_request({"kind": [None], "apiVersion": "v1"})),
        ("/api/v1/namespaces/default/serviceaccounts/one/token", token_request({"kind": {}, "apiVersion": "v1"})),
        ("/api/v1/namespaces/default/serviceaccounts/one/token", token_request("Pod")),
    ],
)  # fmt: skip
async def test_refused_as_the_clients_fault(
    api_server: ApiServerInProcess, path: str, body: dict[str, Any]
) -> None:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "one"}}
    await api_server.rest_client().raw("POST", "/api/v1/namespaces/default/serviceaccounts", body=account)
    with pytest.raises(StatusError) as refused:
        await api_server.rest_client().raw("POST", path, body=body)
    assert 400 <= refused.value.code < 500


@pytest.mark.parametrize("version", ["9" * 5000, "\u0661", "x"])
async def test_resource_versions_that_are_no_numbers(api_server: ApiServerInProcess, version: str) -> None:
    with pytest.raises(StatusError) as refused:
        await api_server.rest_client().raw(
            "GET", "/api/v1/namespaces/default/pods", query={"resourceVersion": version}
        )
    assert refused.value.code == 400


async def test_a_scale_whose_spec_is_no_object(api_server: ApiServerInProcess) -> None:
    client = api_server.rest_client()
    await client.raw("POST", f"{APPS}/replicasets", body=replica_set())
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "r"}, "spec": "many"}
    with pytest.raises(StatusError) as refused:
        await client.raw("PUT", f"{APPS}/replicasets/r/scale", body=scale)
    assert refused.value.code == 400
