"""Upstream's conformance behaviours of kubectl, with real containers; the busybox image stands in for agnhost."""

import json
import os
import re
import socket
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from e2e_support import IMAGE, VERSIONS, Space, command_line, deployment, pod, service, until

OTHER_IMAGE = "pinnace.local/other:1"
SERVE = "httpd -f -p 6379 -h /www & wait"


def controller(name: str, replicas: int = 1) -> dict[str, Any]:
    """A replication controller of servers on port 6379."""
    labels = {"app": name, "role": "primary"}
    container = {"name": name, "image": IMAGE, "command": ["sh", "-c", f"trap 'exit 0' TERM; {SERVE}"],
                 "ports": [{"name": "server", "containerPort": 6379}]}  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": labels, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}},
    }  # fmt: skip


def running(space: Space, selector: str, count: int) -> list[str]:
    """The names of the pods once exactly so many run, as upstream's test asks with a template."""
    template = "{{range .items}}{{.metadata.name}} {{.status.phase}}\n{{end}}"

    def names() -> list[str]:
        lines = [
            line.split()
            for line in space.out("get", "pods", "-l", selector, "-o", f"go-template={template}").splitlines()
        ]
        assert len(lines) == count, lines
        assert all(phase == "Running" for _, phase in lines), lines
        return [name for name, _ in lines]

    return until(names, within=60)


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Update Demo should create and stop a replication controller [Conformance]"
)
@pytest.mark.conformance(
    "[sig-cli] Kubectl client Update Demo should scale a replication controller [Conformance]"
)
def test_a_replication_controller_is_created_scaled_and_stopped(space: Space) -> None:
    space.kubectl("create", "-f", "-", stdin=json.dumps(controller("nautilus", 2)))
    running(space, "app=nautilus", 2)
    for count in (1, 2):
        assert space.out("scale", "rc", "nautilus", f"--replicas={count}", "--timeout=5m") == (
            "replicationcontroller/nautilus scaled\n"
        )
        running(space, "app=nautilus", count)
    body = json.dumps(controller("nautilus", 2))
    space.kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=body)
    assert space.out("get", "rc,svc", "-l", "app=nautilus", "--no-headers") == ""
    until(lambda: space.out("get", "pods", "-l", "app=nautilus", "-o", "name") == "")


GUEST = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
value=${QUERY_STRING#*value=}
case "$ROLE-$QUERY_STRING" in
  frontend-cmd=set*) wget -qO- "http://primary:6379/cgi-bin/guest?cmd=set&value=$value" ;;
  frontend-*) wget -qO- "http://replica:6379/cgi-bin/guest?cmd=get" ;;
  replica-*) wget -qO- "http://primary:6379/cgi-bin/guest?cmd=get" ;;
  primary-cmd=set*) echo "$value" >>/tmp/messages; echo updated ;;
  primary-*) cat /tmp/messages 2>/dev/null; true ;;
