import os
import resource
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from pinnace.cluster import preflight
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.preflight import Findings


def real_node(**values: object) -> ClusterConfig:
    return ClusterConfig(**values)  # type: ignore[arg-type] # by name, as flags come


def test_a_control_plane_needs_nothing_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(preflight, "find_program", lambda _: "")
    assert preflight.run(ClusterConfig(nodes="none", data_dir=str(tmp_path))) == Findings()


def test_a_real_node_needs_root_and_says_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (reason,) = preflight.run(real_node()).fatal
    assert "needs root: run `sudo pinnace up`" in reason
    assert "`pinnace up --nodes none`" in reason


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The programs of a machine that has them all; a test takes some away."""
    there = {"containerd", "runc", "nft", "ip", "haproxy", "conntrack"}
    monkeypatch.setattr(preflight, "find_program", lambda name: f"/usr/bin/{name}" if name in there else "")
    monkeypatch.setattr(preflight, "cni_directory", lambda: Path("/usr/lib/cni"))
    return there


def found(config: ClusterConfig) -> Findings:
    findings = Findings()
    preflight._programs(config, findings)
    return findings


def test_missing_programs_come_in_one_sentence_with_one_command(
    programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(real_node()) == Findings()
    programs -= {"runc", "nft"}
    monkeypatch.setattr(preflight, "cni_directory", lambda: None)
    assert found(real_node()).fatal == [
        "runc, nft, CNI plugins (bridge, host-local, portmap, loopback) are not installed: "
        "run `apt-get install -y runc nftables containernetworking-plugins`"
    ]


def test_another_runtime_needs_no_containerd(programs: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    programs -= {"containerd", "runc"}
    monkeypatch.setattr(preflight, "cni_directory", lambda: None)
    assert found(real_node(container_runtime_endpoint="unix:///run/crio.sock")).fatal == []


def test_what_can_be_done_without_is_a_warning(programs: set[str]) -> None:
    programs -= {"haproxy", "conntrack"}
    findings = found(real_node())
    assert findings.fatal == []
    assert [w.partition(" is not installed")[0] for w in findings.warnings] == ["haproxy", "conntrack"]
    assert len(found(real_node(disable_ingress=True)).warnings) == 1


def test_few_open_files_are_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    findings = Findings()
    preflight._limits(findings)
    assert findings.fatal[0] == "at most 1024 open files are allowed, 4096 are needed: run `ulimit -n 65536`"


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 2**20))
    (reason,) = preflight.run(ClusterConfig(nodes="none", data_dir=str(tmp_path / "new"))).fatal
    assert reason.startswith(f"the disk of {tmp_path} is full (5 MiB free, 200 needed)")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (reason,) = preflight.run(ClusterConfig(nodes="none", data_dir=str(tmp_path))).fatal
    assert reason == f"{tmp_path} is not writable: choose another place with --data-dir DIR"


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert not preflight.port_holder(port).pid  # bound, but nobody listens
        listener.listen()
        holder = preflight.port_holder(port)
        assert holder.pid == os.getpid()
        assert str(holder) == f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
        assert not preflight.port_is_free(port, "127.0.0.1")


@pytest.mark.parametrize(
    ("command", "is_pinnace"),
    [
        ("python -m pinnace.cluster --name=x", True),
        ("/venv/bin/python /venv/bin/pinnace server", True),
        ("haproxy -f /var/lib/pinnace/x/ingress/haproxy.cfg", True),
        ("haproxy -f /etc/haproxy/haproxy.cfg", False),
        ("python -m http.server", False),
    ],
)
def test_our_own_programs_are_known(command: str, is_pinnace: bool) -> None:
    assert preflight._is_pinnace(command.split()) is is_pinnace
