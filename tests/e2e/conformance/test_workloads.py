"""What of workloads shows only with real pods: replaced, restarted, answering, evicted. All else stands in tests/conformance."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e_support import IMAGE, Space, pod, until

A = "[sig-apps] "
C = " [Conformance]"
TAINTS = "[sig-node] NoExecuteTaintManager "
Fields = dict[str, Any]


def quick(name: str, **spec: Any) -> Fields:
    return pod(name, **{"terminationGracePeriodSeconds": 0, **spec})


def workload(kind: str, name: str, replicas: int | None = 1, version: str = "v1", **spec: Any) -> Fields:
    """Pods that sleep; another `version` is another template."""
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sleep", "3600"],
        "env": [{"name": "V", "value": version}],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    body = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    if replicas is not None:
        body["replicas"] = replicas
    metadata = {"name": name, "labels": {"app": name, "kind": "tested"}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": body}


def versions(place: Space, name: str) -> list[str]:
    """Of the pods that are not going."""
    pods = [p for p in place.pods(f"app={name}") if "deletionTimestamp" not in p["metadata"]]
    return sorted(p["spec"]["containers"][0]["env"][0]["value"] for p in pods)


def status(place: Space, kind: str, name: str) -> Fields:
    return place.json("get", kind, name)["status"]


def patch(place: Space, kind: str, name: str, body: Fields, *more: str) -> Fields:
    return json.loads(place.out("patch", kind, name, "-p", json.dumps(body), "-o", "json", *more))


def to_version(version: str) -> Fields:
    containers = [{"name": "main", "env": [{"name": "V", "value": version}]}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def sets_of(place: Space, name: str) -> list[Fields]:
    return place.json("get", "replicasets", "-l", f"app={name}")["items"]


@pytest.mark.conformance(
    A + "Deployment RollingUpdateDeployment should delete old pods and create new ones" + C
)
def test_a_rolling_update(place: Space) -> None:
    """The replica set with the pods that match is adopted, and then replaced."""
    place.apply(workload("ReplicaSet", "rolling"))
    until(lambda: status(place, "replicaset", "rolling").get("readyReplicas") == 1)
    place.apply(workload("Deployment", "rolling", version="v2"))
    place.until_rolled_out("rolling")
    until(lambda: versions(place, "rolling") == ["v2"])
    old, new = sorted(sets_of(place, "rolling"), key=lambda s: s["metadata"]["name"])
    assert old["metadata"]["name"] == "rolling"
    assert old["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 1)


@pytest.mark.conformance(A + "Deployment RecreateDeployment should delete old pods and create new ones" + C)
def test_recreate_never_runs_both(place: Space) -> None:
    place.apply(workload("Deployment", "recreate", strategy={"type": "Recreate"}))
    place.until_rolled_out("recreate")
    patch(place, "deployment", "recreate", to_version("v2"))
    seen = set()

    def replaced() -> bool:
        seen.add(tuple(versions(place, "recreate")))
        return ("v2",) in seen

    until(replaced, every=0.05)
    assert ("v1", "v2") not in seen
    place.until_rolled_out("recreate")


SERVE = "should serve a basic image on each replica with a public image"
SERVERS = [
    pytest.param("ReplicaSet", marks=pytest.mark.conformance(A + "ReplicaSet " + SERVE + C)),
    pytest.param(
        "ReplicationController", marks=pytest.mark.conformance(A + "ReplicationController " + SERVE + C)
    ),
]


@pytest.mark.parametrize("kind", SERVERS)
def test_each_replica_answers(place: Space, kind: str) -> None:
    name = f"serves-{kind.lower()}"
    body = workload(kind, name, 2)
    if kind == "ReplicationController":
        body |= {"apiVersion": "v1"}
        body["spec"]["selector"] = {"app": name}
    body["spec"]["template"]["spec"]["containers"] = [
        {"name": "main", "image": IMAGE}
    ]  # its own command: a web server
    place.apply(body, quick("asks"))
    until(lambda: status(place, kind, name).get("readyReplicas") == 2)
    place.until_ready("asks")
    for one in place.pods(f"app={name}"):
        url = f"http://{one['status']['podIP']}:8080/"
        until(lambda url=url: "Hello" in place.out("exec", "asks", "--", "wget", "-q", "-O-", url))


D = A + "Daemon set [Serial] should "


@pytest.mark.conformance(D + "run and stop simple daemon" + C, D + "retry creating failed daemon pods" + C)
def test_a_daemon_comes_back(place: Space) -> None:
    """After it was deleted, and after it failed."""
    place.apply(workload("DaemonSet", "daemon", None))
    until(lambda: status(place, "daemonset", "daemon").get("numberReady") == 1)

    def replaced(uid: str) -> bool:
        return [p["metadata"]["uid"] for p in place.pods("app=daemon") if p["metadata"]["uid"] != uid] != []

    (first,) = place.pods("app=daemon")
    place.kubectl("delete", "pod", first["metadata"]["name"])
    until(lambda: replaced(first["metadata"]["uid"]))
    until(lambda: status(place, "daemonset", "daemon").get("numberReady") == 1)
    (second,) = place.pods("app=daemon")
    patch(place, "pod", second["metadata"]["name"], {"status": {"phase": "Failed"}}, "--subresource=status")
    until(lambda: replaced(second["metadata"]["uid"]))
    place.kubectl("delete", "daemonset", "daemon")
    until(lambda: not place.pods("app=daemon"))


@pytest.fixture
def node(place: Space) -> Iterator[str]:
    """The node, which has no taint afterwards."""
    name = place.json("get", "nodes")["items"][0]["metadata"]["name"]
    yield name
    place.kubectl("taint", "node", name, "suite-", check=False)


@pytest.mark.conformance(
    D + "update pod when spec was updated and update strategy is RollingUpdate" + C,
    D + "rollback without unnecessary restarts" + C,
)
def test_a_daemon_is_updated_and_rolled_back(place: Space) -> None:
    """The update that is rolled back cannot start, so the daemon that went is the only one that comes again."""
    place.apply(workload("DaemonSet", "rolls", None))
    until(lambda: status(place, "daemonset", "rolls").get("numberReady") == 1)
    patch(place, "daemonset", "rolls", to_version("v2"))
    until(
        lambda: (
            versions(place, "rolls") == ["v2"] and status(place, "daemonset", "rolls").get("numberReady") == 1
        )
    )
    broken = to_version("v3")
    broken["spec"]["template"]["spec"]["containers"][0] |= {
        "image": "pinnace.local/absent:404",
        "imagePullPolicy": "Never",
    }
    patch(place, "daemonset", "rolls", broken)
    until(lambda: versions(place, "rolls") == ["v3"])
    place.kubectl("rollout", "undo", "daemonset/rolls")
    until(
        lambda: (
            versions(place, "rolls") == ["v2"] and status(place, "daemonset", "rolls").get("numberReady") == 1
        )
    )
    (one,) = place.pods("app=rolls")
    assert one["status"]["containerStatuses"][0]["restartCount"] == 0
    place.kubectl("delete", "daemonset", "rolls")


def tolerant(name: str, seconds: int) -> Fields:
    toleration = {
        "key": "suite",
        "operator": "Equal",
        "value": "evict",
        "effect": "NoExecute",
        "tolerationSeconds": seconds,
    }
    return quick(name, tolerations=[toleration])


@pytest.mark.conformance(
    TAINTS + "Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]" + C
)
def test_a_taint_evicts_each_pod_after_its_time(place: Space, node: str) -> None:
    place.apply(tolerant("evicted-1", 1), tolerant("evicted-3", 3))
    for name in ("evicted-1", "evicted-3"):
        place.until_ready(name)
    begun = time.monotonic()
    place.kubectl("taint", "node", node, "suite=evict:NoExecute")
    gone = {}
    for name in ("evicted-1", "evicted-3"):
        until(lambda name=name: place.kubectl("get", "pod", name, check=False).returncode == 1, every=0.2)
        gone[name] = time.monotonic() - begun
    assert gone["evicted-1"] >= 1
    assert gone["evicted-3"] >= 3
