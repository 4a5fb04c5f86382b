"""Go reads our protobuf: kubectl's typed commands (1.32 and later) must show what the untyped ones read in JSON."""

import asyncio
import json
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

from .conftest import Kubectl

TYPED = "application/vnd.kubernetes.protobuf"
WHOLE = ("-o", "json", "--show-managed-fields")
COMMANDS = (
    "deployment web --image=a --image=b --replicas=3 --port=80",
    "configmap c --from-literal=k=v --from-literal=empty=",
    "secret generic s --from-literal=k=v",
    "service nodeport n --tcp=80:8080 --tcp=81:http",
    "ingress i --rule=example.com/path*=n:80,tls=cert --default-backend=n:80",
    "poddisruptionbudget p --selector=app=web --min-available=50%",
    "role r --verb=get,list --resource=pods --resource-name=a",
    "rolebinding rb --role=r --user=jane --serviceaccount=default:x",
    "clusterrole cr --verb=get --non-resource-url=/metrics",
    "clusterrolebinding crb --clusterrole=cr --group=g",
    "serviceaccount robot",
)
POD: dict[str, Any] = {
    "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "rich", "annotations": {"note": "ä"}},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "conf", "configMap": {"name": "c", "defaultMode": 256, "optional": True}},
        ],
        "containers": [{
            "name": "main", "image": "busybox:1", "command": ["sh", "-c", "sleep 1"],
            "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "livenessProbe": {"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 7},
            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp/x", "readOnly": True}],
            "ports": [{"name": "web", "containerPort": 8080}],
        }],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    },
}  # fmt: skip
DESCRIBED = (
    "note: ä", "SizeLimit:  1Gi", "Name:      c", "Optional:  true", "memory:  128Mi", "cpu:     250m", "busybox:1",
    "http-get http://:web/ok delay=0s timeout=1s period=7s #success=1 #failure=3", "NODE:   (v1:spec.nodeName)",
    "/tmp/x from scratch (ro)", "gpu:NoExecute op=Exists for 30s", "Burstable",
)  # fmt: skip


def without_empty(value: Any) -> Any:
    """Go's types show zero values where JSON has nothing."""
    if isinstance(value, dict):
        pruned = {key: without_empty(entry) for key, entry in value.items()}
        return {key: entry for key, entry in pruned.items() if entry not in ({}, [], None)}
    return [without_empty(entry) for entry in value] if isinstance(value, list) else value


async def require_typed(kubectl: Kubectl) -> None:
    seen = await kubectl("create", "configmap", "probe", "-v=9")
    if TYPED not in seen.err:
        pytest.skip("this kubectl asks for JSON")


@pytest.mark.slow
async def test_what_go_decodes_is_what_is_stored(kubectl: Kubectl) -> None:
    await require_typed(kubectl)
    for command in COMMANDS:
        typed = json.loads((await kubectl("create", *command.split(), *WHOLE)).out)
        stored = json.loads((await kubectl("get", typed["kind"], typed["metadata"]["name"], *WHOLE)).out)
        assert without_empty(typed) == without_empty(stored), command
    token = (await kubectl("create", "token", "robot")).out
    assert token.count(".") == 2
    assert (await kubectl("auth", "can-i", "get", "pods")).out == "yes\n"


async def test_errors_reach_go_in_protobuf(kubectl: Kubectl) -> None:
    await require_typed(kubectl)
    failed = await kubectl("create", "configmap", "probe", code=1)
    assert 'configmaps "probe" already exists' in failed.err


async def test_a_rich_pod_described(api_server: ApiServerInProcess, kubectl: Kubectl) -> None:
    await require_typed(kubectl)
    await api_server.local_client().create(r.PODS, POD, "default")
    described = (await kubectl("describe", "pod", "rich")).out
    assert [text for text in DESCRIBED if text not in described] == [], described


async def test_an_informer_of_go_lists_and_watches(api_server: ApiServerInProcess, kubectl: Kubectl) -> None:
    """`run --attach` waits for its pod with a typed informer, and fails when it does not see the pod end in time."""
    await require_typed(kubectl)
    arguments = ("run", "job", "--image=i", "--attach", "--restart=Never", "--pod-running-timeout=20s")
    waiting = asyncio.create_task(kubectl(*arguments))
    client = api_server.local_client()
    watchers = api_server.server.services.registries.of(r.PODS).storage.cache.watchers
    before = len(watchers)
    await eventually(lambda: len(watchers) > before, within=60)
    for phase in ("Pending", "Succeeded"):
        await client.patch(r.PODS, "job", {"status": {"phase": phase}}, "default", subresource="status")
    assert "timed out" not in (await waiting).err
