"""Pods on a real containerd: starting, ending, restarting, failing."""

import json
import os
import signal

import pytest

from e2e.kubelet.node import WAIT, Node, container, is_ready, shell, waiting
from pinnace.api.resources import PODS
from pinnace.client.interface import STRATEGIC_MERGE_PATCH
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e


async def test_a_pod_runs_reports_logs_and_goes_away(node: Node) -> None:
    await node.create("web", shell(f"echo hello; {WAIT}"))
    pod = await node.running("web")
    status = container(pod)
    assert status["ready"]
    assert status["started"]
    assert status["restartCount"] == 0
    assert status["containerID"].startswith("containerd://")
    assert pod["status"]["podIP"].startswith("10.199.")
    assert pod["status"]["hostIP"] == "127.0.0.1"
    assert pod["status"]["qosClass"] == "BestEffort"
    assert "hello" in node.log_text(pod)
    events = await node.events("web")
    assert ("Normal", "Created", "Container created") in events
    assert ("Normal", "Started", "Container started") in events
    await node.delete("web")
    assert ("Normal", "Killing", "Stopping container c") in await node.events("web")
    assert not node.kubelet.host.pod_dir(pod["metadata"]["uid"]).exists()


async def test_completed_and_failed_pods(node: Node) -> None:
    await node.create("good", shell("echo done > /dev/termination-log"), restartPolicy="Never")
    await node.create(
        "bad",
        shell("echo trouble; exit 3", terminationMessagePolicy="FallbackToLogsOnError"),
        restartPolicy="Never",
    )
    good = await node.until("good", lambda pod: pod["status"].get("phase") == "Succeeded")
    ended = container(good)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (0, "Completed", "done\n")
    ready = next(one for one in good["status"]["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")
    bad = await node.until("bad", lambda pod: pod["status"].get("phase") == "Failed")
    ended = container(bad)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "trouble\n")
    await node.delete("good")
    await node.delete("bad")


async def test_crash_loop_backs_off(node: Node) -> None:
    await node.create("crash", shell("exit 1"))
    pod = await node.until("crash", lambda pod: waiting(pod) == "CrashLoopBackOff")
    status = container(pod)
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1
    uid = pod["metadata"]["uid"]
    expected = f"back-off 10s restarting failed container=c pod=crash_default({uid})"
    assert status["state"]["waiting"]["message"] == expected
    text = f"Back-off restarting failed container c in pod crash_default({uid})"
    assert ("Warning", "BackOff", text) in await node.events("crash")
    assert pod["status"]["phase"] == "Running"
    assert not is_ready(pod)


async def test_init_containers_run_in_order(node: Node) -> None:
    inits = [shell("echo one", "first"), shell("sleep 0.3; echo two", "second")]
    await node.create("init", shell(WAIT), initContainers=inits)
    pod = await node.running("init")
    entries = pod["status"]["initContainerStatuses"]
    assert [one["state"]["terminated"]["reason"] for one in entries] == ["Completed", "Completed"]
    first, second = (one["state"]["terminated"]["finishedAt"] for one in entries)
    assert first <= second <= container(pod)["state"]["running"]["startedAt"]


async def test_failing_init_container_fails_a_pod_that_never_restarts(node: Node) -> None:
    await node.create("init", shell(WAIT), initContainers=[shell("exit 7", "i")], restartPolicy="Never")
    pod = await node.until("init", lambda pod: pod["status"].get("phase") == "Failed")
    assert container(pod, "i", "initContainerStatuses")["state"]["terminated"]["exitCode"] == 7
    assert waiting(pod) == "PodInitializing"


async def test_sidecar_runs_beside_and_ends_after(node: Node) -> None:
    sidecar = shell(WAIT, "side", restartPolicy="Always")
    await node.create("job", shell("sleep 0.3"), initContainers=[sidecar], restartPolicy="Never")
    pod = await node.until("job", lambda pod: pod["status"].get("phase") == "Succeeded")
    assert container(pod)["state"]["terminated"]["exitCode"] == 0


async def test_oom_kill_is_told(node: Node) -> None:
    hog = shell("dd if=/dev/zero of=/dev/null bs=200M count=1", resources={"limits": {"memory": "16Mi"}})
    await node.create("hog", hog, restartPolicy="Never")
    pod = await node.until("hog", lambda pod: pod["status"].get("phase") == "Failed")
    ended = container(pod)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_hooks_and_grace_period(node: Node) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /work/hook"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /proc/1/fd/1"]}},
    }
    mounts = [{"name": "work", "mountPath": "/work"}]
    await node.create(
        "hooks",
        shell(WAIT, lifecycle=hooks, volumeMounts=mounts),
        volumes=[{"name": "work", "emptyDir": {}}],
    )
    pod = await node.running("hooks")
    assert await node.sh(pod, "cat /work/hook") == "started\n"
    await node.delete("hooks")


