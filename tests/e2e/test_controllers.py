"""Controllers and scheduler with real containers: StatefulSets on volumes, preemption, autoscaling by real usage, mirrored endpoints."""

import json
from typing import Any

from e2e_support import IMAGE, Space, deployment, pod, service, until


def stateful_set(name: str, replicas: int, command: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "main", "image": IMAGE, "command": ["sh", "-c", f"trap 'exit 0' TERM; {command}; sleep 3600 & wait $!"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }  # fmt: skip
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name},
        "spec": {
            "serviceName": name, "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}], **spec,
        },
    }  # fmt: skip


def test_a_stateful_set_keeps_names_and_data(space: Space) -> None:
    space.apply(service("db", clusterIP="None"), stateful_set("db", 2, "echo $(hostname) >> /data/starts"))
    space.kubectl("rollout", "status", "sts/db", "--timeout=60s")
    first, second = space.pods("app=db")
    assert [first["metadata"]["name"], second["metadata"]["name"]] == ["db-0", "db-1"]
    assert first["metadata"]["creationTimestamp"] <= second["metadata"]["creationTimestamp"]
    looked_up = space.out("exec", "db-0", "--", "nslookup", f"db-1.db.{space.name}.svc.cluster.local")
    assert second["status"]["podIP"] in looked_up
    space.kubectl("rollout", "restart", "sts/db")
    space.kubectl("rollout", "status", "sts/db", "--timeout=60s")
    space.kubectl("scale", "sts/db", "--replicas=1")
    space.kubectl("wait", "--for=delete", "pod/db-1", "--timeout=30s")
    space.kubectl("scale", "sts/db", "--replicas=2")
    space.kubectl("rollout", "status", "sts/db", "--timeout=60s")
    until(lambda: space.out("exec", "db-1", "--", "cat", "/data/starts") == "db-1\n" * 3)
    assert space.out("exec", "db-0", "--", "cat", "/data/starts") == "db-0\n" * 2
    space.kubectl("delete", "sts/db")
    until(lambda: not space.pods("app=db"))
    claims = space.json("get", "pvc")["items"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data-db-0", "data-db-1"]
    assert {claim["spec"]["storageClassName"] for claim in claims} == {"local-path"}


def test_an_urgent_pod_takes_the_place_of_a_lesser_one_that_ends_in_its_own_time(space: Space) -> None:
    classes = {"lesser": -20, "urgent": -10}  # below all other pods of the cluster: none of those may go
    for name, value in classes.items():
        space.kubectl("create", "priorityclass", f"{space.name}-{name}", f"--value={value}")
    try:
        _preempt(space)
    finally:
        for name in classes:
            space.kubectl("delete", "priorityclass", f"{space.name}-{name}")


def _preempt(space: Space) -> None:
    cores = int(space.json("get", "nodes")["items"][0]["status"]["allocatable"]["cpu"])
    much = {"resources": {"requests": {"cpu": f"{cores * 600}m"}}}
    farewell = "trap 'echo bye > /dev/termination-log; exit 0' TERM; sleep 3600 & wait $!"
    container = {"command": ["sh", "-c", farewell], **much}
    lesser = pod("lesser", priorityClassName=f"{space.name}-lesser", container=container)
    lesser["metadata"]["finalizers"] = ["example.com/look"]  # so that its end can be seen
    space.apply(lesser)
    space.until_ready("lesser")
    space.apply(pod("urgent", priorityClassName=f"{space.name}-urgent", container=much))
    space.until_ready("urgent")
    status = space.json("get", "pod", "lesser")["status"]
    (ended,) = status["containerStatuses"]
    assert (ended["state"]["terminated"]["exitCode"], ended["state"]["terminated"]["message"]) == (0, "bye\n")
    (target,) = [one for one in status["conditions"] if one["type"] == "DisruptionTarget"]
    assert target["reason"] == "PreemptionByScheduler"
    assert "Preempted" in space.out("get", "events", "--field-selector=involvedObject.name=lesser")
    explained = json.loads(space.out("get", "--raw", f"/debug/scheduler/decisions/{space.name}/urgent"))
    assert (explained["result"], explained["attempt"] > 1) == ("scheduled", True)
    space.kubectl("patch", "pod", "lesser", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_an_autoscaler_follows_what_containers_really_use(space: Space) -> None:
    busy = deployment("busy", command="while :; do :; done")
    limits = {"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}}
    busy["spec"]["template"]["spec"]["containers"][0]["resources"] = limits
    space.apply(busy)
    until(lambda: space.out("top", "pods", "--no-headers"))  # the first reading
    # A fifth, because on a busy machine the container gets little more than that.
    space.kubectl("autoscale", "deployment", "busy", "--cpu-percent=20", "--min=1", "--max=2")
    until(lambda: space.json("get", "deployment", "busy")["status"].get("readyReplicas") == 2, 60)
    described = space.out("describe", "hpa", "busy")
    assert "New size: 2; reason: cpu resource utilization (percentage of request) above target" in described
    assert "ScalingActive   True    ValidMetricFound" in described


def test_a_service_without_selector_reaches_what_its_endpoints_say(space: Space) -> None:
    space.apply(deployment("web"))
    space.until_rolled_out("web")
    address = space.pods("app=web")[0]["status"]["podIP"]
    port = {"name": "http", "port": 80, "targetPort": 8080}
    endpoints = {
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "elsewhere"},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "http", "port": 8080}]}],
    }  # fmt: skip
    without = service("elsewhere", ports=[port])
    del without["spec"]["selector"]
    space.apply(without, endpoints)
    mirrored = "endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io"
    until(lambda: address in space.out("get", "endpointslices", "-l", mirrored))
    until(lambda: "Hello" in space.out("exec", "deploy/web", "--", "wget", "-q", "-O-", "http://elsewhere/"))
