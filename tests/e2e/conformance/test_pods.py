"""Pods from their start to their end: init containers, probes, hooks, ephemeral containers, deadlines, restarts."""

import contextlib
import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import websocket
from kubernetes import client, config, watch
from kubernetes.stream import stream

from e2e_support import IMAGE, Space, pod, until

S = "[sig-node] "
C = " [Conformance]"
N = " [NodeConformance] [Conformance]"
Fields = dict[str, Any]


def quick(name: str, command: str = "sleep 3600", **spec: Any) -> Fields:
    return pod(name, command, **{"terminationGracePeriodSeconds": 0, **spec})


def status_of(place: Space, name: str) -> Fields:
    return place.json("get", "pod", name)["status"]


def restarts(place: Space, name: str) -> int:
    return status_of(place, name)["containerStatuses"][0]["restartCount"]


def init(name: str, command: str) -> Fields:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", command]}


def phase(place: Space, name: str, wanted: str, within: float = 60) -> Fields:
    def reached() -> Fields:
        status = status_of(place, name)
        assert status.get("phase") == wanted, status
        return status

    return until(reached, within)


def initialized(status: Fields) -> str:
    return next(c["status"] for c in status["conditions"] if c["type"] == "Initialized")


@pytest.mark.conformance(
    S + "InitContainer [NodeConformance] should invoke init containers on a RestartNever pod" + C
)
def test_init_containers_before_a_pod_that_never_restarts(place: Space) -> None:
    inits = [init("init1", "true"), init("init2", "true")]
    place.apply(quick("init-never", "true", restartPolicy="Never", initContainers=inits))
    status = phase(place, "init-never", "Succeeded")
    assert initialized(status) == "True"
    assert [one["state"]["terminated"]["exitCode"] for one in status["initContainerStatuses"]] == [0, 0]


@pytest.mark.conformance(
    S + "InitContainer [NodeConformance] should invoke init containers on a RestartAlways pod" + C
)
def test_init_containers_before_a_pod_that_runs(place: Space) -> None:
    inits = [init("init1", "true"), init("init2", "true")]
    place.apply(quick("init-always", initContainers=inits))
    status = phase(place, "init-always", "Running")
    assert initialized(status) == "True"
    assert [one["state"]["terminated"]["exitCode"] for one in status["initContainerStatuses"]] == [0, 0]


@pytest.mark.conformance(
    S
    + "InitContainer [NodeConformance] should not start app containers if init containers fail on a RestartAlways pod"
    + C
)
def test_a_failing_init_container_is_tried_again_and_again(place: Space) -> None:
    place.apply(quick("init-fails", initContainers=[init("init1", "false"), init("init2", "true")]))
    status = until(
        lambda: (s := status_of(place, "init-fails"))["initContainerStatuses"][0]["restartCount"] >= 2 and s,
        60,
    )
    assert (status["phase"], initialized(status)) == ("Pending", "False")
    assert "waiting" in status["initContainerStatuses"][1]["state"]
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


@pytest.mark.conformance(
    S
    + "InitContainer [NodeConformance] should not start app containers and fail the pod if init containers fail on a RestartNever pod"
    + C
)
def test_a_failing_init_container_fails_a_pod_that_never_restarts(place: Space) -> None:
    inits = [init("init1", "true"), init("init2", "false")]
    place.apply(quick("init-ends", restartPolicy="Never", initContainers=inits))
    status = phase(place, "init-ends", "Failed")
    assert initialized(status) == "False"
    assert [one["state"]["terminated"]["exitCode"] for one in status["initContainerStatuses"]] == [0, 1]
    assert "waiting" in status["containerStatuses"][0]["state"]


