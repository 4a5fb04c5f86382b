"""The node from /proc and statvfs: cpu, memory, processes, network counters, filesystems."""

import os
from pathlib import Path

from pinnace.kubelet.stats.usage import Filesystem, Memory, Network, Usage

NANOS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Proc:
    """`root` is /proc, or a test's copy."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root

    def node_usage(self) -> Usage:
        memory = self.meminfo()
        used = memory["MemTotal"] - memory["MemFree"]
        faults = _named(self._root / "vmstat", ("pgfault", "pgmajfault"))
        return Usage(self._busy_nanos(), Memory(
            usage=used,
            working_set=max(0, used - memory.get("Inactive(file)", 0)),
            rss=memory.get("AnonPages", 0),
            page_faults=faults.get("pgfault", 0),
            major_page_faults=faults.get("pgmajfault", 0),
        ))  # fmt: skip

    def meminfo(self) -> dict[str, int]:
        """Bytes by name."""
        rows = (line.split() for line in (self._root / "meminfo").read_text().splitlines())
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) >= 2}

    def _busy_nanos(self) -> int:
        first = (self._root / "stat").read_text().partition("\n")[0].split()
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
        return (user + nice + system + irq + softirq + steal) * NANOS_PER_TICK

    def processes(self) -> tuple[int, int]:
        """(tasks now, the most there may be)."""
        running = int((self._root / "loadavg").read_text().split()[3].partition("/")[2])
        limits = [int((self._root / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max")]
        return running, min(limits)

    def boot_time(self) -> int:
        """Seconds of the Unix epoch."""
        return _named(self._root / "stat", ("btime",)).get("btime", 0)

    def network(self, pid: int | None = None) -> list[Network]:
        """Interfaces of this process's network namespace (or our own), without loopback; [] when it is gone."""
        try:
            text = (self._root / (str(pid) if pid else "self") / "net/dev").read_text()
        except OSError:
            return []
        return parse_net_dev(text)

    def default_interface(self) -> str:
        """The one that the default route leaves by."""
        try:
            rows = (line.split() for line in (self._root / "net/route").read_text().splitlines()[1:])
            return next((row[0] for row in rows if row[1] == "00000000"), "")
        except OSError:
            return ""


def _named(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if row and row[0] in names}


def parse_net_dev(text: str) -> list[Network]:
    found = []
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        values = numbers.split()
        if name.strip() != "lo" and len(values) >= 11:
            found.append(
                Network(name.strip(), int(values[0]), int(values[2]), int(values[8]), int(values[10]))
            )
    return found


def filesystem(path: Path) -> Filesystem:
    """Of the mount that holds `path`. Raises OSError."""
    stat = os.statvfs(path)
    return Filesystem(
        capacity=stat.f_blocks * stat.f_frsize,
        available=stat.f_bavail * stat.f_frsize,
        used=(stat.f_blocks - stat.f_bfree) * stat.f_frsize,
        inodes=stat.f_files,
        inodes_free=stat.f_ffree,
    )


def disk_usage(path: Path) -> tuple[int, int]:
    """(bytes on disk, inodes) below `path`, on its filesystem only; what vanishes meanwhile is not counted."""
    try:
        device = path.lstat().st_dev
    except OSError:
        return 0, 0
    total, inodes, todo = 0, 1, [os.fspath(path)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    if stat.st_dev == device:
                        total, inodes = total + stat.st_blocks * 512, inodes + 1
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(entry.path)
        except OSError:
            continue
    return total, inodes
