"""The daily operations, one test a line of the list, with an unmodified kubectl against real containers."""

import os
import re
import stat
import subprocess
import threading
from pathlib import Path

import pexpect
import pytest

from e2e_support import IMAGE, Space, deployment, pod, service, until


def ingress(name: str, host: str) -> dict:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [rule]},
    }


@pytest.fixture
def web(space: Space) -> Space:
    space.apply(deployment("web", 2), service("web"), ingress("web", "web.test"))
    space.until_rolled_out("web")
    return space


def test_get_in_all_its_forms(web: Space) -> None:
    headers = {
        "pods": "NAME READY STATUS RESTARTS AGE",
        "deploy": "NAME READY UP-TO-DATE AVAILABLE AGE",
        "service": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
        "ingress": "NAME CLASS HOSTS ADDRESS PORTS AGE",
        "node": "NAME STATUS ROLES AGE VERSION",
    }
    for kind, columns in headers.items():
        lines = web.out("get", kind).splitlines()
        assert lines[0].split() == columns.split(), kind
        assert len(lines) >= 2, kind
    assert "2/2" in web.out("get", "deploy", "web")
    wide = web.out("get", "pods", "-o", "wide").splitlines()[0]
    assert wide.split() == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED",
        "NODE",
        "READINESS",
        "GATES",
    ]
    assert web.out("get", "DEPLOYMENT", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert "kind: Deployment" in web.out("get", "deployments.apps", "web", "-o", "yaml")
    names = web.out(
        "get", "po", "-l", "app=web", "-o", "custom-columns=N:.metadata.name", "--no-headers"
    ).split()
    assert len(names) == 2
    assert web.out("get", "pods", *names, "-o", "name").split() == [f"pod/{name}" for name in names]
    assert web.out("get", "pods", "--field-selector", f"metadata.name={names[0]}", "-o", "name").split() == [
        f"pod/{names[0]}"
    ]
    assert web.name in web.cluster.out("get", "pods", "-A")
    missing = web.kubectl("get", "pods", names[0].upper(), check=False)
    assert (missing.returncode, missing.stderr) == (
        1,
        f'Error from server (NotFound): pods "{names[0].upper()}" not found\n',
    )
    assert (
        web.kubectl("get", "pods", "-l", "app=nobody").stderr
        == f"No resources found in {web.name} namespace.\n"
    )


def test_get_watch_follows_changes(space: Space) -> None:
    environment = {**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig)}
    watch = subprocess.Popen(
        ["kubectl", "get", "pods", "-n", space.name, "-w"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        space.apply(pod("seen"))
        space.until_ready("seen")
        assert watch.stdout is not None
        lines: list[str] = []

        def read() -> None:
            assert watch.stdout is not None
            lines.extend(watch.stdout)

        threading.Thread(target=read, daemon=True).start()
        until(lambda: any(re.match(r"seen\s+1/1\s+Running", line) for line in lines))
        assert lines[0].split()[:3] == ["NAME", "READY", "STATUS"]
    finally:
        watch.terminate()
        watch.wait(timeout=10)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "pod",
            [
                "Controlled By:",
                "QoS Class:",
                "Conditions:",
                "Events:",
                "Scheduled",
                "Successfully assigned",
                "Started",
            ],
        ),
        (
            "deploy",
            [
                "StrategyType:",
                "RollingUpdate",
                "NewReplicaSet:",
                "ScalingReplicaSet",
                "Scaled up replica set",
            ],
        ),
        ("service", ["Selector:", "app=web", "Endpoints:", ":8080"]),
        ("ingress", ["web.test", "web:80"]),
    ],
)
def test_describe(web: Space, kind: str, expected: list[str]) -> None:
    target = ["-l=app=web"] if kind == "pod" else ["web"]

    def described() -> bool:
        """Events and endpoints may come after the rollout."""
        text = web.out("describe", kind, *target)
        missing = [word for word in expected if word not in text]
        assert not missing, f"{missing} not in:\n{text}"
        return True

    until(described)


def test_describe_node(web: Space) -> None:
    (node,) = web.json("get", "nodes")["items"]
    text = web.cluster.out("describe", "node", node["metadata"]["name"])
    for word in (
        "Capacity:",
        "Allocatable:",
        "Ready",
        "KubeletReady",
        "kubelet is posting ready status",
        "Non-terminated Pods:",
        web.name,
        "Allocated resources:",
    ):
        assert word in text, f"{word!r} not in:\n{text}"