HEALTHZ = (
    "mkdir /tmp/w; echo ok > /tmp/w/healthz; (sleep {}; rm /tmp/w/healthz) & exec httpd -f -p 8080 -h /tmp/w"
)
EVERY = {"periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
HTTP = {"httpGet": {"path": "/healthz", "port": 8080}, **EVERY}
FILE = {"exec": {"command": ["cat", "/tmp/health"]}, **EVERY}
TCP = {"tcpSocket": {"port": 8080}, **EVERY}


def probed(command: str, liveness: Fields) -> tuple[str, Fields]:
    return command, {"livenessProbe": liveness}


def steady(command: str, handler: Fields) -> tuple[str, Fields]:
    """However slow the machine is: the first probe that counts comes when one has succeeded, and an answer has time."""
    probe = {**handler, **EVERY, "timeoutSeconds": 60}
    return command, {"startupProbe": {**probe, "failureThreshold": 60}, "livenessProbe": probe}


LIVENESS = {
    "exec-restarts": probed("touch /tmp/health; sleep 4; rm /tmp/health; sleep 3600", FILE),
    "http-restarts": probed(HEALTHZ.format(4), HTTP),
    "grpc-restarts": probed("sleep 3600", {"grpc": {"port": 2333}, **EVERY}),
    "exec-stays": steady("touch /tmp/health; sleep 3600", FILE),
    "http-stays": steady(HEALTHZ.format(1000), HTTP),
    "tcp-stays": steady(HEALTHZ.format(2), TCP),
}
GRPC = {"grpc": {"port": 2333}, **EVERY}
SERVER = Path(__file__).resolve().parents[2] / "grpc_health_server.py"
STAYS_FOR = 12  # probes, one a second


@pytest.fixture(scope="module")
def watched(place: Space) -> Space:
    """The pods of all liveness behaviours, running at the same time."""
    place.apply(
        *(quick(name, command, container=probes) for name, (command, probes) in LIVENESS.items()), grpc_pod()
    )
    return place


def grpc_pod() -> Fields:
    """A real health service in a container: the machine's Python, which it sees read-only."""
    container = {
        "command": ["busybox", "chroot", "/machine", sys.executable, str(SERVER), "2333"],
        "livenessProbe": {**GRPC, "timeoutSeconds": 60},
        "startupProbe": {**GRPC, "timeoutSeconds": 60, "failureThreshold": 60},
        "volumeMounts": [{"name": "machine", "mountPath": "/machine", "readOnly": True}],
    }
    volumes = [{"name": "machine", "hostPath": {"path": "/"}}]
    return quick("grpc-stays", container=container, volumes=volumes)


P = S + "Probing container should "


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            "exec-restarts",
            marks=pytest.mark.conformance(
                P + 'be restarted with a exec "cat /tmp/health" liveness probe' + N
            ),
        ),
        pytest.param(
            "http-restarts",
            marks=pytest.mark.conformance(P + "be restarted with a /healthz http liveness probe" + N),
        ),
        pytest.param(
            "grpc-restarts", marks=pytest.mark.conformance(P + "be restarted with a GRPC liveness probe" + N)
        ),
    ],
)
def test_a_failing_liveness_probe_restarts(watched: Space, name: str) -> None:
    until(lambda: restarts(watched, name) >= 1, 60)


@pytest.mark.conformance(P + "have monotonically increasing restart count" + N)
def test_restarts_are_counted(watched: Space) -> None:
    until(lambda: restarts(watched, "grpc-restarts") >= 3, 120)
    until(lambda: restarts(watched, "http-restarts") >= 2, 60)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            "exec-stays",
            marks=pytest.mark.conformance(
                P + '*not* be restarted with a exec "cat /tmp/health" liveness probe' + N
            ),
        ),
        pytest.param(
            "http-stays",
            marks=pytest.mark.conformance(P + "*not* be restarted with a /healthz http liveness probe" + N),
        ),
        pytest.param(
            "grpc-stays",
            marks=pytest.mark.conformance(P + "*not* be restarted with a GRPC liveness probe" + N),
        ),
        pytest.param(
            "tcp-stays",
            marks=pytest.mark.conformance(P + "*not* be restarted with a tcp:8080 liveness probe" + N),
        ),
    ],
)
def test_a_liveness_probe_that_succeeds_leaves_the_container(watched: Space, name: str) -> None:
    """What fails restarts within a few seconds, next to it; by then these have been probed a dozen times."""
    until(lambda: _age(watched, name) > STAYS_FOR, 60)
    assert restarts(watched, name) == 0
    assert "running" in status_of(watched, name)["containerStatuses"][0]["state"]


