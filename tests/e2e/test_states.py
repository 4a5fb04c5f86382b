"""Every state of nodes and pods that the field knows, made real, shown by `get` and explained by `describe`."""

import json
import os
import secrets
import signal
import time

import pytest

from e2e_support import IMAGE, Space, TestCluster, pod, until


def described(space: Space, name: str, *words: str, within: float = 60.0) -> None:
    def look() -> bool:
        text = space.out("describe", "pod", name)
        missing = [word for word in words if word not in text]
        assert not missing, f"{missing} not in:\n{text}"
        return True

    until(look, within)


def container_status(space: Space, name: str) -> dict:
    return space.json("get", "pod", name)["status"]["containerStatuses"][0]


def test_running_and_terminating(space: Space) -> None:
    slow = pod("slow", "sleep 3600", terminationGracePeriodSeconds=30)
    slow["spec"]["containers"][0]["command"] = ["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]
    space.apply(slow)
    space.until_status("slow", "Running")
    described(
        space,
        "slow",
        "Container created",
        "Container started",
        f'Container image "{IMAGE}" already present on machine and can be accessed by the pod',
    )
    space.kubectl("delete", "pod", "slow", "--wait=false", "--grace-period=5")
    space.until_status("slow", "Terminating")
    described(space, "slow", "Stopping container main")
    until(lambda: space.kubectl("get", "pod", "slow", check=False).returncode == 1, within=60)


def test_pending_because_nothing_fits(space: Space) -> None:
    space.apply(pod("huge", container={"resources": {"requests": {"cpu": "500"}}}))
    space.until_status("huge", "Pending")
    described(space, "huge", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu.")
    space.apply(pod("picky", nodeSelector={"disk": "none"}))
    described(space, "picky", "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
    assert space.kubectl("describe", "pod", "picky").returncode == 0


def test_container_creating_while_a_volume_is_missing(space: Space) -> None:
    volume = {"name": "v", "configMap": {"name": "later"}}
    space.apply(
        pod("waits", volumes=[volume], container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    )
    space.until_status("waits", "ContainerCreating")
    described(
        space, "waits", "FailedMount", 'MountVolume.SetUp failed for volume "v" : configmap "later" not found'
    )
    space.kubectl("create", "configmap", "later", "--from-literal=k=1")
    space.until_status("waits", "Running", within=150)


def test_invalid_image_name(space: Space) -> None:
    space.apply(pod("bad", container={"image": "Not/A:valid:name"}))
    space.until_status("bad", "InvalidImageName")
    described(space, "bad", "InspectFailed", "Failed to apply default image tag")


def test_err_image_pull_and_back_off(space: Space) -> None:
    space.apply(pod("nopull", container={"image": "127.0.0.1:1/none:1"}))
    seen: set[str] = set()

    def both() -> bool:
        seen.add(space.status_column("nopull"))
        return {"ErrImagePull", "ImagePullBackOff"} <= seen

    until(both, within=60, every=0.05)
    described(
        space,
        "nopull",
        'Failed to pull image "127.0.0.1:1/none:1"',
        'Back-off pulling image "127.0.0.1:1/none:1"',
    )


def test_image_never_pulled(space: Space) -> None:
    space.apply(pod("never", container={"image": "pinnace.local/absent:1", "imagePullPolicy": "Never"}))
    space.until_status("never", "ErrImageNeverPull")
    described(
        space, "never", 'Container image "pinnace.local/absent:1" is not present with pull policy of Never'
    )


def test_create_container_config_error_and_its_end(space: Space) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "x"}}}]
    space.apply(pod("unset", container={"env": env}))
    space.until_status("unset", "CreateContainerConfigError")
    described(space, "unset", 'Error: configmap "settings" not found')
    space.kubectl("create", "configmap", "settings", "--from-literal=y=1")
    described(space, "unset", f"couldn't find key x in ConfigMap {space.name}/settings", within=60)
    space.kubectl("patch", "configmap", "settings", "-p", '{"data":{"x":"2"}}')
    space.until_status("unset", "Running", within=90)


def test_crash_loop_with_back_off(space: Space) -> None:
    space.apply(pod("crash", "exit 1"))
    space.until_status("crash", "CrashLoopBackOff", within=60)
    described(space, "crash", "Back-off restarting failed container main in pod crash")

    def message() -> str:
        return container_status(space, "crash")["state"].get("waiting", {}).get("message", "")

    until(
        lambda: message().startswith("back-off 2s restarting failed container=main")
    )  # as the cluster is told
    until(lambda: container_status(space, "crash")["restartCount"] >= 2)
    assert container_status(space, "crash")["lastState"]["terminated"]["exitCode"] == 1


