import json
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pinnace.component.clock import RealClock
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.private_containerd import (
    BridgeNetwork,
    ContainerdConfig,
    PrivateContainerd,
    render_cni,
    render_config,
)
from pinnace.kubelet.cri.runtime import CriError, RuntimeVersion
from pinnace.testing.fake_clock import FakeClock


def config(base: Path) -> ContainerdConfig:
    return ContainerdConfig(base / "root", base / "state", base / "cni", restrict_oom_score_adj=True)


def test_configuration_is_private_and_valid_toml() -> None:
    parsed = tomllib.loads(render_config(config(Path("/data"))))
    assert parsed["grpc"]["address"] == "/data/state/containerd.sock"
    cri = parsed["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"]["conf_dir"] == "/data/cni"
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


def test_bridge_network() -> None:
    network = BridgeNetwork("n", "pn0", "10.42.0.0/24", Path("/data/ipam"), mtu=1400)
    parsed = json.loads(render_cni(network))
    bridge, ports = parsed["plugins"]
    assert (bridge["bridge"], bridge["mtu"]) == ("pn0", 1400)
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.42.0.0/24"}]]
    assert ports["type"] == "portmap"


def test_bridge_network_of_two_families_with_shapers() -> None:
    network = BridgeNetwork(
        "n", "pn0", "10.42.0.0/24,fd42::/64", Path("/data/ipam"), port_map=False, bandwidth=True
    )
    bridge, shaper = json.loads(render_cni(network))["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.42.0.0/24"}], [{"subnet": "fd42::/64"}]]
    assert bridge["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    assert shaper == {"type": "bandwidth", "capabilities": {"bandwidth": True}}


async def test_a_path_too_long_for_a_socket_is_told() -> None:
    server = PrivateContainerd(config(Path("/" + "x" * 100)), None, FakeClock())
    with pytest.raises(RuntimeError, match="choose a shorter data directory"):
        await server.start()


def test_logins_of_registries_are_containerds_own() -> None:
    base = config(Path("/data"))
    logins = {"127.0.0.1:5000": {"username": "jane", "password": 'se"same'}}
    parsed = tomllib.loads(render_config(replace(base, registry_dir=Path("/hosts"), registry_logins=logins)))
    registry = parsed["plugins"]["io.containerd.grpc.v1.cri"]["registry"]
    assert registry["config_path"] == "/hosts"
    assert registry["configs"]["127.0.0.1:5000"]["auth"] == logins["127.0.0.1:5000"]


async def test_a_containerd_that_still_reads_what_runs_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket answers before its CRI part does, for as long as it takes to find the containers of before."""
    answers = [CriError("UNAVAILABLE", "no"), CriError("UNKNOWN", "server is not initialized yet")]

    async def version(_: CriClient) -> RuntimeVersion:
        if answers:
            raise answers.pop(0)
        return RuntimeVersion("containerd", "1.6.20")

    monkeypatch.setattr(CriClient, "version", version)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "containerd").write_text("#!/bin/sh\nexec sleep 60\n")
    (programs / "containerd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    settings = replace(config(tmp_path), sandbox_image="another")
    settings.socket.parent.mkdir(parents=True)
    settings.socket.touch()
    server = PrivateContainerd(settings, None, RealClock())
    try:
        await server.start(within=5)
        assert not answers
    finally:
        await server.stop()
