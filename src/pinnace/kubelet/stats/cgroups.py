"""Usage from cgroup files: v1, v2 and hybrid mounts. Read only; whoever owns the cgroups writes them."""

from collections.abc import Iterable
from pathlib import Path

from pinnace.kubelet.stats.usage import Memory, Usage


class CgroupFiles:
    """`mounts` maps `cpuacct`, `memory`, `pids` (v1) or "" (unified) to where they are mounted."""

    def __init__(self, mounts: dict[str, Path]) -> None:
        self._mounts = mounts
        self.is_v2 = "memory" not in mounts

    @classmethod
    def found(cls, proc_mounts: Iterable[str] | None = None) -> "CgroupFiles":
        """From /proc/mounts. A hybrid machine has its controllers in v1, so v1 wins where both are."""
        lines = Path("/proc/mounts").read_text().splitlines() if proc_mounts is None else proc_mounts
        return cls(parse_mounts(lines))

    def usage(self, path: str) -> Usage | None:
        """Of the cgroup at `path` below each mount and all below it; None when it is gone."""
        try:
            return self._v2(path) if self.is_v2 else self._v1(path)
        except (OSError, ValueError, KeyError):
            return None

    def processes(self, path: str) -> int | None:
        """How many tasks are in it, where the pids controller tells."""
        base = self._mounts.get("" if self.is_v2 else "pids")
        try:
            return int((base / path.lstrip("/") / "pids.current").read_text()) if base else None
        except (OSError, ValueError):
            return None

    def _v1(self, path: str) -> Usage:
        relative = path.lstrip("/")
        memory = self._mounts["memory"] / relative
        cpu = int((self._mounts["cpuacct"] / relative / "cpuacct.usage").read_text())
        used = int((memory / "memory.usage_in_bytes").read_text())
        stat = parse_flat((memory / "memory.stat").read_text())
        return Usage(cpu, Memory(
            usage=used,
            working_set=max(0, used - stat.get("total_inactive_file", 0)),
            rss=stat.get("total_rss", 0),
            page_faults=stat.get("total_pgfault", 0),
            major_page_faults=stat.get("total_pgmajfault", 0),
        ))  # fmt: skip

    def _v2(self, path: str) -> Usage:
        base = self._mounts[""] / path.lstrip("/")
        cpu = parse_flat((base / "cpu.stat").read_text())["usage_usec"] * 1000
        used = int((base / "memory.current").read_text())
        stat = parse_flat((base / "memory.stat").read_text())
        return Usage(cpu, Memory(
            usage=used,
            working_set=max(0, used - stat.get("inactive_file", 0)),
            rss=stat.get("anon", 0),
            page_faults=stat.get("pgfault", 0),
            major_page_faults=stat.get("pgmajfault", 0),
        ))  # fmt: skip


def parse_mounts(lines: Iterable[str]) -> dict[str, Path]:
    mounts: dict[str, Path] = {}
    for line in lines:
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2":
            mounts.setdefault("", Path(where))
        elif kind == "cgroup":
            for controller in {"cpuacct", "memory", "pids"} & set(options.split(",")):
                mounts.setdefault(controller, Path(where))
    return mounts


def parse_flat(text: str) -> dict[str, int]:
    """`key value` lines."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
