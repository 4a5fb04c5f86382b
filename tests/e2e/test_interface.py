"""What scripts rely on: files, flags, endpoints and commands of `pinnace up`, on control planes and on one real node."""

import json
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e_support import SOURCE, Space, TestCluster, pinnace, pod, until

BCRYPT_OF_SESAME = "$2y$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O"


def ask(cluster: TestCluster, path: str, token: str | None = None) -> tuple[int, str]:
    """Status and body of a GET; `token` None: as the administrator, "" as nobody."""
    context = ssl.create_default_context(cafile=str(cluster.data / "ca.crt"))
    token = (cluster.data / "token").read_text().strip() if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(cluster.status()["server"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """One control plane with most flags set, by the `--config` file."""
    directory = tmp_path_factory.mktemp("plane")
    tokens = directory / "tokens.csv"
    tokens.write_text('open,jane,u1,"dev,ops"\n')
    flags = directory / "flags.yaml"
    flags.write_text(
        f"nodes: sim:3\nstore: memory\nport: 0\nservice-cidr: 10.98.0.0/16\ncluster-cidr: 10.97.0.0/16\n"
        f"token-auth-file: {tokens}\ncontrollers: ['*', '-deployment']\nfeature-gates: WatchList=true\n"
        "enable-admission-plugins: [NodeRestriction]\ndisable-admission-plugins: DefaultTolerationSeconds\n"
    )
    made = TestCluster(f"if{secrets.token_hex(2)}", directory, (f"--config={flags}",))
    made.up()
    yield made
    made.down("--purge")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestCluster]:
    made = TestCluster(f"if{secrets.token_hex(2)}", tmp_path, ("--port=0", "--nodes=none", "--store=memory"))
    yield made
    made.down("--purge")


def test_status_has_the_documented_keys(plane: TestCluster) -> None:
    status = plane.status()
    assert {"name", "server", "dataDirectory", "kubeconfig", "processes", "version", "ready"} <= set(status)
    assert (status["name"], status["dataDirectory"], status["ready"]) == (plane.name, str(plane.data), True)
    (process,) = status["processes"]
    assert set(process) == {"name", "pid"}


def test_version_and_health_answer_everybody(plane: TestCluster) -> None:
    code, body = ask(plane, "/version", token="")
    assert code == 200
    assert re.fullmatch(r"v1\.36\.\d+\+pinnace\.\d+\.\d+\.\d+", json.loads(body)["gitVersion"])
    for path in ("/livez", "/readyz", "/healthz"):
        assert ask(plane, path, token="") == (200, "ok")
        assert "[+]ping ok" in ask(plane, f"{path}?verbose", token="")[1]


def test_metrics_are_for_the_administrator(plane: TestCluster) -> None:
    code, body = ask(plane, "/metrics")
    assert code == 200
    assert "# TYPE apiserver_request_total counter" in body
    assert ask(plane, "/metrics", token="")[0] == 403
    assert ask(plane, "/metrics", token="wrong")[0] == 401


def test_tokens_of_the_file_are_users(plane: TestCluster) -> None:
    code, body = ask(plane, "/api/v1/namespaces", token="open")
    assert code == 403
    assert 'User "jane" cannot list resource "namespaces"' in json.loads(body)["message"]
    plane.kubectl("create", "clusterrolebinding", "dev", "--clusterrole=view", "--group=dev")
    until(lambda: ask(plane, "/api/v1/namespaces", token="open")[0] == 200)


def test_the_kubeconfig_is_a_client_certificate_of_the_masters(plane: TestCluster) -> None:
    assert "client-certificate-data" in plane.kubeconfig.read_text()
    review = plane.kubectl("auth", "whoami", "-o", "json").stdout
    assert "system:masters" in json.loads(review)["status"]["userInfo"]["groups"]


def test_networks_are_those_of_the_flags(plane: TestCluster) -> None:
    assert plane.json("get", "service", "kubernetes")["spec"]["clusterIP"] == "10.98.0.1"


def test_simulated_nodes_run_pods_but_have_no_containers(plane: TestCluster) -> None:
    assert len(plane.json("get", "nodes")["items"]) == 3
    until(lambda: plane.kubectl("get", "serviceaccount", "default"))
    plane.kubectl("run", "sim", "--image=x")
    plane.kubectl("wait", "pod/sim", "--for=condition=Ready", "--timeout=20s")
    spec = plane.json("get", "pod", "sim")["spec"]
    assert not [t for t in spec.get("tolerations", []) if t["key"] == "node.kubernetes.io/not-ready"]
    refused = plane.kubectl("logs", "sim", check=False)
    assert "is simulated" in refused.stderr
    refused = pinnace("image", "ls", *plane.arguments(), check=False)
    assert "there is nowhere to load images" in refused.stderr


def test_a_controller_that_was_left_out_does_not_run(plane: TestCluster) -> None:
    plane.kubectl("create", "deployment", "still", "--image=x")
    plane.kubectl("create", "namespace", "short")
    plane.kubectl("delete", "namespace", "short", "--timeout=20s")  # the others run
    assert plane.json("get", "replicasets")["items"] == []


def test_the_kubeconfig_is_merged_and_taken_out_again(fresh: TestCluster) -> None:
    others = "apiVersion: v1\nkind: Config\ncurrent-context: work\ncontexts:\n- {name: work, context: {cluster: w, user: u}}\n"
    fresh.kubeconfig.write_text(others)
    environment = {"KUBECONFIG": str(fresh.kubeconfig)}
    pinnace("up", *fresh.arguments(), *fresh.flags, env=environment)
    context = f"pinnace-{fresh.name}"
    assert set(fresh.out("config", "get-contexts", "-o", "name").split()) == {"work", context}
    assert fresh.out("config", "current-context").strip() == context
    fresh.kubectl("config", "use-context", "work")
    pinnace("up", *fresh.arguments(), *fresh.flags, env=environment)  # again: it runs, and is current again
    assert fresh.out("config", "current-context").strip() == context
    pinnace("down", *fresh.arguments(), "--purge", env=environment)
    assert fresh.out("config", "get-contexts", "-o", "name").split() == ["work"]


def test_port_zero_is_kept_over_a_restart(fresh: TestCluster) -> None:
    fresh.up()
    server = fresh.status()["server"]
    fresh.down()
    fresh.up()
    assert fresh.status()["server"] == server


def test_several_ups_at_once_start_one_cluster(fresh: TestCluster) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = [made.result() for made in [pool.submit(fresh.up) for _ in range(3)]]
    assert all(fresh.status()["server"] in answer.stdout for answer in answers)


def test_always_allow_lets_everybody_in_and_no_scheduler_places_nothing(fresh: TestCluster) -> None:
    fresh.up("--authorization-mode=AlwaysAllow", "--disable-scheduler", "--no-wait")
    assert ask(fresh, "/api/v1/nodes", token="")[0] == 200
    until(lambda: fresh.kubectl("get", "serviceaccount", "default"))
    fresh.kubectl("run", "stays", "--image=x")
    assert "nodeName" not in fresh.json("get", "pod", "stays")["spec"]
    assert fresh.json("get", "events")["items"] == []


def test_the_foreground_ends_cleanly_when_interrupted(fresh: TestCluster) -> None:
    command = [sys.executable, "-m", "pinnace", "up", "--foreground", *fresh.arguments(), *fresh.flags]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(
        [*command, f"--kubeconfig={fresh.kubeconfig}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )  # fmt: skip
    try:
        until(lambda: fresh.status()["ready"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert f"Cluster {fresh.name!r} is up" in out
    assert err == ""


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--enable-admission-plugins=Nope", "admission plugin 'Nope' is not there; there are AlwaysAdmit,"),
        ("--controllers=*,-nope", '"nope" is not in the list of known controllers'),
        ("--feature-gates=Nope=true", "unrecognized feature gate: Nope"),
        ("--bind-address=192.0.2.99", "is not an address of this machine"),
        ("--cluster-dns=10.1.2.3", "is not in the service network"),
        ("--config=/nowhere", "--config /nowhere: no such file or directory"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_one_sentence(fresh: TestCluster, flag: str, words: str) -> None:
    refused = fresh.up(flag, check=False)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not fresh.status()["processes"]


def test_a_damaged_file_of_tokens_is_named_with_the_line(fresh: TestCluster) -> None:
    tokens = fresh.directory / "tokens.csv"
    tokens.write_text("good,jane,1\nbad,joe\n")
    refused = fresh.up(f"--token-auth-file={tokens}", check=False)
    assert refused.stderr.startswith(
        f"error: --token-auth-file {tokens}: {tokens}:2: need a token, a user name"
    )


def test_a_damaged_store_is_named(fresh: TestCluster) -> None:
    fresh.flags = ("--port=0", "--nodes=none")
    (fresh.data / "db").mkdir(parents=True)
    (fresh.data / "db" / "state.db").write_bytes(b"not a database" * 1000)
    refused = fresh.up(check=False)
    assert refused.returncode == 1
    assert f"{fresh.data}/db/state.db is corrupt" in refused.stderr
    assert "Traceback" not in (fresh.data / "logs" / "server.log").read_text()


# images, on the session's real node


def test_every_kind_of_image_is_loaded_listed_run_and_removed(
    cluster: TestCluster, space: Space, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    busybox = cluster_program("busybox")
    (root / "bin" / "busybox").write_bytes(Path(busybox).read_bytes())
    (root / "bin" / "busybox").chmod(0o755)
    (root / "bin" / "sh").symlink_to("busybox")
    command = ("--entrypoint", '["/bin/sh", "-c"]', "--cmd", '["echo $GREETING; exec busybox sleep 1000"]')
    image = ("image", "load")
    pinnace(
        *image,
        str(root),
        "--tag",
        "it.example/root:1",
        *command,
        "--env",
        "GREETING=hello",
        *cluster.arguments(),
    )
    archive = tmp_path / "oci.tar"
    socket_path = str(cluster.data / "containerd" / "state" / "containerd.sock")
    ctr = ["ctr", "--address", socket_path, "--namespace", "k8s.io", "images"]
    subprocess.run([*ctr, "export", str(archive), "it.example/root:1"], check=True, capture_output=True)
    layout = tmp_path / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(layout)], check=True)
    docker = docker_archive_of(layout, tmp_path / "docker.tar")
    sources = {"oci": archive, "layout": layout, "docker": docker}
    for kind, source in sources.items():
        pinnace(*image, str(source), "--tag", f"it.example/{kind}:1", *cluster.arguments())
    listed = pinnace("image", "ls", *cluster.arguments()).stdout
    for kind in ("root", *sources):
        assert f"it.example/{kind}:1 " in listed
        space.kubectl("run", kind, f"--image=it.example/{kind}:1", "--image-pull-policy=Never")
    for kind in ("root", *sources):
        until(lambda kind=kind: space.out("logs", kind) == "hello\n")  # type: ignore[misc] # bound now
    pinnace("image", "rm", "it.example/oci:1", *cluster.arguments())
    assert "it.example/oci:1 " not in pinnace("image", "ls", *cluster.arguments()).stdout
    refused = pinnace("image", "rm", "it.example/oci:1", *cluster.arguments(), check=False)
    assert 'image "it.example/oci:1" is not on the node' in refused.stderr


def cluster_program(name: str) -> str:
    from pinnace.cluster.preflight import find_program

    return find_program(name)


def docker_archive_of(layout: Path, target: Path) -> Path:
    """The layout's image as `docker save` of old wrote it: a manifest.json and no index."""

    def blob(descriptor: dict[str, Any]) -> str:
        return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")

    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads((layout / blob(entry)).read_text())
    names = {"Config": blob(manifest["config"]), "Layers": [blob(layer) for layer in manifest["layers"]]}
    (layout / "manifest.json").write_text(json.dumps([{**names, "RepoTags": ["old:1"]}]))
    with tarfile.open(target, "w") as archive:
        for name in ("manifest.json", names["Config"], *names["Layers"]):
            archive.add(layout / name, arcname=name)
    (layout / "manifest.json").unlink()
    return target


def test_a_login_of_the_registry_config_pulls(tmp_path: Path) -> None:
    """A registry that wants a password, on a cluster that knows it and for a pod without a pull secret."""
    from e2e.conftest import load_demo_image

    registry, port = start_registry(tmp_path)
    config = tmp_path / "registries.yaml"
    config.write_text(f"configs: {{'127.0.0.1:{port}': {{auth: {{username: jane, password: sesame}}}}}}\n")
    flags = ("--port=0", "--kubelet-port=0", "--disable-ingress", f"--registry-config={config}")
    made = TestCluster(f"rg{secrets.token_hex(2)}", tmp_path, flags)
    try:
        made.up()
        load_demo_image(made)
        reference = f"127.0.0.1:{port}/private/app:1"
        socket_path = str(made.data / "containerd" / "state" / "containerd.sock")
        ctr = ["ctr", "--address", socket_path, "--namespace", "k8s.io", "images"]
        for words in (
            ("tag", "pinnace.local/demo:1", reference),
            ("push", "--plain-http", "--user", "jane:sesame", reference),
            ("rm", "--sync", reference),
        ):
            subprocess.run([*ctr, *words], check=True, capture_output=True)
        until(lambda: made.kubectl("get", "serviceaccount", "default"))
        made.apply(pod("private", container={"image": reference}))
        made.kubectl("wait", "pod/private", "--for=condition=Ready", "--timeout=30s")
    finally:
        made.down("--purge")
        registry.kill()
        registry.wait()


def start_registry(directory: Path) -> "tuple[subprocess.Popen[bytes], int]":
    program = cluster_program("docker-registry")
    if not program:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "htpasswd").write_text(f"jane:{BCRYPT_OF_SESAME}\n")
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}},
    }
    (directory / "registry.yml").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [program, "serve", str(directory / "registry.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() is None, within=60)
    return process, port
