"""What goes wrong on machines: taken ports, missing programs, killed servers; and nothing left behind."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_support import SOURCE, TestCluster, deployment, leftovers, pinnace, until


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[TestCluster]:
    made = TestCluster(f"cp{secrets.token_hex(2)}", tmp_path, ("--port=0", "--nodes=none"))
    yield made
    made.down("--purge")


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[TestCluster]:
    made = TestCluster(
        f"w{secrets.token_hex(2)}", tmp_path, ("--port=0", "--kubelet-port=0", "--disable-ingress")
    )
    yield made
    made.down("--purge")


def test_up_when_already_up_says_so(control_plane: TestCluster) -> None:
    control_plane.up()
    again = control_plane.up()
    assert "is already running at https://127.0.0.1:" in again.stdout


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        port = holder.getsockname()[1]
        made = TestCluster("busy", tmp_path, (f"--port={port}", "--nodes=none"))
        refused = made.up(check=False)
        assert refused.returncode == 1
        assert f"API server port {port} is taken by python" in refused.stderr
        assert "--port N" in refused.stderr
    made.down("--purge")


def test_without_root_a_real_node_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """The server's process believes to run as nobody; the interpreter itself may be readable by root only."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.geteuid = lambda: 65534\n")
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{SOURCE}"}
    flags = ("--name=nr", f"--data-dir={tmp_path}/d", f"--kubeconfig={tmp_path}/k")
    done = subprocess.run(
        [sys.executable, "-m", "pinnace", "up", *flags],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    words = "a real node needs root: run `sudo pinnace up`, or start a cluster without containers: `pinnace up --nodes none`"
    assert done.stderr == f"error: {words}\n"


def test_without_containerd_the_package_is_named(tmp_path: Path) -> None:
    """The programs are looked up on PATH and in the system's directories: both are emptied for the child."""
    script = (
        "from pinnace.cluster import preflight\n"
        "from pinnace.cluster.config import ClusterConfig\n"
        "preflight.find_program = lambda name: '' if name in ('containerd', 'runc') else '/bin/true'\n"
        f"print(preflight.run(ClusterConfig(name='x', data_dir={str(tmp_path)!r})).fatal[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert done.stdout == "containerd, runc are not installed: run `apt-get install -y containerd runc`\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "error parsing STDIN"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x}\n", "spec.containers: Required value"),
        (
            "kind: Pod\napiVersion: v1\nmetadata: {name: X}\nspec: {containers: [{name: c, image: i}]}\n",
            "a lowercase RFC 1123 subdomain must consist of",
        ),
        ("kind: Nope\napiVersion: v1\nmetadata: {name: x}\n", 'no matches for kind "Nope" in version "v1"'),
        (
            "kind: Pod\napiVersion: v1\nmetadata: {name: x}\nspec: {containers: [{name: c, image: i, imag: j}]}\n",
            'unknown field "spec.containers[0].imag"',
        ),
        (
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: x}\nspec: {replicas: many}\n",
            "cannot unmarshal string into Go struct field",
        ),
    ],
)
def test_a_broken_manifest_is_refused_with_the_reason(cluster: TestCluster, text: str, words: str) -> None:
    refused = cluster.kubectl("apply", "-f", "-", stdin=text, check=False)
    assert refused.returncode == 1
    assert words in refused.stderr, refused.stderr


def test_down_leaves_nothing(whole: TestCluster) -> None:
    whole.up()
    from e2e.conftest import load_demo_image

    load_demo_image(whole)
    whole.apply(deployment("web", 2))
    whole.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    others = {entry for entry in leftovers("", Path("/nonexistent")) if entry.startswith("link veth")}
    assert leftovers(whole.name, whole.data)
    whole.down()
    remaining = [entry for entry in leftovers(whole.name, whole.data) if not entry.startswith("link")]
    assert remaining == []
    assert others is not None
    whole.up()
    whole.kubectl("rollout", "status", "deploy/web", "--timeout=60s")


def test_a_killed_server_loses_nothing_that_it_acknowledged(whole: TestCluster) -> None:
    """kill -9 while 500 creates are in flight: every acknowledged object is there, containers ran on, watches resume."""
    whole.up()
    from e2e.conftest import load_demo_image

    load_demo_image(whole)
    whole.apply(deployment("web", 1))
    whole.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    before = container_ids(whole)
    acknowledged = create_many(whole, 500, kill_after=150)
    assert 0 < len(acknowledged) < 500
    environment = {**os.environ, "KUBECONFIG": str(whole.kubeconfig)}
    port = whole.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").stdout.rpartition(
        ":"
    )[2]
    whole.flags = (f"--port={port}", *whole.flags[1:])
    whole.up()
    names = {item["metadata"]["name"] for item in whole.json("get", "configmaps")["items"]}
    assert acknowledged <= names
    until(lambda: whole.out("get", "nodes", "--no-headers").split()[1] == "Ready")
    assert container_ids(whole) == before
    assert environment


def container_ids(cluster: TestCluster) -> list[tuple[str, int]]:
    pods = cluster.json("get", "pods", "-l", "app=web")["items"]
    return [(s["containerID"], s["restartCount"]) for p in pods for s in p["status"]["containerStatuses"]]


def create_many(cluster: TestCluster, count: int, kill_after: int) -> set[str]:
    """Create ConfigMaps from eight connections and kill the server in the middle; the names that were answered with 201."""
    import http.client
    import ssl

    server = cluster.status()["server"].removeprefix("https://")
    token = (cluster.data / "token").read_text().strip()
    context = ssl.create_default_context(cafile=str(cluster.data / "ca.crt"))
    acknowledged: set[str] = set()
    todo = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        connection = http.client.HTTPSConnection(server, context=context, timeout=10)
        while True:
            with lock:
                number = next(todo, None)
            if number is None:
                return
            name = f"c{number}"
            body = json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name},
                    "data": {"x": "y" * 500},
                }
            )
            try:
                connection.request(
                    "POST",
                    "/api/v1/namespaces/default/configmaps",
                    body,
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                with lock:
                    acknowledged.add(name)
                    if len(acknowledged) == kill_after:
                        os.kill(pid, signal.SIGKILL)

    pid = cluster.pid()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged


def test_status_and_down_of_what_is_not_there(tmp_path: Path) -> None:
    missing = TestCluster("ghost", tmp_path)
    assert missing.status()["processes"] == []
    assert "does not exist" in missing.down().stdout
    refused = pinnace("image", "ls", *missing.arguments(), check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "error: the cluster is not running: start it with `pinnace up`\n",
    )


def test_two_clusters_live_side_by_side(cluster: TestCluster, whole: TestCluster) -> None:
    whole.up()
    assert whole.status()["server"] != cluster.status()["server"]
    assert cluster.out("get", "nodes", "--no-headers").split()[1] == "Ready"
    assert whole.out("get", "nodes", "--no-headers").split()[1] == "Ready"
