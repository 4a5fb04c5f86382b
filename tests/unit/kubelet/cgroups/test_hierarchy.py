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


def test_the_kernels_refusal_of_a_change_is_an_error_but_not_when_a_group_is_made(tmp_path: Path) -> None:
    hierarchy = CgroupV2(tmp_path)
    hierarchy.create("/a", {"memory_limit": 4096})
    hierarchy.update("/a", {"memory_limit": 8192, "pids_limit": 5, "hugetlb.2MB": 0})
    assert (tmp_path / "a/memory.max").read_text() == "8192"
    assert (tmp_path / "a/pids.max").read_text() == "5"
    assert (tmp_path / "a/hugetlb.2MB.max").read_text() == "0"
    with pytest.raises(OSError, match="gone"):
        hierarchy.update("/gone", {"memory_limit": 1})


def test_files_of_version_one(tmp_path: Path) -> None:
    mounts = {name: tmp_path / name for name in ("cpu", "memory", "pids", "hugetlb")}
    hierarchy = CgroupV1(mounts)
    settings = {"cpu_shares": 2, "cpu_quota": 1000, "memory_limit": 4096, "pids_limit": 5, "hugetlb.2MB": 0}
    hierarchy.create("/a", settings)
    assert (tmp_path / "cpu/a/cpu.cfs_quota_us").read_text() == "1000"
    assert (tmp_path / "pids/a/pids.max").read_text() == "5"
    assert (tmp_path / "hugetlb/a/hugetlb.2MB.limit_in_bytes").read_text() == "0"
    (tmp_path / "memory/a/memory.usage_in_bytes").write_text("77\n")
    assert hierarchy.memory_usage("/a") == 77
    assert hierarchy.memory_usage("/gone") == 0
    assert not hierarchy.counts_swap()
    (tmp_path / "memory/memory.memsw.limit_in_bytes").touch()
    assert hierarchy.counts_swap()
    (tmp_path / "hugetlb/hugetlb.2MB.usage_in_bytes").touch()
    assert hierarchy.page_sizes() == ("2MB",)


def test_what_version_two_can_limit(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    hierarchy = CgroupV2(tmp_path)
    assert (hierarchy.counts_swap(), hierarchy.page_sizes()) == (False, ())
    for name in ("memory.swap.max", "hugetlb.1GB.max", "hugetlb.2MB.max"):
        (tmp_path / "a" / name).touch()
    assert (hierarchy.counts_swap(), hierarchy.page_sizes()) == (True, ("1GB", "2MB"))
