from pathlib import Path

import pytest

from pinnace.kubelet.cgroups.hierarchy import CgroupV1, CgroupV2, detect
from pinnace.kubelet.cgroups.pods import PodCgroups
from unit.kubelet.runtime_builders import make_pod

V1 = "30 20 0:1 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n31 20 0:2 / /cg/memory rw - cgroup cgroup rw,memory"
V2 = "32 20 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"


def test_detection() -> None:
    assert isinstance(detect(V1), CgroupV1)
    assert isinstance(detect(f"{V2}\n{V1}"), CgroupV1)
    assert isinstance(detect(V2), CgroupV2)
    with pytest.raises(RuntimeError, match="no control groups are mounted"):
        detect("1 1 0:1 / / rw - ext4 /dev/x rw")


def test_pods_lie_below_their_class(tmp_path: Path) -> None:
    mounts = {"cpu": tmp_path / "cpu", "memory": tmp_path / "memory"}
    cgroups = PodCgroups(CgroupV1(mounts), "/pinnace-x")
    pod = make_pod({"name": "c", "resources": {"limits": {"memory": "1Mi"}, "requests": {"cpu": "500m"}}})
    path = cgroups.create(pod)
    assert path == "/pinnace-x/kubepods/burstable/poduid-1"
    directory = tmp_path / "cpu" / path.lstrip("/")
    assert (directory / "cpu.shares").read_text() == "512"
    memory = tmp_path / "memory" / path.lstrip("/") / "memory.limit_in_bytes"
    assert memory.read_text() == str(1024 * 1024)
    assert cgroups.leftovers({"uid-1"}) == []
    assert cgroups.leftovers(set()) == [path]


def test_weights_in_version_two(tmp_path: Path) -> None:
    hierarchy = CgroupV2(tmp_path)
    hierarchy.create("/a/b", {"cpu_shares": 1024, "cpu_quota": 50_000, "memory_limit": 4096})
    assert (tmp_path / "a/b/cpu.weight").read_text() == "39"
    assert (tmp_path / "a/b/cpu.max").read_text() == "50000 100000"
    assert (tmp_path / "a/b/memory.max").read_text() == "4096"
    assert hierarchy.children("/a") == ["b"]
