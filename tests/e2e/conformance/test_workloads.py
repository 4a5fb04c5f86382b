"""Deployments, replica sets, daemon sets, disruption budgets, taints and the choice of a node, with real pods."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e_support import IMAGE, KUBECTLS, Space, pod, until

pytestmark = pytest.mark.skipif(not KUBECTLS, reason="kubectl is not installed")

A = "[sig-apps] "
C = " [Conformance]"
PREDICATES = "[sig-scheduling] SchedulerPredicates [Serial] validates "
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


@pytest.mark.conformance(A + "Deployment deployment should delete old replica sets" + C)
def test_old_replica_sets_go(place: Space) -> None:
    place.apply(workload("Deployment", "forgets", revisionHistoryLimit=0))
    place.until_rolled_out("forgets")
    patch(place, "deployment", "forgets", to_version("v2"))
    place.until_rolled_out("forgets")
    until(lambda: len(sets_of(place, "forgets")) == 1)


@pytest.mark.conformance(A + "Deployment deployment should support rollover" + C)
def test_a_rollout_overtakes_another(place: Space) -> None:
    place.apply(workload("Deployment", "rollover", minReadySeconds=2))
    place.until_rolled_out("rollover")
    patch(place, "deployment", "rollover", to_version("v2"))
    until(lambda: "v2" in versions(place, "rollover"))
    patch(place, "deployment", "rollover", to_version("v3"))
    place.until_rolled_out("rollover")
    until(lambda: versions(place, "rollover") == ["v3"])
    assert sorted(s["spec"]["replicas"] for s in sets_of(place, "rollover")) == [0, 0, 1]


@pytest.mark.conformance(A + "Deployment deployment should support proportional scaling" + C)
def test_a_stuck_rollout_is_scaled_in_proportion(place: Space) -> None:
    """Ten replicas and a rollout that cannot go on (8 old, 5 new) become thirty: 20 and 13."""
    strategy = {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    place.apply(workload("Deployment", "scales", 10, strategy=strategy))
    place.until_rolled_out("scales")
    broken = to_version("v2")
    broken["spec"]["template"]["spec"]["containers"][0]["image"] = "pinnace.local/absent:404"
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Never"
    patch(place, "deployment", "scales", broken)

    def sizes() -> list[int]:
        return sorted(s["spec"]["replicas"] for s in sets_of(place, "scales"))

    until(lambda: sizes() == [5, 8])
    until(lambda: status(place, "deployment", "scales").get("observedGeneration", 0) >= 2)
    place.kubectl("scale", "deployment/scales", "--replicas=30")
    until(lambda: sizes() == [13, 20])
    place.kubectl("delete", "deployment", "scales", "--wait=false")


SCALES = [
    pytest.param("Deployment", marks=pytest.mark.conformance(A + "Deployment Deployment should have a working scale subresource" + C)),
    pytest.param("ReplicaSet", marks=pytest.mark.conformance(A + "ReplicaSet Replicaset should have a working scale subresource" + C)),
]  # fmt: skip


@pytest.mark.parametrize("kind", SCALES)
def test_the_scale_subresource(place: Space, kind: str) -> None:
    name = f"scale-{kind.lower()}"
    place.apply(workload(kind, name))
    path = f"/apis/apps/v1/namespaces/{place.name}/{kind.lower()}s/{name}/scale"
    scale = json.loads(place.out("get", "--raw", path))
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]  # the controller writes its status meanwhile
    place.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(scale))
    assert place.json("get", kind, name)["spec"]["replicas"] == 2
    patch(place, kind, name, {"spec": {"replicas": 4}}, "--subresource=scale")
    until(lambda: status(place, kind, name).get("readyReplicas") == 4)


STATUSES = [
    pytest.param("Deployment", marks=pytest.mark.conformance(A + "Deployment should validate Deployment Status endpoints" + C)),
    pytest.param("ReplicaSet", marks=pytest.mark.conformance(A + "ReplicaSet should validate Replicaset Status endpoints" + C)),
    pytest.param("DaemonSet", marks=pytest.mark.conformance(A + "Daemon set [Serial] should verify changes to a daemon set status" + C)),
]  # fmt: skip


@pytest.mark.parametrize("kind", STATUSES)
def test_the_status_subresource(place: Space, kind: str) -> None:
    """A condition is written and then patched through /status, where the controller leaves it alone."""
    name = f"status-{kind.lower()}"
    place.apply(workload(kind, name, None if kind == "DaemonSet" else 1))
    ready = "numberReady" if kind == "DaemonSet" else "readyReplicas"
    until(lambda: status(place, kind, name).get(ready) == 1)
    path = f"/apis/apps/v1/namespaces/{place.name}/{kind.lower()}s/{name}/status"

    def updated() -> bool:
        read = json.loads(place.out("get", "--raw", path))
        one = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from a test"}
        read["status"].setdefault("conditions", []).append(one)
        done = place.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(read), check=False)
        return done.returncode == 0 and "StatusUpdate" in done.stdout

    until(updated)
    change = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    answer = patch(place, kind, name, change, "--subresource=status")
    assert "StatusPatched" in {c["type"] for c in answer["status"]["conditions"]}


@pytest.mark.conformance(A + "Deployment should run the lifecycle of a Deployment" + C)
def test_the_life_of_a_deployment(place: Space) -> None:
    place.apply(workload("Deployment", "life"))
    place.until_rolled_out("life")
    patch(place, "deployment", "life", {"metadata": {"labels": {"life": "patched"}}, "spec": {"replicas": 2}})
    place.until_rolled_out("life")
    listed = place.cluster.json("get", "deployments", "--all-namespaces", "-l", "life=patched")["items"]
    assert [d["metadata"]["name"] for d in listed] == ["life"]
    assert listed[0]["status"]["readyReplicas"] == 2
    path = f"/apis/apps/v1/namespaces/{place.name}/deployments?labelSelector=life%3Dpatched"
    place.kubectl("delete", "--raw", path)
    until(lambda: place.kubectl("get", "deployment", "life", check=False).returncode == 1)
    until(lambda: not place.pods("app=life"))


@pytest.mark.conformance(A + "ReplicaSet should serve a basic image on each replica with a public image" + C)
def test_each_replica_answers(place: Space) -> None:
    body = workload("ReplicaSet", "serves", 2)
    body["spec"]["template"]["spec"]["containers"] = [
        {"name": "main", "image": IMAGE}
    ]  # its own command: a web server
    place.apply(body, quick("asks"))
    until(lambda: status(place, "replicaset", "serves").get("readyReplicas") == 2)
    place.until_ready("asks")
    for one in place.pods("app=serves"):
        url = f"http://{one['status']['podIP']}:8080/"
        until(lambda url=url: "Hello" in place.out("exec", "asks", "--", "wget", "-q", "-O-", url))


@pytest.mark.conformance(
    A + "ReplicaSet should adopt matching pods on creation and release no longer matching pods" + C
)
def test_pods_are_adopted_and_released(place: Space) -> None:
    place.apply(quick("adopted"))
    place.until_ready("adopted")
    place.apply(workload("ReplicaSet", "adopted"))

    def owners() -> list[str]:
        return [o["name"] for o in place.json("get", "pod", "adopted")["metadata"].get("ownerReferences", [])]

    until(lambda: owners() == ["adopted"])
    place.kubectl("label", "--overwrite", "pod", "adopted", "app=other")
    until(lambda: owners() == [])


@pytest.mark.conformance(A + "ReplicaSet Replace and Patch tests" + C)
def test_a_replica_set_is_replaced_and_patched(place: Space) -> None:
    place.apply(workload("ReplicaSet", "patched"))
    until(lambda: status(place, "replicaset", "patched").get("readyReplicas") == 1)
    place.kubectl("scale", "rs/patched", "--replicas=2")
    patch(
        place,
        "replicaset",
        "patched",
        {"metadata": {"labels": {"t": "patched"}}, "spec": {"replicas": 3, **to_version("v2")["spec"]}},
    )
    until(lambda: status(place, "replicaset", "patched").get("readyReplicas") == 3)
    assert place.json("get", "rs", "patched")["metadata"]["labels"]["t"] == "patched"


COLLECTIONS = [
    pytest.param("ReplicaSet", marks=pytest.mark.conformance(A + "ReplicaSet should list and delete a collection of ReplicaSets" + C)),
    pytest.param("DaemonSet", marks=pytest.mark.conformance(A + "Daemon set [Serial] should list and delete a collection of DaemonSets" + C)),
]  # fmt: skip


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_a_collection_goes_with_its_pods(place: Space, kind: str) -> None:
    name = f"coll-{kind.lower()}"
    place.apply(workload(kind, name, None if kind == "DaemonSet" else 2))
    until(lambda: versions(place, name))
    assert len(place.json("get", kind, "-l", f"app={name}")["items"]) == 1
    place.kubectl(
        "delete", "--raw", f"/apis/apps/v1/namespaces/{place.name}/{kind.lower()}s?labelSelector=app%3D{name}"
    )
    until(lambda: not place.json("get", kind, "-l", f"app={name}")["items"] and not place.pods(f"app={name}"))


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
    """The node, which is as it was afterwards."""
    name = place.json("get", "nodes")["items"][0]["metadata"]["name"]
    yield name
    place.kubectl("label", "node", name, "color-", "suite-", check=False)
    place.kubectl("taint", "node", name, "suite-", check=False)


@pytest.mark.conformance(D + "run and stop complex daemon" + C)
def test_a_daemon_follows_the_labels_of_the_node(place: Space, node: str) -> None:
    body = workload("DaemonSet", "coloured", None)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"color": "blue"}
    place.apply(body)
    until(lambda: status(place, "daemonset", "coloured").get("observedGeneration") == 1)
    assert place.pods("app=coloured") == []
    place.kubectl("label", "node", node, "color=blue")
    until(lambda: status(place, "daemonset", "coloured").get("numberReady") == 1)
    place.kubectl("label", "--overwrite", "node", node, "color=green")
    until(lambda: not place.pods("app=coloured"))
    patch(
        place, "daemonset", "coloured", {"spec": {"template": {"spec": {"nodeSelector": {"color": "green"}}}}}
    )
    until(lambda: status(place, "daemonset", "coloured").get("numberReady") == 1)
    place.kubectl("delete", "daemonset", "coloured")


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


B = A + "DisruptionController "


def budget(name: str, **spec: Any) -> Fields:
    body = {"selector": {"matchLabels": {"app": name}}, **spec}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "labels": {"t": name}},
        "spec": body,
    }


@pytest.mark.conformance(B + "should create a PodDisruptionBudget" + C)
def test_a_budget_is_made_changed_and_removed(place: Space) -> None:
    place.apply(budget("made", minAvailable="1%"))
    assert place.json("get", "pdb", "made")["spec"]["minAvailable"] == "1%"
    patch(place, "pdb", "made", {"spec": {"minAvailable": "2%"}})
    patch(place, "pdb", "made", {"spec": {"minAvailable": "3%"}}, "--type=merge")
    assert place.json("get", "pdb", "made")["spec"]["minAvailable"] == "3%"
    place.kubectl("delete", "pdb", "made")
    assert place.kubectl("get", "pdb", "made", check=False).returncode == 1


@pytest.mark.conformance(
    B
    + "Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets"
    + C
)
def test_a_collection_of_budgets_goes(place: Space) -> None:
    place.apply(budget("many-1", minAvailable=1), budget("many-2", minAvailable=1))
    place.kubectl("label", "pdb", "many-1", "many-2", "all=yes")
    found = place.cluster.json("get", "pdb", "--all-namespaces", "-l", "all=yes")["items"]
    assert {b["metadata"]["name"] for b in found} == {"many-1", "many-2"}
    place.kubectl(
        "delete",
        "--raw",
        f"/apis/policy/v1/namespaces/{place.name}/poddisruptionbudgets?labelSelector=all%3Dyes",
    )
    until(lambda: not place.json("get", "pdb", "-l", "all=yes")["items"])


@pytest.mark.conformance(B + "should observe PodDisruptionBudget status updated" + C)
def test_a_budget_counts_its_pods(place: Space) -> None:
    place.apply(budget("counted", minAvailable=1), workload("ReplicaSet", "counted", 3))
    until(lambda: status(place, "pdb", "counted").get("currentHealthy") == 3)
    found = status(place, "pdb", "counted")
    assert (found["disruptionsAllowed"], found["expectedPods"], found["desiredHealthy"]) == (2, 3, 1)


@pytest.mark.conformance(B + "should update/patch PodDisruptionBudget status" + C)
def test_the_status_of_a_budget(place: Space) -> None:
    place.apply(budget("stated", minAvailable=1), workload("ReplicaSet", "stated", 2))
    until(lambda: status(place, "pdb", "stated").get("disruptionsAllowed") == 1)
    path = f"/apis/policy/v1/namespaces/{place.name}/poddisruptionbudgets/stated/status"
    gone = {"other": "2026-01-02T03:04:05Z"}

    def updated() -> bool:
        read = json.loads(place.out("get", "--raw", path))
        read["status"]["disruptedPods"] = gone
        done = place.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(read), check=False)
        return done.returncode == 0 and json.loads(done.stdout)["status"]["disruptedPods"] == gone

    until(updated)
    answer = patch(
        place,
        "pdb",
        "stated",
        {"status": {"disruptedPods": {"other": None}}},
        "--subresource=status",
        "--type=merge",
    )
    assert not answer["status"].get("disruptedPods")


def evict(place: Space, name: str) -> str:
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": place.name},
    }
    path = f"/api/v1/namespaces/{place.name}/pods/{name}/eviction"
    return place.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False).stderr


@pytest.mark.conformance(B + "should block an eviction until the PDB is updated to allow it" + C)
def test_a_budget_blocks_an_eviction_until_it_is_changed(place: Space) -> None:
    place.apply(budget("guarded", minAvailable=3), workload("ReplicaSet", "guarded", 3))
    until(lambda: status(place, "pdb", "guarded").get("currentHealthy") == 3)
    victim = place.pods("app=guarded")[0]["metadata"]["name"]
    assert "Cannot evict pod as it would violate the pod's disruption budget" in evict(place, victim)
    patch(place, "pdb", "guarded", {"spec": {"minAvailable": 2}})
    until(lambda: evict(place, victim) == "")
    until(lambda: place.kubectl("get", "pod", victim, check=False).returncode == 1)


@pytest.mark.conformance(PREDICATES + "resource limits of pods that are allowed to run" + C)
def test_a_pod_that_is_too_big_waits(place: Space) -> None:
    cpu = int(place.json("get", "nodes")["items"][0]["status"]["allocatable"]["cpu"])
    place.apply(quick("filler", container={"resources": {"requests": {"cpu": f"{cpu * 1000 - 600}m"}}}))
    place.until_ready("filler")
    place.apply(quick("too-much", container={"resources": {"requests": {"cpu": "601m"}}}))
    unscheduled(place, "too-much", "Insufficient cpu")
    place.kubectl("delete", "pod", "filler", "too-much")


def unscheduled(place: Space, name: str, words: str) -> None:
    def told() -> bool:
        conditions = status(place, "pod", name).get("conditions", [])
        return any(
            c["type"] == "PodScheduled" and c["status"] == "False" and words in c["message"]
            for c in conditions
        )

    until(told)


@pytest.mark.conformance(PREDICATES + "that NodeSelector is respected if matching" + C)
def test_a_selector_that_matches(place: Space, node: str) -> None:
    place.kubectl("label", "node", node, "suite=42")
    place.apply(quick("selects", nodeSelector={"suite": "42"}))
    place.until_ready("selects")
    assert place.json("get", "pod", "selects")["spec"]["nodeName"] == node


@pytest.mark.conformance(PREDICATES + "that NodeSelector is respected if not matching" + C)
def test_a_selector_that_does_not_match(place: Space) -> None:
    place.apply(quick("picky", nodeSelector={"suite": "nonempty"}))
    unscheduled(place, "picky", "node(s) didn't match Pod's node affinity/selector")


@pytest.mark.conformance(
    PREDICATES
    + "that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP"
    + C
)
def test_a_host_port_on_all_addresses_is_taken_on_each(place: Space) -> None:
    def with_port(name: str, **more: Any) -> Fields:
        return quick(
            name, container={"ports": [{"containerPort": 8080, "hostPort": 54322, "protocol": "TCP", **more}]}
        )

    place.apply(with_port("port-all"))
    place.until_ready("port-all")
    place.apply(with_port("port-one", hostIP="127.0.0.1"))
    unscheduled(place, "port-one", "node(s) didn't have free ports for the requested pod ports")
    place.kubectl("delete", "pod", "port-all")
    place.until_ready("port-one")


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
    place.apply(tolerant("evicted-2", 2), tolerant("evicted-6", 6))
    for name in ("evicted-2", "evicted-6"):
        place.until_ready(name)
    begun = time.monotonic()
    place.kubectl("taint", "node", node, "suite=evict:NoExecute")
    gone = {}
    for name in ("evicted-2", "evicted-6"):
        until(lambda name=name: place.kubectl("get", "pod", name, check=False).returncode == 1, every=0.2)
        gone[name] = time.monotonic() - begun
    assert gone["evicted-2"] >= 2
    assert gone["evicted-6"] >= 6


@pytest.mark.conformance(TAINTS + "Single Pod [Serial] removing taint cancels eviction [Disruptive]" + C)
def test_a_taint_that_goes_in_time_evicts_nobody(place: Space, node: str) -> None:
    place.apply(tolerant("stays", 5))
    place.until_ready("stays")
    place.kubectl("taint", "node", node, "suite=evict:NoExecute")
    begun = time.monotonic()
    place.kubectl("taint", "node", node, "suite-")
    until(lambda: time.monotonic() - begun > 7)
    assert "deletionTimestamp" not in place.json("get", "pod", "stays")["metadata"]