@pytest.mark.parametrize(
    ("kind", "name"), [("pod", ""), ("deploy", "web"), ("service", "web"), ("ingress", "web")]
)
def test_edit(web: Space, tmp_path: Path, kind: str, name: str) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nsed -i \'s/^metadata:$/metadata:\\n  annotations: {edited: "yes"}/;/^  annotations:$/,/^  [a-z]/{/^  annotations:$/d;/^    /d}\' "$1"\n'
    )
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    target = name or web.pods("app=web")[0]["metadata"]["name"]
    done = web.kubectl("edit", kind, target, env={"EDITOR": str(editor)})
    assert "edited" in done.stdout, done.stdout + done.stderr
    assert web.out("get", kind, target, "-o", "jsonpath={.metadata.annotations.edited}") == "yes"


def test_edit_node(web: Space, tmp_path: Path) -> None:
    (node,) = web.json("get", "nodes")["items"]
    name = node["metadata"]["name"]
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/^  labels:$/  labels:\\n    edited: "yes"/\' "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    assert "edited" in web.cluster.out("edit", "node", name, env={"EDITOR": str(editor)})
    assert web.cluster.out("get", "node", name, "-o", "jsonpath={.metadata.labels.edited}") == "yes"
    web.cluster.kubectl("label", "node", name, "edited-")


def test_top(space: Space) -> None:
    space.apply(pod("busy", "while true; do :; done"))
    space.until_ready("busy")
    pattern = r"busy\s+\d+m\s+\d+Mi"
    until(lambda: re.search(pattern, space.out("top", "pods")), within=60)
    until(lambda: re.search(r"\d+m\s+\d+%\s+\d+Mi\s+\d+%", space.cluster.out("top", "node")), within=60)
    assert re.search(r"busy\s+main\s+\d+m", space.out("top", "pod", "busy", "--containers"))


def test_deleted_pod_is_replaced(web: Space) -> None:
    before = {p["metadata"]["name"] for p in web.pods("app=web")}
    victim = min(before)
    assert f'pod "{victim}" deleted' in web.out("delete", "pod", victim)
    until(lambda: len({p["metadata"]["name"] for p in web.pods("app=web")} - {victim}) == 2)
    web.until_rolled_out("web")


def test_rollout_restart_status_history_undo(web: Space) -> None:
    assert web.out("rollout", "restart", "deploy", "web") == "deployment.apps/web restarted\n"
    assert "successfully rolled out" in web.out("rollout", "status", "deploy/web", "--timeout=60s")
    web.kubectl("set", "env", "deploy/web", "COLOUR=blue")
    web.until_rolled_out("web")
    history = web.out("rollout", "history", "deploy", "web")
    assert history.splitlines()[:2] == ["deployment.apps/web ", "REVISION  CHANGE-CAUSE"]
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3"]
    second = web.out("rollout", "history", "deploy", "web", "--revision", "2")
    assert "kubectl.kubernetes.io/restartedAt" in second
    assert (
        web.out("rollout", "undo", "deploy", "web", "--to-revision=2") == "deployment.apps/web rolled back\n"
    )
    web.until_rolled_out("web")
    assert "COLOUR" not in web.out("get", "deploy", "web", "-o", "yaml")
    assert [
        line.split()[0] for line in web.out("rollout", "history", "deploy", "web").splitlines()[2:] if line
    ] == ["1", "3", "4"]


def test_rollout_pause_and_resume(web: Space) -> None:
    assert web.out("rollout", "pause", "deploy/web") == "deployment.apps/web paused\n"
    web.kubectl("set", "env", "deploy/web", "A=1")
    assert len(web.json("get", "rs")["items"]) == 1
    assert web.out("rollout", "resume", "deploy/web") == "deployment.apps/web resumed\n"
    web.until_rolled_out("web")
    assert len(web.json("get", "rs")["items"]) == 2


def test_logs(space: Space) -> None:
    second = {"name": "other", "image": IMAGE, "command": ["sh", "-c", "echo from-other; sleep 3600"]}
    first = pod(
        "talk",
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line-$i; done; sleep 3600",
        terminationGracePeriodSeconds=0,
    )
    first["spec"]["containers"].append(second)
    space.apply(first)
    space.until_ready("talk")
    until(lambda: "line-200" in space.out("logs", "talk", "-c", "main"))
    assert space.out("logs", "talk", "-c", "main", "--tail=3").split() == ["line-198", "line-199", "line-200"]
    assert until(lambda: space.out("logs", "talk", "-c", "other")) == "from-other\n"
    assert len(space.out("logs", "talk", "-c", "main", "--since=1h").splitlines()) == 200
    assert re.match(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z line-200$",
        space.out("logs", "talk", "-c", "main", "--tail=1", "--timestamps").strip(),
    )
    wrong = space.kubectl("logs", "talk", "-c", "nobody", check=False)
    assert wrong.returncode == 1
    assert "container nobody is not valid for pod talk" in wrong.stderr