def test_oom_killed(space: Space) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    eat = "a=x; while true; do a=$a$a; done"
    space.apply(pod("hungry", eat, restartPolicy="Never", container=limits))
    space.until_status("hungry", "OOMKilled", within=60)
    state = container_status(space, "hungry")["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_completed_and_error(space: Space) -> None:
    space.apply(pod("fine", "exit 0", restartPolicy="Never"), pod("sad", "exit 4", restartPolicy="Never"))
    space.until_status("fine", "Completed")
    space.until_status("sad", "Error")
    assert space.json("get", "pod", "fine")["status"]["phase"] == "Succeeded"
    assert space.json("get", "pod", "sad")["status"]["phase"] == "Failed"


def test_init_containers_run_in_order(space: Space) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    inits = [
        {
            "name": f"i{n}",
            "image": IMAGE,
            "command": ["sh", "-c", f"echo i{n} >> /v/log; sleep 1"],
            "volumeMounts": mounts,
        }
        for n in (1, 2)
    ]
    space.apply(
        pod(
            "staged",
            initContainers=inits,
            volumes=[{"name": "v", "emptyDir": {}}],
            container={"volumeMounts": mounts},
        )
    )
    seen: set[str] = set()

    def running() -> bool:
        seen.add(space.status_column("staged"))
        return "Running" in seen

    until(running, every=0.05)
    assert seen & {"Init:0/2", "Init:1/2"}
    space.until_ready("staged")
    assert space.out("exec", "staged", "--", "cat", "/v/log").split() == ["i1", "i2"]


def test_liveness_failure_restarts_and_readiness_failure_takes_out(space: Space) -> None:
    probes = {
        "livenessProbe": {
            "exec": {"command": ["cat", "/tmp/alive"]},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
        "readinessProbe": {
            "exec": {"command": ["cat", "/tmp/ready"]},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
    }
    space.apply(
        pod("probed", "touch /tmp/alive; sleep 3600", container=probes, terminationGracePeriodSeconds=1)
    )
    space.until_status("probed", "Running")
    described(
        space, "probed", "Readiness probe failed: cat: can't open '/tmp/ready': No such file or directory"
    )
    space.kubectl("exec", "probed", "--", "touch", "/tmp/ready")
    space.until_ready("probed")
    space.kubectl("exec", "probed", "--", "rm", "/tmp/alive")
    until(lambda: container_status(space, "probed")["restartCount"] == 1)
    described(
        space, "probed", "Liveness probe failed:", "Container main failed liveness probe, will be restarted"
    )


def test_evicted_under_node_pressure(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A threshold that this machine cannot meet puts the node under pressure at once."""
    other = TestCluster(
        f"e2eevict{secrets.token_hex(2)}",
        tmp_path_factory.mktemp("evict"),
        (
            "--port=0",
            "--kubelet-port=0",
            "--disable-ingress",
            "--disable-dns",
            "--eviction-hard=memory.available<1000Ti",
        ),
    )
    try:
        other.up("--no-wait")
        until(
            lambda: (
                "True"
                in other.out(
                    "get",
                    "node",
                    "-o",
                    "jsonpath={.items[0].status.conditions[?(@.type=='MemoryPressure')].status}",
                )
            ),
            within=60,
        )
        assert "memory-pressure" in until(
            lambda: other.out("get", "node", "-o", "jsonpath={.items[0].spec.taints[*].key}")
        )
        tolerant = pod(
            "doomed",
            tolerations=[{"operator": "Exists"}],
            nodeName=other.json("get", "nodes")["items"][0]["metadata"]["name"],
        )
        from e2e.conftest import load_demo_image  # noqa: F401

        other.apply(tolerant)
        until(lambda: other.out("get", "pod", "doomed", "--no-headers").split()[2] == "Evicted", within=60)
        text = other.out("describe", "pod", "doomed")
        assert "low on resource: memory" in text or "The node had condition: [MemoryPressure]" in text
    finally:
        other.down("--purge")


def node_status(cluster: TestCluster) -> str:
    return cluster.out("get", "nodes", "--no-headers").split()[1]


@pytest.mark.full  # a runtime that hangs is noticed after half a minute; unit tests of the kubelet state what follows
def test_node_not_ready_when_the_runtime_is_gone(cluster: TestCluster, space: Space) -> None:
    assert node_status(cluster) == "Ready"
    pid = int((cluster.data / "containerd" / "containerd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: node_status(cluster) == "NotReady", within=90)
        text = cluster.out("describe", "node")
        assert "KubeletNotReady" in text
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: node_status(cluster) == "Ready", within=60)


def ready_condition() -> dict:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


@pytest.mark.full  # 14 s of silence; with a virtual clock in integration/test_simulated_cluster.py
def test_node_unknown_when_its_heartbeat_is_lost_and_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One node lives, another was registered by hand and never reports: it is given up, with its pods, until it reports."""
    flags = ("--port=0", "--nodes=sim:1", "--store=memory", "--node-monitor-grace-period=14")
    other = TestCluster(f"e2elost{secrets.token_hex(2)}", tmp_path_factory.mktemp("lost"), flags)

    def lost_status() -> str:
        return other.out("get", "node", "lost", "--no-headers").split()[1]

    try:
        other.up()
        resources = {"cpu": "1", "memory": "1Gi", "pods": "10"}
        status = {"conditions": [ready_condition()], "capacity": resources, "allocatable": resources}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lost"}, "status": status}
        other.kubectl("create", "-f", "-", stdin=json.dumps(node))
        until(lambda: lost_status() == "Ready")
        patience = {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 2,
        }
        other.kubectl(
            "create", "-f", "-", stdin=json.dumps(pod("orphan", nodeName="lost", tolerations=[patience]))
        )
        until(lambda: lost_status() == "NotReady", within=60)
        (ready,) = (
            c for c in other.json("get", "node", "lost")["status"]["conditions"] if c["type"] == "Ready"
        )
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        assert ready["message"] == "Kubelet stopped posting node status."
        until(
            lambda: (
                "node.kubernetes.io/unreachable"
                in other.out("get", "node", "lost", "-o", "jsonpath={.spec.taints[*].key}")
            )
        )
        until(lambda: other.out("get", "pod", "orphan", "--no-headers").split()[2] == "Unknown", within=60)
        assert "Unknown" in other.out("describe", "node", "lost")
        assert "NodeNotReady" in other.out("describe", "node", "lost")
        back = json.dumps({"status": {"conditions": [ready_condition()]}})
        other.kubectl("patch", "node", "lost", "--subresource=status", "--type=strategic", "-p", back)
        until(lambda: lost_status() == "Ready")
        until(
            lambda: (
                "unreachable" not in other.out("get", "node", "lost", "-o", "jsonpath={.spec.taints[*].key}")
            )
        )
    finally:
        other.down("--purge")