def _age(place: Space, name: str) -> float:
    started = status_of(place, name)["containerStatuses"][0]["state"]["running"]["startedAt"]
    return (datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds()


@pytest.mark.conformance(
    S
    + "Probing container with readiness probe should not be ready before initial delay and never restart"
    + N
)
def test_not_ready_before_the_initial_delay(place: Space) -> None:
    probe = {"readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 6, "periodSeconds": 1}}
    place.apply(quick("delayed", container=probe))
    place.until_ready("delayed", within=60)
    status = status_of(place, "delayed")
    ready = next(c["lastTransitionTime"] for c in status["conditions"] if c["type"] == "Ready")
    started = status["containerStatuses"][0]["state"]["running"]["startedAt"]
    assert (
        datetime.fromisoformat(ready) - datetime.fromisoformat(started)
    ).total_seconds() >= 5  # whole seconds
    assert restarts(place, "delayed") == 0


@pytest.mark.conformance(
    S + "Probing container with readiness probe that fails should never be ready and never restart" + N
)
def test_a_failing_readiness_probe_only_keeps_the_pod_out(place: Space) -> None:
    probe = {"readinessProbe": {"exec": {"command": ["false"]}, "initialDelaySeconds": 1, "periodSeconds": 1}}
    place.apply(quick("unready", container=probe))

    def failed_often() -> bool:
        events = place.json(
            "get", "events", "--field-selector", "involvedObject.name=unready,reason=Unhealthy"
        )
        return sum(event.get("count", 1) for event in events["items"]) >= 5

    until(failed_often, 60)
    status = status_of(place, "unready")["containerStatuses"][0]
    assert (status["ready"], status["restartCount"]) == (False, 0)


# A server that writes down what it is asked for.
RECORDER = r"""cat > /tmp/answer <<'EOF'
read method path rest; echo "$path" >> /tmp/asked
while read line && [ "$(echo "$line" | tr -d '\r')" ]; do :; done
printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
EOF
touch /tmp/asked; exec nc -ll -p 8080 -e sh /tmp/answer"""


@pytest.fixture(scope="module")
def recorder(place: Space) -> tuple[Space, str]:
    place.apply(quick("recorder", RECORDER))
    place.until_ready("recorder")
    return place, status_of(place, "recorder")["podIP"]


def asked(place: Space) -> list[str]:
    return place.out("exec", "recorder", "--", "cat", "/tmp/asked").split()


def hook(how: str, ip: str, path: str) -> Fields:
    if how == "exec":
        return {"exec": {"command": ["wget", "-q", "-O-", f"http://{ip}:8080/{path}"]}}
    return {"httpGet": {"host": ip, "port": 8080, "path": f"/{path}"}}


H = S + "Container Lifecycle Hook when create a pod with lifecycle hook should execute "


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("exec", marks=pytest.mark.conformance(H + "poststart exec hook properly" + N)),
        pytest.param("http", marks=pytest.mark.conformance(H + "poststart http hook properly" + N)),
    ],
)
def test_a_hook_after_the_start(recorder: tuple[Space, str], how: str) -> None:
    place, ip = recorder
    name = f"post-start-{how}"
    place.apply(quick(name, container={"lifecycle": {"postStart": hook(how, ip, name)}}))
    place.until_ready(name)
    until(lambda: f"/{name}" in asked(place))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(
            "exec",
            marks=pytest.mark.conformance(
                H + "prestop exec hook properly" + N, S + "PreStop should call prestop when killing a pod" + C
            ),
        ),
        pytest.param("http", marks=pytest.mark.conformance(H + "prestop http hook properly" + N)),
    ],
)
def test_a_hook_before_the_end(recorder: tuple[Space, str], how: str) -> None:
    place, ip = recorder
    name = f"pre-stop-{how}"
    lifecycle = {"lifecycle": {"preStop": hook(how, ip, name)}}
    place.apply(quick(name, container=lifecycle, terminationGracePeriodSeconds=10))
    place.until_ready(name)
    assert f"/{name}" not in asked(place)
    place.kubectl("delete", "pod", name)
    assert f"/{name}" in asked(place)


EPHEMERAL = S + "Ephemeral Containers [NodeConformance] "


@pytest.mark.conformance(
    EPHEMERAL + "will start an ephemeral container in an existing pod" + C,
    EPHEMERAL + "should update the ephemeral containers in an existing pod" + C,
)
def test_ephemeral_containers_join_one_after_the_other(place: Space) -> None:
    place.apply(quick("host"))
    place.until_ready("host")

    def joined(name: str) -> bool:
        states = {s["name"]: s["state"] for s in status_of(place, "host")["ephemeralContainerStatuses"]}
        return "running" in states[name] and place.out("logs", "host", "-c", name) == f"polo {name}\n"

    for count, name in enumerate(("debugger", "debugger2"), 1):
        more = {"name": name, "image": IMAGE, "command": ["sh", "-c", f"echo polo {name}; sleep 1000"]}
        body = json.dumps({"spec": {"ephemeralContainers": [more]}})
        place.kubectl("patch", "pod", "host", "--subresource=ephemeralcontainers", "-p", body)
        until(partial(joined, name))
        assert len(place.json("get", "pod", "host")["spec"]["ephemeralContainers"]) == count