def test_logs_follow_until_the_end_and_previous(space: Space) -> None:
    space.apply(pod("again", "echo started; sleep 2; exit 3"))
    followed = until(lambda: space.out("logs", "-f", "again", timeout=90))
    assert followed == "started\n"
    until(lambda: space.json("get", "pod", "again")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    assert until(lambda: space.out("logs", "again", "--previous")) == "started\n"


def test_exec_with_terminal(space: Space) -> None:
    space.apply(pod("shell"))
    space.until_ready("shell")
    child = pexpect.spawn(
        "kubectl", ["exec", "-n", space.name, "-it", "shell", "-c", "main", "--", "sh"], timeout=60, encoding="utf-8",
        env={**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig), "TERM": "dumb"},
    )  # fmt: skip
    child.sendline("echo $((40+2)) $(hostname)")
    child.expect("42 shell")
    child.sendline("exit 7")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7


def test_exec_without_terminal(space: Space) -> None:
    space.apply(pod("shell"))
    space.until_ready("shell")
    assert space.out("exec", "shell", "--", "echo", "a  b") == "a  b\n"
    assert (
        space.kubectl("exec", "-i", "shell", "--", "cat", stdin="through\nstdin\n").stdout
        == "through\nstdin\n"
    )
    failed = space.kubectl("exec", "shell", "--", "sh", "-c", "echo oops >&2; exit 5", check=False)
    assert (failed.returncode, failed.stdout) == (5, "")
    assert "oops" in failed.stderr
    assert "command terminated with exit code 5" in failed.stderr


def test_cordon_uncordon_and_drain(web: Space) -> None:
    (node,) = web.json("get", "nodes")["items"]
    name = node["metadata"]["name"]
    cluster = web.cluster
    try:
        assert cluster.out("cordon", name) == f"node/{name} cordoned\n"
        assert "Ready,SchedulingDisabled" in cluster.out("get", "node", name)
        web.apply(pod("late"))
        until(lambda: "node(s) were unschedulable" in web.out("describe", "pod", "late"))
        drained = cluster.out(
            "drain",
            name,
            "--force",
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--pod-selector=app=web",
            timeout=90,
        )
        assert f"node/{name} drained" in drained
        until(lambda: all(p["status"]["phase"] == "Pending" for p in web.pods("app=web")))
    finally:
        assert f"node/{name} uncordoned\n" in cluster.out("uncordon", name)
    web.until_ready("late")
    web.until_rolled_out("web")


def test_drain_respects_a_disruption_budget(web: Space) -> None:
    (node,) = web.json("get", "nodes")["items"]
    name = node["metadata"]["name"]
    web.apply(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web"},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
        }
    )
    until(lambda: web.json("get", "pdb", "web").get("status", {}).get("currentHealthy") == 2)
    try:
        refused = web.cluster.kubectl(
            "drain",
            name,
            "--ignore-daemonsets",
            "--force",
            "--pod-selector=app=web",
            "--timeout=3s",
            check=False,
        )
        assert refused.returncode == 1
        assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.stderr
    finally:
        web.cluster.kubectl("uncordon", name)


def test_scale(web: Space) -> None:
    assert web.out("scale", "deployment", "web", "--replicas=3") == "deployment.apps/web scaled\n"
    web.until_rolled_out("web")
    assert len(web.pods("app=web")) == 3
    refused = web.kubectl("scale", "deploy/web", "--current-replicas=9", "--replicas=1", check=False)
    assert refused.returncode == 1
    web.kubectl("scale", "deploy/web", "--replicas=0")
    until(lambda: not web.pods("app=web"))


def test_apply_client_and_server_side(space: Space) -> None:
    space.apply(deployment("web", 1))
    space.apply(deployment("web", 2))
    assert space.out("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    import json

    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    first = space.kubectl(
        "apply", "--server-side", "--field-manager=one", "-f", "-", stdin=json.dumps(config)
    )
    assert first.stdout == "configmap/c serverside-applied\n"
    config["data"]["a"] = "2"
    refused = space.kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=json.dumps(config), check=False
    )
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "one": .data.a' in refused.stderr
    space.kubectl(
        "apply",
        "--server-side",
        "--field-manager=two",
        "--force-conflicts",
        "-f",
        "-",
        stdin=json.dumps(config),
    )
    assert space.out("get", "cm", "c", "-o", "jsonpath={.data.a}") == "2"
    wrong = space.kubectl("apply", "-f", "-", stdin=json.dumps({**config, "dada": {}}), check=False)
    assert 'strict decoding error: unknown field "dada"' in wrong.stderr


