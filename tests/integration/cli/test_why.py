"""`pinnace why` on a whole simulated cluster: each scene breaks one thing, and the report is compared with the one in `why/`.

`PINNACE_WRITE_GOLDEN=1` writes the reports anew, to be read before they are committed.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.cli import clock as cli_clock
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.main import main
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
GOLDEN = Path(__file__).parent / "why"
Why = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def why(
    simulated_cluster: SimulatedCluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Why:
    """Runs `pinnace why WORDS`: exit code and output."""
    monkeypatch.setenv("KUBECONFIG", str(simulated_cluster.api.kubeconfig()))
    monkeypatch.setattr(cli_clock, "now", lambda: simulated_cluster.clock.now().timestamp())

    async def run(*words: str) -> tuple[int, str]:
        line = ["why", *words, "--cache-dir", str(tmp_path / "cache")]
        code = await asyncio.to_thread(main, line)
        out, err = capsys.readouterr()
        return code, out + err

    return run


def compare(name: str, text: str) -> None:
    text = re.sub(r"\b(web|db|agents|work)-[a-z0-9]{5,10}(-[a-z0-9]{5})?\b", r"\1-HASH", text)
    text = re.sub(r"\bsim-\d\b", "NODE", text)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("PINNACE_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def workload(
    kind: str = "Deployment", replicas: int = 2, labels: dict[str, str] | None = None, **pod: Any
) -> Object:
    labels = labels or {"app": "web"}
    spec = {"containers": [{"name": "main", "image": "x"}], **pod}
    made = {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": labels["app"]},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": labels["app"]}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }  # fmt: skip
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = "db"  # type: ignore[index]
    return made


def asking(**requests: str) -> list[Object]:
    return [{"name": "main", "image": "x", "resources": {"requests": requests}}]


async def pending(cluster: SimulatedCluster, text: str = "") -> bool:
    found = await cluster.list(r.PODS)
    return bool(found) and all(
        any(c["type"] == "PodScheduled" and c["status"] == "False" and text in c["message"] for c in (pod.get("status") or {}).get("conditions") or ())
        for pod in found
    )  # fmt: skip


async def test_a_healthy_deployment(simulated_cluster: SimulatedCluster, why: Why) -> None:
    await simulated_cluster.create(workload())
    await simulated_cluster.until(lambda: simulated_cluster.is_rolled_out("web"))
    code, text = await why("deployment/web")
    assert code == 0
    compare("healthy", text)
    code, text = await why()
    assert (code, text[:40]) == (0, "Nothing that is looked for is wrong (loo"), text


async def test_more_cpu_than_any_node_has(simulated_cluster: SimulatedCluster, why: Why) -> None:
    await simulated_cluster.create(workload(containers=asking(cpu="64")))
    await simulated_cluster.until(lambda: pending(simulated_cluster))
    code, text = await why("deployment", "web")
    assert code == 2
    compare("too-large", text)


async def test_less_memory_left_than_asked_for(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(containers=asking(memory="200Gi")))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.create(workload(replicas=1, labels={"app": "db"}, containers=asking(memory="100Gi")))
    await cluster.until(lambda: failed_to_schedule(cluster, "db"))
    code, text = await why("deploy/db")
    assert code == 2
    compare("no-memory-left", text)


async def failed_to_schedule(cluster: SimulatedCluster, app: str) -> bool:
    found = [pod for pod in await cluster.list(r.PODS) if pod["metadata"]["labels"]["app"] == app]
    return any(c["type"] == "PodScheduled" and c["status"] == "False" for pod in found for c in (pod.get("status") or {}).get("conditions") or ())  # fmt: skip


async def test_taints_and_a_label_that_no_node_has(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    nodes = await cluster.list(r.NODES)
    for node in nodes:
        patch = {"spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}, "metadata": {"labels": {"disk": "hdd"}}}  # fmt: skip
        await cluster.client.patch(r.NODES, node["metadata"]["name"], patch)
    await cluster.create(workload(replicas=1))
    await cluster.until(lambda: failed_to_schedule(cluster, "web"))
    compare("tainted", (await why("deploy/web"))[1])
    await cluster.create(workload(replicas=1, labels={"app": "db"}, nodeSelector={"disk": "sdd"}))
    await cluster.until(lambda: failed_to_schedule(cluster, "db"))
    compare("selector", (await why("deploy/db"))[1])


async def test_a_quota_and_a_missing_service_account(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": "1"}},
    }
    await cluster.create(quota)
    await cluster.until(lambda: has_status(cluster, r.RESOURCE_QUOTAS, "few"))
    await cluster.create(workload())
    await cluster.until(lambda: events_say(cluster, "exceeded quota"))
    compare("quota", (await why("deploy/web"))[1])
    await cluster.client.delete(r.RESOURCE_QUOTAS, "few", "default")
    await cluster.create(workload(labels={"app": "db"}, serviceAccountName="nobody"))
    await cluster.until(lambda: events_say(cluster, "nobody"))
    compare("account", (await why("deploy/db"))[1])


async def has_status(cluster: SimulatedCluster, resource: Any, name: str) -> bool:
    return bool((await cluster.get(resource, name)).get("status"))


async def events_say(cluster: SimulatedCluster, text: str) -> bool:
    return any(text in (event.get("message") or "") for event in await cluster.list(r.EVENTS))


async def test_a_crashing_container(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(
        lambda _: Behaviour(runs=(Run(seconds=1, exit_code=127, message="sh: serve: not found"),))
    )
    await cluster.create(workload())

    async def crashing() -> bool:
        found = await cluster.list(r.PODS)
        return bool(found) and all(
            (s.get("state") or {}).get("waiting", {}).get("reason") == "CrashLoopBackOff" and s["restartCount"] == 2
            for pod in found for s in pod["status"].get("containerStatuses") or [{"restartCount": 0}]
        )  # fmt: skip

    await cluster.until(crashing)
    code, text = await why("deploy/web")
    assert code == 2
    compare("crash", text)


async def test_a_service_whose_selector_differs_by_one(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    ports = [{"name": "main", "image": "x", "ports": [{"name": "web", "containerPort": 80}]}]
    await cluster.create(workload(labels={"app": "web", "tier": "front"}, containers=ports))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"selector": {"app": "web", "tier": "frontend"}, "ports": [{"port": 80, "targetPort": "http"}]}}  # fmt: skip
    await cluster.create(service)
    code, text = await why("service", "web")
    assert code == 2
    compare("service-selector", text)
    await cluster.client.patch(r.SERVICES, "web", {"spec": {"selector": {"tier": "front"}}}, "default")
    compare("service-port", (await why("service", "web"))[1])


async def test_an_ingress_without_its_parts(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    backend = {"service": {"name": "web", "port": {"number": 8080}}}
    await cluster.create({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"ingressClassName": "traefik", "tls": [{"secretName": "cert"}], "defaultBackend": {"service": {"name": "gone", "port": {"number": 80}}},
                 "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
    })  # fmt: skip
    await cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})  # fmt: skip
    compare("ingress", (await why("ingress/web"))[1])


async def test_claims_that_stay_pending(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster

    def claim(name: str, **spec: Any) -> Object:
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, **spec}}  # fmt: skip

    await cluster.create(claim("plain"))
    await cluster.create(claim("gold", storageClassName="gold"))
    await cluster.create(claim("none", storageClassName=""))
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "small"},
              "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}  # fmt: skip
    await cluster.create(volume)
    mount = [{"name": "data", "persistentVolumeClaim": {"claimName": "gold"}}]
    await cluster.create(workload(replicas=1, volumes=mount))
    await cluster.until(lambda: failed_to_schedule(cluster, "web"))
    compare("claim-of-a-pod", (await why("deploy/web"))[1])
    compare("claims", (await why("pvc", "plain", "none"))[1])


async def test_a_silent_node_and_a_pod_that_cannot_end(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(replicas=1))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    (pod,) = await cluster.list(r.PODS)
    node = pod["spec"]["nodeName"]
    cluster.nodes.silence(node)
    await cluster.advance(100)
    compare("node", (await why("node", node))[1])
    await cluster.client.delete(r.PODS, pod["metadata"]["name"], "default")
    await cluster.advance(60)
    text = (await why("pod", pod["metadata"]["name"]))[1]
    compare("terminating", re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", text))


async def test_a_namespace_that_does_not_go(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    await cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "shop", "finalizers": ["example.org/hold"]}})  # fmt: skip
    await cluster.client.delete(r.NAMESPACES, "shop")
    await cluster.advance(10)
    code, text = await why("ns/shop")
    assert code == 2
    compare("namespace", text)


async def test_the_whole_cluster_as_json(simulated_cluster: SimulatedCluster, why: Why) -> None:
    cluster = simulated_cluster
    await cluster.create(workload(containers=asking(cpu="64")))
    await cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lost"}, "spec": {"selector": {"app": "none"}, "ports": [{"port": 80}]}})  # fmt: skip
    await cluster.until(lambda: pending(cluster))
    code, text = await why("-o", "json")
    found = json.loads(text)
    assert (code, found["healthy"], found["unread"]) == (2, False, {})
    causes = {
        (one["rule"], one["object"]["kind"]) for one in found["findings"] if one["certainty"] == "cause"
    }
    assert causes == {("unschedulable", "Pod"), ("service-endpoints", "Service")}
    alike = next(one["cause"] for one in found["findings"] if one["rule"] == "unschedulable")
    assert "it fits if it asks for at most 32 (and 1 more alike: web-" in alike
    assert (await why("-n", "kube-system"))[0] == 0


async def test_errors_are_kubectls(simulated_cluster: SimulatedCluster, why: Why) -> None:
    assert simulated_cluster.api.url
    assert await why("pod", "nope") == (1, 'Error from server (NotFound): pods "nope" not found\n')
    assert await why("nope", "x") == (1, 'error: the server doesn\'t have a resource type "nope"\n')
    code, text = await why("pod")
    assert (code, text) == (1, "error: resource(s) were provided, but no name was specified\n")
    code, text = await why("-o", "yaml")
    assert code == 1
    assert "allowed formats are: json" in text
    code, text = await why("--as", "nobody")
    assert code == 1
    assert text.startswith("Nothing could be looked at.\n")
    assert 'User "nobody" cannot list resource "nodes"' in text


@pytest.mark.usefixtures("why")  # the cluster's kubeconfig and time
async def test_trace_shows_a_deployment_with_its_pods(
    simulated_cluster: SimulatedCluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """On a cluster that records no spans: from what the API keeps."""
    monkeypatch.setattr(ClusterReader, "spans", lambda *_, **__: None)
    await simulated_cluster.create(workload(replicas=1))
    await simulated_cluster.until(lambda: simulated_cluster.is_rolled_out("web"))

    async def trace(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["trace", *words, "--cache-dir", str(tmp_path / "cache")])
        out, err = capsys.readouterr()
        return code, out + err

    code, text = await trace("deployment/web")
    assert code == 0
    compare("trace", re.sub(r"^\S+ \S+ \S+", "WHEN", re.sub(" +", " ", text), flags=re.MULTILINE))
    (pod,) = await simulated_cluster.list(r.PODS)
    assert await trace("pod", pod["metadata"]["name"]) == (0, text)
    assert await trace("pod", "nope") == (1, 'Error from server (NotFound): pods "nope" not found\n')
