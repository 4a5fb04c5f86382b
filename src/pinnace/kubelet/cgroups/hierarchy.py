"""cgroup v1, hybrid or v2: where controllers are mounted, and one interface to make, set and remove groups.

The container runtime makes the groups of containers below the pod's. Left out: cpuset (runc fills it in).
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

V1_CONTROLLERS = ("cpu", "memory", "pids", "hugetlb")
HYBRID = "unified"
V1_FILES = {
    "cpu_shares": ("cpu", "cpu.shares"),
    "cpu_quota": ("cpu", "cpu.cfs_quota_us"),
    "memory_limit": ("memory", "memory.limit_in_bytes"),
    "pids_limit": ("pids", "pids.max"),
}
V2_FILES = {"memory_limit": "memory.max", "pids_limit": "pids.max"}


class Hierarchy(Protocol):
    """`group` is a path below the mounts, e.g. `/NAME/kubepods/burstable/podUID`."""

    version: int

    def create(self, group: str, settings: Mapping[str, int]) -> None:
        """Idempotent. settings: cpu_shares, cpu_quota (microseconds of 100 ms), memory_limit (bytes), pids_limit, hugetlb.SIZE.

        What the kernel refuses is logged."""

    def update(self, group: str, settings: Mapping[str, int]) -> None:
        """Change these settings of a group that is there; raises OSError when the kernel refuses one."""

    def memory_usage(self, group: str) -> int:
        """Bytes in use by the group and those below; 0 when it is gone."""

    def counts_swap(self) -> bool:
        """Whether the kernel can limit swap."""

    def page_sizes(self) -> tuple[str, ...]:
        """Sizes of huge pages that can be limited, as the kernel writes them (`2MB`)."""

    def remove(self, group: str) -> bool:
        """Remove the group and what is below it; False while processes remain."""

    def children(self, group: str) -> list[str]:
        """Names of the groups directly below."""


class CgroupV1:
    version = 1

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        self._mounts = dict(mounts)

    def create(self, group: str, settings: Mapping[str, int]) -> None:
        for controller in V1_CONTROLLERS:
            if controller in self._mounts:
                (self._mounts[controller] / group.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, value in self._files(group, settings):
            _write(path, value)

    def update(self, group: str, settings: Mapping[str, int]) -> None:
        for path, value in self._files(group, settings):
            path.write_text(str(value))

    def _files(self, group: str, settings: Mapping[str, int]) -> Iterator[tuple[Path, int]]:
        for name, value in settings.items():
            controller, file = V1_FILES.get(name) or ("hugetlb", f"{name}.limit_in_bytes")
            if controller in self._mounts:
                yield self._mounts[controller] / group.lstrip("/") / file, value

    def memory_usage(self, group: str) -> int:
        return _read_number(self._mounts["memory"] / group.lstrip("/") / "memory.usage_in_bytes")

    def counts_swap(self) -> bool:
        return (self._mounts["memory"] / "memory.memsw.limit_in_bytes").exists()

    def page_sizes(self) -> tuple[str, ...]:
        found = self._mounts["hugetlb"].glob("hugetlb.*.usage_in_bytes") if "hugetlb" in self._mounts else ()
        return tuple(sorted({path.name.split(".")[1] for path in found}))

    def remove(self, group: str) -> bool:
        directories = {mount / group.lstrip("/") for mount in self._mounts.values()}
        removed = [_remove_tree(directory) for directory in directories]
        return all(removed)

    def children(self, group: str) -> list[str]:
        names = {name for mount in self._mounts.values() for name in _names(mount / group.lstrip("/"))}
        return sorted(names)


class CgroupV2:
    version = 2

    def __init__(self, mount: Path) -> None:
        self._mount = mount

    def create(self, group: str, settings: Mapping[str, int]) -> None:
        directory = self._mount
        for part in group.strip("/").split("/"):
            with contextlib.suppress(OSError):
                available = set((directory / "cgroup.controllers").read_text().split())
                wanted = [
                    f"+{name}"
                    for name in ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")
                    if name in available
                ]
                (directory / "cgroup.subtree_control").write_text(" ".join(wanted))
            directory /= part
            directory.mkdir(exist_ok=True)
        for path, value in self._files(group, settings):
            _write(path, value)

    def update(self, group: str, settings: Mapping[str, int]) -> None:
        for path, value in self._files(group, settings):
            path.write_text(str(value))

    def _files(self, group: str, settings: Mapping[str, int]) -> Iterator[tuple[Path, int | str]]:
        directory = self._mount / group.lstrip("/")
        for name, value in settings.items():
            if name == "cpu_shares":
                yield directory / "cpu.weight", 1 + (value - 2) * 9999 // 262142
            elif name == "cpu_quota":
                yield directory / "cpu.max", f"{value} 100000"
            else:
                yield directory / (V2_FILES.get(name) or f"{name}.max"), value

    def memory_usage(self, group: str) -> int:
        return _read_number(self._mount / group.lstrip("/") / "memory.current")

    def counts_swap(self) -> bool:
        return any(self._mount.glob("*/memory.swap.max"))

    def page_sizes(self) -> tuple[str, ...]:
        found = {path.name.split(".")[1] for path in self._mount.glob("*/hugetlb.*.max")}
        return tuple(sorted(found))

    def remove(self, group: str) -> bool:
        return _remove_tree(self._mount / group.lstrip("/"))

    def children(self, group: str) -> list[str]:
        return sorted(_names(self._mount / group.lstrip("/")))


def detect(mountinfo: str | None = None) -> Hierarchy:
    """By what is mounted: v1 controllers win, because a hybrid's v2 mount has none. RuntimeError without any."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        point, kind, options = Path(left.split()[4]), right.split()[0], right.split()[-1]
        if kind == "cgroup2":
            v2 = v2 or point
        elif kind == "cgroup":
            v1.update(
                {name: point for name in options.split(",") if "=" not in name and name not in ("rw", "ro")}
            )
            v1.update({name[5:]: point for name in options.split(",") if name.startswith("name=")})
    if "memory" in v1 and "cpu" in v1:
        # The runtime makes its groups in a hybrid's empty v2 tree too, so that is cleaned with the rest.
        return CgroupV1(v1 if v2 is None else {**v1, HYBRID: v2})
    if v2 is not None:
        return CgroupV2(v2)
    raise RuntimeError("no control groups are mounted: mount cgroup2 on /sys/fs/cgroup")


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _write(path: Path, value: int | str) -> None:
    try:
        path.write_text(str(value))
    except OSError as error:
        log.warning("cannot set %s to %s: %s", path, value, error)


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _remove_tree(directory: Path) -> bool:
    for name in _names(directory):
        _remove_tree(directory / name)
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