@pytest.mark.conformance(
    S
    + "Container Runtime blackbox test when starting a container that exits should run with the expected status"
    + N
)
def test_restart_policies(place: Space) -> None:
    """The first start ends with 1, the second with 0, the third stays."""
    command = (
        "echo x >> /v/starts; n=$(wc -l < /v/starts); [ $n = 1 ] && exit 1; [ $n = 2 ] && exit 0; sleep 3600"
    )
    mounts = [{"name": "v", "mountPath": "/v"}]
    volumes = [{"name": "v", "emptyDir": {}}]
    wanted = {
        "Always": ("Running", 2, True),
        "OnFailure": ("Succeeded", 1, False),
        "Never": ("Failed", 0, False),
    }
    place.apply(
        *(
            quick(
                f"ends-{policy.lower()}",
                command,
                restartPolicy=policy,
                volumes=volumes,
                container={"volumeMounts": mounts},
            )
            for policy in wanted
        )
    )

    def reached(policy: str) -> bool:
        status = status_of(place, f"ends-{policy.lower()}")
        one = status["containerStatuses"][0]
        assert (status["phase"], one["restartCount"], one["ready"]) == wanted[policy], status
        return True

    for policy in wanted:
        until(partial(reached, policy), 60)


FAILS = S + "Kubelet when scheduling a busybox command that always fails in a pod should "


@pytest.mark.conformance(FAILS + "have an terminated reason" + N, FAILS + "be possible to delete" + N)
def test_a_pod_that_always_fails(place: Space) -> None:
    place.apply(quick("fails", "false"))

    def reason() -> str:
        status = status_of(place, "fails")["containerStatuses"][0]
        return (status["state"].get("terminated") or status["lastState"].get("terminated") or {}).get(
            "reason", ""
        )

    until(lambda: reason() == "Error")
    place.kubectl("delete", "pod", "fails")
    assert place.kubectl("get", "pod", "fails", check=False).returncode == 1


@pytest.mark.conformance(S + "KubeletManagedEtcHosts should test kubelet managed /etc/hosts file" + N)
def test_who_writes_the_hosts_file(place: Space) -> None:
    """The kubelet, unless the pod is on the machine's network or a container mounts a file there."""
    mounts = [{"name": "h", "mountPath": "/etc/hosts"}]
    own = {"name": "own", "image": IMAGE, "command": ["sleep", "3600"], "volumeMounts": mounts}
    mixed = quick("hosts", volumes=[{"name": "h", "hostPath": {"path": "/etc/hosts", "type": "File"}}])
    mixed["spec"]["containers"].append(own)
    place.apply(mixed, quick("hosts-of-machine", hostNetwork=True))

    def text(name: str, container: str) -> str:
        place.until_ready(name)
        return place.out("exec", name, "-c", container, "--", "cat", "/etc/hosts")

    assert text("hosts", "main").startswith("# Kubernetes-managed hosts file.\n")
    assert text("hosts", "own") == Path("/etc/hosts").read_text()
    assert "Kubernetes-managed hosts file.\n" not in text("hosts-of-machine", "main")


SUB_PATH = S + "Variable Expansion should "


