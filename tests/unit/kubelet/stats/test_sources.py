from pathlib import Path

from pinnace.kubelet.stats.cgroups import CgroupFiles, parse_mounts
from pinnace.kubelet.stats.proc import Proc, disk_usage, filesystem, parse_net_dev
from pinnace.kubelet.stats.usage import Memory, Network, Usage

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_controllers_of_v1_win_on_a_hybrid_machine() -> None:
    mounts = parse_mounts(HYBRID.splitlines())
    assert mounts == {
        "cpuacct": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "memory": Path("/sys/fs/cgroup/memory"),
        "pids": Path("/sys/fs/cgroup/pids"),
        "": Path("/sys/fs/cgroup/unified"),
    }
    assert not CgroupFiles(mounts).is_v2


def test_usage_of_a_v1_cgroup_counts_what_is_below_it(tmp_path: Path) -> None:
    stat = "total_inactive_file 300\ntotal_rss 100\ntotal_pgfault 7\ntotal_pgmajfault 1\nrss 5\n"
    cpu, memory = tmp_path / "cpu/pods/a", tmp_path / "memory/pods/a"
    for directory in (cpu, memory):
        directory.mkdir(parents=True)
    (cpu / "cpuacct.usage").write_text("12345\n")
    (memory / "memory.usage_in_bytes").write_text("1000\n")
    (memory / "memory.stat").write_text(stat)
    files = CgroupFiles({"cpuacct": tmp_path / "cpu", "memory": tmp_path / "memory"})
    assert files.usage("/pods/a") == Usage(12345, Memory(1000, 700, 100, 7, 1))
    assert files.usage("/pods/gone") is None


def test_usage_of_a_v2_cgroup(tmp_path: Path) -> None:
    group = tmp_path / "pods/a"
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text("usage_usec 12\nuser_usec 5\n")
    (group / "memory.current").write_text("1000\n")
    (group / "memory.stat").write_text("anon 100\ninactive_file 300\npgfault 7\npgmajfault 1\n")
    (group / "pids.current").write_text("3\n")
    files = CgroupFiles({"": tmp_path})
    assert files.usage("pods/a") == Usage(12000, Memory(1000, 700, 100, 7, 1))
    assert files.processes("/pods/a") == 3


def test_the_node_comes_from_proc(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(
        "MemTotal: 100 kB\nMemFree: 40 kB\nInactive(file): 10 kB\nAnonPages: 5 kB\n"
    )
    (tmp_path / "stat").write_text("cpu  1 2 3 400 50 6 7 8 0 0\ncpu0 1 2 3\nbtime 1700000000\n")
    (tmp_path / "vmstat").write_text("pgfault 9\npgmajfault 2\n")
    proc = Proc(tmp_path)
    usage = proc.node_usage()
    assert usage.cpu_nanos == 27 * 10_000_000
    assert usage.memory == Memory(60 * 1024, 50 * 1024, 5 * 1024, 9, 2)
    assert proc.boot_time() == 1_700_000_000
    assert proc.network(99) == []


def test_interfaces_without_loopback() -> None:
    text = "head\nhead\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 1 2 0 0 0 0 0 20 1 3 0 0 0 0 0\n"
    assert parse_net_dev(text) == [Network("eth0", 10, 2, 20, 3)]


def test_disk_usage_walks_directories_and_survives_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"x" * 100_000)
    used, inodes = disk_usage(tmp_path / "a")
    assert used >= 100_000
    assert inodes == 3
    assert disk_usage(tmp_path / "none") == (0, 0)
    assert filesystem(tmp_path).capacity > 0
