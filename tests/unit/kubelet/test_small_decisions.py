"""Resources, admission, security, image credentials, log rotation, node status."""

import base64
import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pinnace.kubelet import resources, security
from pinnace.kubelet.admission import refusal
from pinnace.kubelet.crash_loops import go_seconds
from pinnace.kubelet.cri.messages import message_classes
from pinnace.kubelet.cri.runtime import Image
from pinnace.kubelet.environment import ConfigError
from pinnace.kubelet.housekeeping import dead_to_remove
from pinnace.kubelet.image_credentials import Credential, credentials_for, unreadable
from pinnace.kubelet.log_rotation import needs_rotation, rotate
from pinnace.kubelet.node_status import quantities, without_heartbeats
from pinnace.kubelet.pod_workers import concerns_kubelet
from unit.kubelet.runtime_builders import exited, make_pod, ran

GIB = 1024**3
NODE = {"metadata": {"name": "n", "labels": {"disk": "ssd"}}}
ALLOCATABLE = {"cpu": Decimal(2), "memory": Decimal(GIB), "pods": Decimal(3)}


def with_resources(**sides: dict[str, str]) -> dict[str, Any]:
    return {"name": "c", "image": "i", "resources": sides}


def test_shares_quota_and_oom_score() -> None:
    container = with_resources(requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "500m"})
    result = resources.container_resources(make_pod(container), container, GIB)
    assert (result["cpu_shares"], result["cpu_quota"], result["oom_score_adj"]) == (256, 50_000, 750)
    plain = {"name": "c"}
    assert resources.container_resources(make_pod(plain), plain, GIB) == {
        "cpu_shares": 2,
        "cpu_period": 100_000,
        "oom_score_adj": 1000,
    }