def with_sub_path(name: str, where: str) -> Fields:
    """A part of the volume, named by an annotation of the pod, and the whole of it."""
    mounts = [
        {"name": "v", "mountPath": "/part", "subPathExpr": "$(WHERE)"},
        {"name": "v", "mountPath": "/whole"},
    ]
    variable = {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['where']"}}}
    body = quick(
        name, volumes=[{"name": "v", "emptyDir": {}}], container={"env": [variable], "volumeMounts": mounts}
    )
    body["metadata"]["annotations"] = {"where": where}
    return body


def refused(place: Space, name: str) -> bool:
    waiting = status_of(place, name)["containerStatuses"][0]["state"]["waiting"]
    return waiting["reason"] == "CreateContainerConfigError"


@pytest.mark.parametrize(
    ("name", "where"),
    [
        pytest.param(
            "backticks",
            "..",
            marks=pytest.mark.conformance(
                SUB_PATH + "fail substituting values in a volume subpath with backticks" + C
            ),
        ),
        pytest.param(
            "absolute",
            "/tmp",
            marks=pytest.mark.conformance(
                SUB_PATH + "fail substituting values in a volume subpath with absolute path" + C
            ),
        ),
    ],
)
def test_a_sub_path_that_leads_outside_is_refused(place: Space, name: str, where: str) -> None:
    place.apply(with_sub_path(name, where))
    until(lambda: refused(place, name))


@pytest.mark.conformance(
    SUB_PATH
    + "verify that a failing subpath expansion can be modified during the lifecycle of a container [Slow]"
    + C
)
def test_a_failing_sub_path_can_be_mended(place: Space) -> None:
    place.apply(with_sub_path("mended", "/absolute"))
    until(lambda: refused(place, "mended"))
    place.kubectl("annotate", "--overwrite", "pod", "mended", "where=good")
    place.until_ready("mended", within=150)


@pytest.mark.conformance(SUB_PATH + "succeed in writing subpaths in container" + C)
def test_sub_paths_are_written_and_cleaned_up(place: Space) -> None:
    place.apply(with_sub_path("writes", "mypath"))
    place.until_ready("writes")
    place.kubectl("exec", "writes", "--", "touch", "/part/test.log")
    assert place.out("exec", "writes", "--", "ls", "/whole/mypath") == "test.log\n"
    place.kubectl("annotate", "--overwrite", "pod", "writes", "where=/not/valid/any/more")
    uid = place.json("get", "pod", "writes")["metadata"]["uid"]
    place.kubectl("delete", "pod", "writes")
    until(lambda: not list((place.cluster.data).glob(f"**/pods/{uid}")))


@pytest.mark.conformance(S + "Pods should get a host IP" + N)
def test_a_pod_has_the_address_of_its_node(place: Space) -> None:
    place.apply(quick("addressed"))
    place.until_ready("addressed")
    node = place.json("get", "nodes")["items"][0]
    internal = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    assert status_of(place, "addressed")["hostIP"] == internal


@pytest.mark.conformance(S + "Pods should allow activeDeadlineSeconds to be updated" + N)
def test_a_deadline_may_be_shortened(place: Space) -> None:
    place.apply(quick("limited", activeDeadlineSeconds=600))
    place.until_ready("limited")
    place.kubectl("patch", "pod", "limited", "-p", '{"spec":{"activeDeadlineSeconds":2}}')
    assert phase(place, "limited", "Failed")["reason"] == "DeadlineExceeded"


@pytest.mark.conformance(S + "Pods should contain environment variables for services" + N)
def test_services_are_in_the_environment(place: Space) -> None:
    spec = {"ports": [{"port": 8765, "targetPort": 8080}], "selector": {"app": "recorder"}}
    place.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fooservice"}, "spec": spec})
    ip = place.out("get", "service", "fooservice", "-o", "jsonpath={.spec.clusterIP}")
    place.apply(quick("client-envvars", "env", restartPolicy="Never"))
    phase(place, "client-envvars", "Succeeded")
    assert {
        f"FOOSERVICE_SERVICE_HOST={ip}", "FOOSERVICE_SERVICE_PORT=8765", f"FOOSERVICE_PORT=tcp://{ip}:8765",
        "FOOSERVICE_PORT_8765_TCP_PORT=8765", "FOOSERVICE_PORT_8765_TCP_PROTO=tcp", f"FOOSERVICE_PORT_8765_TCP=tcp://{ip}:8765",
        f"FOOSERVICE_PORT_8765_TCP_ADDR={ip}",
    } <= set(place.out("logs", "client-envvars").splitlines())  # fmt: skip


@pytest.mark.conformance(S + "Pods should delete a collection of pods" + C)
def test_a_collection_of_pods_goes(place: Space) -> None:
    bodies = [quick(f"many-{number}") for number in range(3)]
    for body in bodies:
        body["metadata"]["labels"] = {"type": "Testing"}
    place.apply(*bodies)
    assert len(place.pods("type=Testing")) == 3
    api(place).delete_collection_namespaced_pod(place.name, label_selector="type=Testing")
    until(lambda: not place.pods("type=Testing"))


@pytest.mark.conformance(S + "Pods should be submitted and removed" + N)
def test_a_pod_is_submitted_seen_by_a_watch_and_removed(place: Space) -> None:
    place.apply(quick("submitted", terminationGracePeriodSeconds=5))
    place.until_ready("submitted")
    chosen = {"namespace": place.name, "label_selector": "app=submitted"}
    listed = api(place).list_namespaced_pod(**chosen)
    assert [one.metadata.name for one in listed.items] == ["submitted"]
    place.kubectl("delete", "pod", "submitted", "--wait=false")
    seen = []
    following = watch.Watch()
    since = listed.metadata.resource_version
    for event in following.stream(
        api(place).list_namespaced_pod, **chosen, resource_version=since, timeout_seconds=60
    ):
        seen.append((event["type"], event["object"].metadata.deletion_timestamp is not None))
        if event["type"] == "DELETED":
            following.stop()
    assert ("MODIFIED", True) in seen
    assert seen[-1] == ("DELETED", True)
    assert place.pods("app=submitted") == []


@pytest.mark.conformance(S + "Pods should be updated" + N)
def test_a_label_is_updated(place: Space) -> None:
    place.apply(quick("updated"))
    place.until_ready("updated")
    place.kubectl("label", "pod", "updated", "time=later")
    assert [p["metadata"]["name"] for p in place.pods("time=later")] == ["updated"]


@pytest.mark.conformance(S + "Pods should patch a pod status" + C)
def test_a_status_is_patched(place: Space) -> None:
    place.apply(quick("patched"))
    place.until_ready("patched")
    body = '{"status":{"message":"Patched by a test","reason":"E2E"}}'
    answer = place.kubectl("patch", "pod", "patched", "--subresource=status", "-p", body, "-o", "json").stdout
    status = json.loads(answer)["status"]
    assert (status["message"], status["reason"]) == ("Patched by a test", "E2E")


@pytest.mark.conformance(S + "Pods should run through the lifecycle of Pods and PodStatus" + C)
def test_the_lifecycle_of_a_pod_and_its_status(place: Space) -> None:
    place.apply(quick("lifecycle"))
    place.until_ready("lifecycle")
    change = {"metadata": {"labels": {"test-pod": "patched"}}, "spec": {"activeDeadlineSeconds": 5000}}
    place.kubectl("patch", "pod", "lifecycle", "-p", json.dumps(change))
    (found,) = place.pods("test-pod=patched")
    assert found["spec"]["activeDeadlineSeconds"] == 5000

    def replaced() -> Any:
        """The kubelet writes too, so this may have to be done again, as any client would."""
        read = api(place).read_namespaced_pod_status("lifecycle", place.name)
        read.status.conditions.append(client.V1PodCondition(type="example.com/Seen", status="True"))
        with contextlib.suppress(client.ApiException):
            return api(place).replace_namespaced_pod_status("lifecycle", place.name, read)

    assert "example.com/Seen" in {c.type for c in until(replaced).status.conditions}
    api(place).delete_collection_namespaced_pod(place.name, label_selector="test-pod=patched")
    until(lambda: not place.pods("test-pod=patched"))


@pytest.mark.conformance(S + "Pods should support remote command execution over websockets" + N)
def test_a_command_over_a_websocket(place: Space) -> None:
    place.apply(quick("remote"))
    place.until_ready("remote")
    command = {"command": ["echo", "remote execution test"], "stdout": True, "stderr": True, "stdin": False, "tty": False}  # fmt: skip
    said = stream(api(place).connect_get_namespaced_pod_exec, "remote", place.name, **command)
    assert said == "remote execution test\n"


@pytest.mark.conformance(S + "Pods should support retrieving logs from the container over websockets" + N)
def test_a_log_over_a_websocket(place: Space) -> None:
    place.apply(quick("speaks", "echo container is alive; sleep 3600"))
    until(lambda: "alive" in place.out("logs", "speaks"))
    data, server = place.cluster.data, place.cluster.status()["server"]
    connection = websocket.create_connection(
        f"{server.replace('https', 'wss')}/api/v1/namespaces/{place.name}/pods/speaks/log?container=main",
        header=[f"Authorization: Bearer {(data / 'token').read_text().strip()}"],
        subprotocols=["binary.k8s.io"],
        sslopt={"ca_certs": str(data / "ca.crt")},
        timeout=20,
    )
    text = b""
    while b"alive" not in text:
        frame = connection.recv()
        text += frame if isinstance(frame, bytes) else frame.encode()
    connection.close()
    assert text == b"container is alive\n"


def api(place: Space) -> client.CoreV1Api:
    return client.CoreV1Api(config.new_client_from_config(str(place.cluster.kubeconfig)))