esac
"""


def guestbook(role: str, replicas: int) -> list[dict[str, Any]]:
    served = deployment(role, replicas)
    container = served["spec"]["template"]["spec"]["containers"][0]
    del container["readinessProbe"], container["ports"]
    write = 'mkdir -p /www/cgi-bin; echo "$GUEST" >/www/cgi-bin/guest; cd /www; touch /tmp/messages'
    run = "sh -c 'busybox chmod 755 /www/cgi-bin/guest'; httpd -f -p 6379 -h /www & wait"
    container["command"] = ["sh", "-c", f"trap 'exit 0' TERM; {write}; {run}"]
    container["env"] = [{"name": "ROLE", "value": role}, {"name": "GUEST", "value": GUEST}]
    container["readinessProbe"] = {"tcpSocket": {"port": 6379}, "periodSeconds": 1}
    return [served, service(role, ports=[{"port": 6379}])]


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Guestbook application should create and stop a working application [Conformance]"
)
def test_a_guestbook_works(space: Space) -> None:
    """A frontend stores entries with the primary and reads them through the replicas; names lead from one to the other."""
    manifests = [
        *guestbook("replica", 2),
        *guestbook("frontend", 3),
        *guestbook("primary", 1),
    ]
    for manifest in manifests:
        space.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    for role in ("frontend", "primary", "replica"):
        space.until_rolled_out(role)
    entry = f"/api/v1/namespaces/{space.name}/services/frontend:6379/proxy/cgi-bin/guest"

    def ask(query: str) -> str:
        return space.cluster.out("get", "--raw", f"{entry}?{query}")

    until(lambda: ask("cmd=get") == "", within=60)
    assert until(lambda: ask("cmd=set&value=TestEntry")) == "updated\n"
    assert until(lambda: "TestEntry" in ask("cmd=get"))
    for manifest in manifests:
        space.kubectl(
            "delete", "--grace-period=0", "--force", "-f", "-", stdin=json.dumps(manifest), timeout=120
        )
    until(lambda: space.out("get", "deploy,svc,pods", "-o", "name") == "", within=60)


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions [Conformance]"
)
@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info [Conformance]"
)
@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl version should check is all data is printed [Conformance]"
)
def test_what_the_cluster_says_of_itself(space: Space) -> None:
    assert "v1" in space.out("api-versions").splitlines()
    info = re.sub(r"\x1b\[[0-9;]*m", "", space.out("cluster-info"))
    assert re.search(
        r"^Kubernetes control plane is running at https://127\.0\.0\.1:\d+$", info, re.MULTILINE
    ), info
    plain = space.out("version")
    assert re.search(r"^Client Version: v1\.\d+", plain, re.MULTILINE), plain
    assert re.search(r"^Server Version: v1\.36\.", plain, re.MULTILINE), plain
    whole = json.loads(space.out("version", "-o", "json"))
    for side in ("clientVersion", "serverVersion"):
        facts = whole[side]
        assert {"major", "minor", "gitVersion", "buildDate", "goVersion", "platform"} <= {
            name for name, value in facts.items() if value
        }, facts
        assert "gitCommit" in facts  # "" of a server that was not built from a checkout


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments [Conformance]"
)
def test_diff_finds_another_image(space: Space) -> None:
    mine = deployment("web", 1)
    space.kubectl("create", "-f", "-", stdin=json.dumps(mine))
    mine["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER_IMAGE
    found = space.kubectl("diff", "-f", "-", stdin=json.dumps(mine), check=False)
    assert found.returncode == 1, found.stderr
    lines = [line.strip("+- ") for line in found.stdout.splitlines() if line[:1] in "+-"]
    assert {f"image: {IMAGE}", f"image: {OTHER_IMAGE}"} <= set(lines)


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods [Conformance]"
)
@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image [Conformance]"
)
def test_a_dry_run_changes_nothing_and_a_replacement_the_image(space: Space) -> None:
    space.kubectl("run", "httpd", f"--image={IMAGE}", "--labels=run=httpd")
    patch = {"spec": {"containers": [{"name": "httpd", "image": OTHER_IMAGE}]}}
    answer = space.out(
        "patch", "pod", "httpd", "-p", json.dumps(patch), "--dry-run=server", "-o",
        "jsonpath={.spec.containers[0].image}",
    )  # fmt: skip
    assert answer == OTHER_IMAGE
    running(space, "run=httpd", 1)
    assert [c["image"] for c in space.json("get", "pod", "httpd")["spec"]["containers"]] == [IMAGE]

    def replaced() -> bool:
        """Refused when the kubelet has written the status since it was read."""
        found = space.json("get", "pod", "httpd")
        found["spec"]["containers"][0]["image"] = OTHER_IMAGE
        return space.out("replace", "-f", "-", stdin=json.dumps(found)) == "pod/httpd replaced\n"

    until(replaced)
    assert space.out("get", "pod", "httpd", "-o", "jsonpath={.spec.containers[0].image}") == OTHER_IMAGE


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never [Conformance]"
)
def test_run_makes_a_pod(space: Space) -> None:
    assert space.out("run", "once", "--restart=Never", f"--image={IMAGE}", "--pod-running-timeout=2m0s") == (
        "pod/once created\n"
    )
    spec = space.json("get", "pod", "once")["spec"]
    assert ([c["image"] for c in spec["containers"]], spec["restartPolicy"]) == ([IMAGE], "Never")


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods [Conformance]"
)
def test_describe_tells_what_matters(space: Space) -> None:
    space.apply(controller("primary"), service("primary", ports=[{"port": 6379, "targetPort": "server"}]))
    (name,) = running(space, "app=primary", 1)
    node = space.out("get", "pod", name, "-o", "jsonpath={.spec.nodeName}")
    described(
        space, "pod", name,
        rf"Name:\s+{name}", rf"Namespace:\s+{space.name}", r"Node:\s+\S+", r"Labels:\s+app=primary", r"role=primary",
        r"Status:\s+Running", r"IP:\s+10\.", r"Controlled By:\s+ReplicationController/primary", rf"Image:\s+{IMAGE}",
        r"State:\s+Running", r"QoS Class:\s+BestEffort",
    )  # fmt: skip
    described(
        space, "rc", "primary",
        r"Name:\s+primary", rf"Namespace:\s+{space.name}", r"Selector:\s+app=primary,role=primary",
        r"Labels:\s+app=primary", r"role=primary", r"Replicas:\s+1 current / 1 desired",
        r"Pods Status:\s+1 Running / 0 Waiting / 0 Succeeded / 0 Failed", r"Pod Template:", rf"Image:\s+{IMAGE}", r"Events:",
    )  # fmt: skip
    described(
        space, "service", "primary",
        r"Name:\s+primary", rf"Namespace:\s+{space.name}", r"Selector:\s+app=primary", r"Type:\s+ClusterIP", r"IP:\s+10\.",
        r"Port:\s+<unset>\s+6379/TCP", r"Endpoints:\s+10\.[\d.]+:6379", r"Session Affinity:\s+None",
    )  # fmt: skip
    described(
        space, "node", node,
        rf"Name:\s+{node}", r"Labels:", r"Annotations:", r"CreationTimestamp:", r"Conditions:", r"Type\s+Status",
        r"MemoryPressure\s+False", r"DiskPressure\s+False", r"PIDPressure\s+False", r"Ready\s+True", r"Addresses:",
        r"Capacity:", r"Version:", r"Kernel Version:", r"OS Image:", r"Container Runtime Version:", r"Kubelet Version:", r"Pods:",
    )  # fmt: skip
    described(space, "namespace", space.name, rf"Name:\s+{space.name}\n(.|\n)*Status:\s+Active")


def described(space: Space, kind: str, name: str, *patterns: str) -> None:
    """In the end: endpoints and counts come after the pods."""

    def look() -> bool:
        text = space.out("describe", kind, name)
        missing = [wanted for wanted in patterns if not re.search(wanted, text)]
        assert not missing, f"{missing} not in:\n{text}"
        return True

    until(look)


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl expose should create services for rc [Conformance]"
)
def test_expose_makes_services(space: Space) -> None:
    space.apply(controller("primary"))
    running(space, "app=primary", 1)

    def check(name: str, port: int) -> None:
        def ready() -> dict[str, Any]:
            subsets = space.json("get", "endpoints", name)["subsets"]
            assert [p["port"] for subset in subsets for p in subset["ports"]] == [6379]
            return subsets[0]

        until(ready)
        ports = space.json("get", "service", name)["spec"]["ports"]
        assert [(p["port"], p["targetPort"]) for p in ports] == [(port, 6379)]

    space.kubectl("expose", "rc", "primary", "--name=rm2", "--port=1234", "--target-port=6379")
    check("rm2", 1234)
    space.kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    check("rm3", 2345)


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl label should update the label on a resource [Conformance]"
)
def test_a_label_comes_and_goes(space: Space) -> None:
    space.apply(pod("pause"))
    space.until_ready("pause")
    space.kubectl("label", "pods", "pause", "testing-label=testing-label-value")
    assert "testing-label-value" in space.out("get", "pod", "pause", "-L", "testing-label")
    assert space.out("get", "pods", "-l", "testing-label", "-o", "name") == "pod/pause\n"
    space.kubectl("label", "pods", "pause", "testing-label-")
    assert "testing-label-value" not in space.out("get", "pod", "pause", "-L", "testing-label")
    assert space.out("get", "pods", "-l", "testing-label", "-o", "name") == ""


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc [Conformance]"
)
def test_patch_annotates_every_pod(space: Space) -> None:
    space.apply(controller("primary", 2))
    for name in running(space, "app=primary", 2):
        space.kubectl("patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert [item["metadata"]["annotations"]["x"] for item in space.pods("app=primary")] == ["y", "y"]


@pytest.mark.conformance(
    "[sig-cli] Kubectl client Proxy server should support proxy with --port 0 [Conformance]"
)
@pytest.mark.conformance(
    "[sig-cli] Kubectl client Proxy server should support --unix-socket=/path [Conformance]"
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_proxy_on_a_port_and_on_a_socket(space: Space, version: str, tmp_path: Path) -> None:
    where = tmp_path / "proxy.sock"
    for flag in ("--port=0", f"--unix-socket={where}"):
        proxy = subprocess.Popen(
            [*command_line(version), "proxy", flag, "--disable-filter"],
            env={**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig), "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert proxy.stdout is not None
            line = proxy.stdout.readline()
            port = re.search(r"127\.0\.0\.1:(\d+)", line)
            with (
                socket.create_connection(("127.0.0.1", int(port[1]))) if port else _unix(where)
            ) as connection:
                connection.sendall(b"GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
            assert '"versions"' in answer, answer
            assert '"v1"' in answer, answer
        finally:
            proxy.terminate()
            proxy.communicate(timeout=20)


def _unix(where: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(where))
    return connection


@pytest.mark.conformance(
    "[sig-cli] Kubectl logs logs should be able to retrieve and filter logs [Conformance]"
)
def test_logs_are_filtered(space: Space) -> None:
    count = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; sleep 3600"
    space.apply(pod("logs-generator", count))
    until(lambda: "line 99" in space.out("logs", "logs-generator", "main"))
    assert space.out("logs", "logs-generator", "main", "--tail=1") == "line 99\n"
    assert space.out("logs", "logs-generator", "main", "--limit-bytes=1") == "l"
    (line,) = space.out("logs", "logs-generator", "main", "--tail=1", "--timestamps").splitlines()
    stamp, rest = line.split(" ", 1)
    assert rest == "line 99"
    assert datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", stamp)).tzinfo is not None
    until(lambda: space.out("logs", "logs-generator", "main", "--since=1s") == "")  # all lines are older
    assert len(space.out("logs", "logs-generator", "main", "--since=24h").splitlines()) == 100