def test_admission_in_upstream_words() -> None:
    greedy = make_pod(with_resources(requests={"cpu": "3"}))
    assert refusal(greedy, NODE, [], ALLOCATABLE) == (
        "OutOfcpu",
        "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000",
    )
    assert refusal(make_pod(nodeSelector={"disk": "hdd"}), NODE, [], ALLOCATABLE) == (
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    )
    reason = refusal(make_pod(), NODE, [make_pod()] * 3, ALLOCATABLE)
    assert reason is not None
    assert reason[0] == "OutOfpods"
    port = make_pod({"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]})
    clash = refusal(port, NODE, [port], ALLOCATABLE)
    assert clash is not None
    assert clash[0] == "NodePorts"
    assert refusal(make_pod(), NODE, [], ALLOCATABLE) is None


def test_who_may_run_as_root() -> None:
    pod = make_pod(securityContext={"runAsNonRoot": True})
    container = pod["spec"]["containers"][0]
    security.verify_non_root(pod, container, Image("x", user_id=1000))
    with pytest.raises(
        ConfigError, match=r"image will run as root \(pod: \"web_default\(uid-1\)\", container: c\)"
    ):
        security.verify_non_root(pod, container, Image("x", user_id=0))
    with pytest.raises(ConfigError, match=r"image has non-numeric user \(app\), cannot verify"):
        security.verify_non_root(pod, container, Image("x", username="app"))


def test_container_settings_win_over_the_pods() -> None:
    container = {"name": "c", "securityContext": {"runAsUser": 5, "capabilities": {"drop": ["ALL"]}}}
    context = security.container_context(make_pod(container, securityContext={"runAsUser": 7}), container)
    assert context["run_as_user"] == {"value": 5}
    assert context["capabilities"]["drop_capabilities"] == ["ALL"]
    assert not context["privileged"]


def test_pull_secrets_by_registry() -> None:
    def secret(**auths: dict[str, str]) -> dict[str, Any]:
        text = json.dumps({"auths": {key.replace("_", "."): value for key, value in auths.items()}})
        data = {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
        return {"metadata": {"name": "s"}, "data": data}

    encoded = base64.b64encode(b"me:pw").decode()
    (found,) = credentials_for("ghcr.io/a/b:1", [secret(ghcr_io={"auth": encoded}, docker_io={"auth": "x"})])
    auth = found.auth
    assert auth is not None
    assert (auth["username"], auth["password"]) == ("me", "pw")
    assert credentials_for("quay.io/a", [secret(ghcr_io={"auth": encoded})]) == [Credential()]


def test_pull_secrets_that_cannot_be_read_are_named() -> None:
    good, bad = (
        docker_secret({"auths": {"quay.io": {"username": "me"}}}),
        docker_secret({"auths": {"quay.io": 7}}),
    )
    bad["metadata"]["name"] = "bad"
    assert unreadable([good, bad, {"metadata": {"name": "of-another-type"}, "data": {"a": "Yg=="}}]) == [
        "bad"
    ]


@pytest.mark.parametrize(
    ("server", "image", "is_meant"),
    [
        ("*.example.com", "eu.example.com/a", True),
        ("*.example.com", "example.com/a", False),
        ("*.example.com", "a.b.example.com/a", False),
        ("*.*.example.com", "a.b.example.com/a", True),
        ("pre*.example.com:5000/team", "prefix.example.com:5000/team/a", True),
        ("*.example.com:5000", "eu.example.com/a", False),
        ("*.example.com/team", "eu.example.com/other", False),
        ("https://127.0.0.1:5000", "127.0.0.1:5000/a", True),
    ],
)
def test_logins_may_name_hosts_by_patterns(server: str, image: str, is_meant: bool) -> None:
    (found,) = credentials_for(image, [docker_secret({"auths": {server: {"username": "me"}}})])
    assert (found.auth is not None) is is_meant
    if found.auth:
        assert "server_address" not in found.auth  # containerd would take it for a URL


@pytest.mark.parametrize(
    "content",
    [None, 7, "text", [], {}, {"auths": None}, {"auths": "text"}, {"auths": ["quay.io"]}, {"auths": {"quay.io": "text"}},
     {"auths": {"quay.io": None}}, {"auths": {"quay.io": {"auth": "no base64!"}}}, {"auths": {"quay.io": {"auth": 7}}},
     {"auths": {"quay.io": {"username": 7}}}],
)  # fmt: skip
def test_a_secret_that_is_no_login_gives_none_and_hides_no_other(content: object) -> None:
    good = docker_secret({"auths": {"quay.io": {"username": "me", "password": "x"}}})
    assert [
        one.auth["username"]
        for one in credentials_for("quay.io/a", [docker_secret(content), good])
        if one.auth
    ] == ["me"]
    assert credentials_for("quay.io/a", [docker_secret(content)]) == [Credential()]


def docker_secret(content: object) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(content).encode()).decode()
    return {"metadata": {"name": "s", "namespace": "d", "uid": "u"}, "data": {".dockerconfigjson": data}}


def test_rotation_keeps_a_few_compressed_parts(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for hour in range(6):
        path.write_text("x" * 20)
        assert needs_rotation(path, 10)
        rotate(path, 3, datetime(2026, 1, 1, hour, tzinfo=UTC))
    parts = sorted(part.name for part in tmp_path.iterdir())
    assert parts == ["0.log.20260101-040000.gz", "0.log.20260101-050000"]
    with gzip.open(tmp_path / parts[0], "rt") as part:
        assert part.read() == "x" * 20


def test_dead_containers_to_remove() -> None:
    newest = [ran(attempt=3), exited(attempt=2), exited(attempt=1), exited(attempt=0)]
    assert [one.attempt for one in dead_to_remove(newest)] == [1, 0]
    crashed = newest[1:]
    assert [one.attempt for one in dead_to_remove(crashed)] == [0]


def test_go_durations() -> None:
    assert [go_seconds(one) for one in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]


def test_amounts_as_upstream_shows_them() -> None:
    assert quantities({"memory": Decimal(2048), "cpu": Decimal("1.5"), "pods": Decimal(110)}) == {
        "cpu": "1500m",
        "memory": "2Ki",
        "pods": "110",
    }


def test_a_heartbeat_alone_is_no_change() -> None:
    one = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "a"}]}
    other = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "b"}]}
    assert without_heartbeats(one) == without_heartbeats(other)


def test_the_echo_of_a_status_concerns_nobody() -> None:
    old = make_pod(status={"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]})
    new = make_pod(status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
    assert not concerns_kubelet(old, new)
    gate = make_pod(status={"phase": "Running", "conditions": [{"type": "gate", "status": "True"}]})
    assert concerns_kubelet(old, gate)
    assert concerns_kubelet(old, make_pod(status=old["status"], hostNetwork=True))


def test_selinux_options_reach_the_runtime() -> None:
    own, whole = {"level": "s0:c1,c2"}, {"user": "u", "level": "s0"}
    pod = {"metadata": {}, "spec": {"containers": [], "securityContext": {"seLinuxOptions": whole}}}
    container = {"name": "c", "securityContext": {"seLinuxOptions": own}}
    assert security.sandbox_context(pod)["selinux_options"] == whole
    assert security.container_context(pod, container)["selinux_options"] == own
    message = message_classes()["LinuxContainerSecurityContext"](selinux_options=own)
    assert message.SerializeToString() == b"\x22\x0a\x22\x08s0:c1,c2"