def test_create_expose_run_wait(space: Space) -> None:
    assert space.out("create", "configmap", "c", "--from-literal=a=b") == "configmap/c created\n"
    assert space.out("create", "secret", "generic", "s", "--from-literal=p=q") == "secret/s created\n"
    assert (
        space.out("create", "deployment", "d", f"--image={IMAGE}", "--port=8080")
        == "deployment.apps/d created\n"
    )
    assert space.out("expose", "deployment", "d", "--port=80", "--target-port=8080") == "service/d exposed\n"
    assert space.out("run", "r", f"--image={IMAGE}") == "pod/r created\n"
    assert space.out("wait", "--for=condition=Ready", "pod/r", "--timeout=60s") == "pod/r condition met\n"
    assert (
        space.out("wait", "--for=condition=Available", "deploy/d", "--timeout=60s")
        == "deployment.apps/d condition met\n"
    )
    until(lambda: space.json("get", "endpoints", "d").get("subsets"))
    again = space.kubectl("create", "configmap", "c", check=False)
    assert (again.returncode, again.stderr) == (
        1,
        'error: failed to create configmap: configmaps "c" already exists\n',
    )
    space.kubectl("delete", "pod", "r", "--grace-period=1")
    assert space.out("wait", "--for=delete", "pod/r", "--timeout=60s") in ("", "pod/r condition met\n")


def test_run_attached_and_removed(space: Space) -> None:
    done = space.kubectl(
        "run",
        "once",
        "--rm",
        "-i",
        "--restart=Never",
        f"--image={IMAGE}",
        "--command",
        "--",
        "sh",
        "-c",
        "sleep 1; cat",
        stdin="fed\n",
    )
    assert "fed" in done.stdout
    until(lambda: space.kubectl("get", "pod", "once", check=False).returncode == 1)


def test_port_forward(web: Space) -> None:
    import http.client

    child = pexpect.spawn("kubectl", ["port-forward", "-n", web.name, "service/web", ":80"], timeout=60, encoding="utf-8",
                          env={**os.environ, "KUBECONFIG": str(web.cluster.kubeconfig)})  # fmt: skip
    try:
        child.expect(r"Forwarding from 127.0.0.1:(\d+) -> 8080")
        assert child.match
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", int(child.match[1]), timeout=30)
            connection.request("GET", "/")
            assert b"Hello from Pinnace" in connection.getresponse().read()
            connection.close()
    finally:
        child.terminate(force=True)


def test_cp_in_both_directions(space: Space, tmp_path: Path) -> None:
    space.apply(pod("files"))
    space.until_ready("files")
    (tmp_path / "up").write_text("content\n" * 1000)
    space.kubectl("cp", str(tmp_path / "up"), f"{space.name}/files:/tmp/file")
    assert space.out("exec", "files", "--", "wc", "-l", "/tmp/file").split()[0] == "1000"
    space.kubectl("cp", f"{space.name}/files:/tmp/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "content\n" * 1000


def test_explain_and_api_resources(space: Space) -> None:
    text = space.cluster.out("explain", "pods.spec.containers.image")
    assert "FIELD: image <string>" in text
    assert "Container image name" in text
    resources = space.cluster.out("api-resources")
    assert re.search(r"deployments\s+deploy\s+apps/v1\s+true\s+Deployment", resources)
    assert re.search(r"^pods\s+po\s+v1\s+true\s+Pod", resources, re.MULTILINE)
    assert "apps/v1" in space.cluster.out("api-versions").split()


def test_auth_can_i_and_config_view(space: Space) -> None:
    assert space.out("auth", "can-i", "create", "pods") == "yes\n"
    refused = space.kubectl("auth", "can-i", "create", "pods", "--as=nobody", check=False)
    assert (refused.returncode, refused.stdout) == (1, "no\n")
    space.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    space.kubectl("create", "rolebinding", "reader", "--role=reader", "--user=nobody")
    until(
        lambda: space.kubectl("auth", "can-i", "list", "pods", "--as=nobody", check=False).stdout == "yes\n"
    )
    forbidden = space.kubectl("delete", "pods", "--all", "--as=nobody", check=False)
    assert (
        f'User "nobody" cannot deletecollection resource "pods" in API group "" in the namespace "{space.name}"'
        in forbidden.stderr
        or forbidden.returncode == 0
    )
    assert "client-certificate-data: DATA+OMITTED" in space.cluster.out("config", "view")


def test_labels_annotations_and_several_names(space: Space) -> None:
    space.apply(pod("a"), pod("b"))
    space.kubectl("label", "pods", "a", "b", "tier=x")
    assert space.out("get", "pods", "-l", "tier in (x,y)", "-o", "name").split() == ["pod/a", "pod/b"]
    space.kubectl("annotate", "pod", "a", "note=hello")
    assert "tier=x" in space.out("get", "pods", "--show-labels")
    assert space.out("delete", "pod", "a", "b", "--grace-period=1").count("deleted") == 2