async def test_active_deadline(node: Node) -> None:
    await node.create("slow", shell(WAIT), activeDeadlineSeconds=1)
    pod = await node.until("slow", lambda pod: pod["status"].get("phase") == "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_a_new_kubelet_adopts_running_containers(node: Node) -> None:
    await node.create("web", shell(WAIT))
    before = container(await node.running("web"))
    await node.stop()
    await node.start()
    pod = await node.running("web")
    assert container(pod)["containerID"] == before["containerID"]
    assert container(pod)["restartCount"] == 0
    await node.delete("web")


async def test_a_dead_sandbox_is_replaced(node: Node) -> None:
    """Its own process dies. `StopPodSandbox` would end the containers before the sandbox: who looks in between, as upstream's
    kubelet may, sees a container that ended in a good sandbox, and starts it there once more."""
    await node.create("web", shell(WAIT))
    pod = await node.running("web")
    old = container(pod)["containerID"]
    box = node.kubelet.host.sandbox(pod["metadata"]["uid"])
    assert box is not None
    told = await node.runtime.sandbox_status(box.id, verbose=True)
    os.kill(json.loads(told.info["info"])["pid"], signal.SIGKILL)
    pod = await node.until(
        "web", lambda pod: is_ready(pod) and container(pod)["containerID"] != old, within=60
    )
    assert container(pod)["restartCount"] == 1
    messages = [message for _, _, message in await node.events("web")]
    assert "Pod sandbox changed, it will be killed and re-created." in messages


async def test_a_command_that_does_not_exist(node: Node) -> None:
    await node.create("none", {**shell(""), "command": ["/no/such"]})
    pod = await node.until("none", lambda pod: waiting(pod) in ("RunContainerError", "CrashLoopBackOff"))
    last = container(pod)["state"]["waiting"]["message"]
    assert "no such file or directory" in last or "back-off" in last
    pod = await node.until("none", lambda pod: waiting(pod) == "CrashLoopBackOff")
    ended = container(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")


async def test_an_ephemeral_container_joins(node: Node) -> None:
    await node.create("web", shell(WAIT))
    pod = await node.running("web")
    debug = {**shell("echo here; sleep 5", "debug"), "targetContainerName": "c"}
    body = {"spec": {"ephemeralContainers": [debug]}}
    await node.client.patch(
        PODS, "web", body, "default", subresource="ephemeralcontainers", content_type=STRATEGIC_MERGE_PATCH
    )
    pod = await node.until("web", lambda pod: pod["status"].get("ephemeralContainerStatuses"))
    await node.until(
        "web", lambda pod: "running" in container(pod, "debug", "ephemeralContainerStatuses")["state"]
    )
    assert "here" in node.log_text(pod, "debug")


async def test_a_pod_that_does_not_fit_is_refused(node: Node) -> None:
    await node.create("huge", shell(WAIT, resources={"requests": {"cpu": "1000"}}))
    pod = await node.until("huge", lambda pod: pod["status"].get("phase") == "Failed")
    assert pod["status"]["reason"] == "OutOfcpu"
    expected = (
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used: 0, capacity: "
    )
    assert pod["status"]["message"].startswith(expected)


async def test_force_deletion_kills_at_once(node: Node) -> None:
    await node.create("stubborn", shell("trap '' TERM; while :; do sleep 0.05; done"))
    pod = await node.running("stubborn")
    await node.delete("stubborn", grace=0)

    async def nothing_left() -> bool:
        uid = pod["metadata"]["uid"]
        listed = await node.runtime.list_containers(labels={"io.kubernetes.pod.uid": uid})
        return not listed and not node.kubelet.host.pod_dir(uid).exists()

    await eventually(nothing_left)


async def test_grace_period_then_kill(node: Node) -> None:
    await node.create("stubborn", shell("trap '' TERM; while :; do sleep 0.05; done"))
    await node.running("stubborn")
    begun = node.clock.monotonic()
    await node.delete("stubborn", grace=1)
    assert 0.9 < node.clock.monotonic() - begun < 25  # 30 without a wish


async def test_orphans_of_an_absent_kubelet_are_ended(node: Node) -> None:
    await node.create("web", shell(WAIT))
    pod = await node.running("web")
    await node.stop()
    await node.client.delete(PODS, "web", "default", grace_period_seconds=0)
    await node.gone("web")
    await node.start()

    async def nothing_left() -> bool:
        boxes = await node.runtime.list_sandboxes(labels={"io.kubernetes.pod.uid": pod["metadata"]["uid"]})
        return not boxes

    await eventually(nothing_left)
