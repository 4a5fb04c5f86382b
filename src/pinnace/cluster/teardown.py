"""`pinnace down`: stop the server, the containers and the supervised programs, and leave nothing on the machine.

Works as well when the server was killed: everything is found by the cluster's names and data directory, not by the
server's memory. With `purge` the data and the kubeconfig entries go too.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from pinnace.cluster import cni_leftovers, kubeconfig, remembered
from pinnace.cluster.decide import names_of
from pinnace.cluster.errors import UsageError
from pinnace.cluster.routes import PROTOCOL
from pinnace.cluster.state import RunState
from pinnace.component.blocking_clock import BlockingClock

CLOCK = BlockingClock()
PROGRAMS = (
    "containerd",
    "containerd-shim",
    "haproxy",
    "runc",
)  # as /proc/PID/comm has them, cut to 15 characters


def teardown(name: str, directory: Path, *, purge: bool) -> int:
    state = RunState(directory)
    record = state.read()
    if not directory.exists():
        sys.stdout.write(f"Cluster {name!r} does not exist: nothing to stop.\n")
        return 0
    if not os.access(directory, os.W_OK):
        sys.stderr.write(
            f"error: {directory} belongs to another user: run this as the user that started the cluster\n"
        )
        return 1
    was_running = state.is_running()
    if was_running and not stop_process(state.holder, "server", wait_while=state.is_running):
        return 1
    if os.geteuid() == 0:
        clean_machine(name, directory)
    state.clear()
    sys.stdout.write(
        f"Cluster {name!r} is stopped.\n" if was_running else f"Cluster {name!r} was not running.\n"
    )
    if purge:
        if record.get("kubeconfig"):
            _forget(Path(record["kubeconfig"]), name)
        if not _delete(directory):
            return 1
        sys.stdout.write(f"Its data in {directory} is deleted.\n")
    return 0


def _forget(path: Path, name: str) -> None:
    try:
        kubeconfig.remove(path, name)
    except (UsageError, OSError) as error:
        sys.stderr.write(f"warning: the cluster's entries stay in the kubeconfig: {error}\n")


def stop_process(pid: int, what: str, *, wait_while: Callable[[], bool], patience: float = 30.0) -> bool:
    """SIGTERM, then SIGKILL after `patience` seconds."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        end = CLOCK.monotonic() + seconds
        while CLOCK.monotonic() < end:
            if not wait_while():
                return True
            CLOCK.sleep(0.02)
    sys.stderr.write(f"error: the {what} (pid {pid}) does not stop\n")
    return False


def clean_machine(name: str, directory: Path) -> None:
    """Containers, programs, mounts, links, namespaces, tables, cgroups of this cluster."""
    names = names_of(name)
    cgroups = list(_cgroups(names.cgroup))
    for cgroup in cgroups:
        _kill_all(_cgroup_pids(cgroup))
    _kill_all(_processes_of(directory))
    _unmount(directory)
    for link in cni_leftovers.remove(names.nft_table):
        _run("ip", "link", "delete", link)
    _run("ip", "link", "delete", names.bridge)
    _run("ip", "link", "delete", names.overlay)
    for pods in filter(None, _pod_cidr(directory).split(",")):
        family = "-6" if ":" in pods else "-4"
        _run("ip", family, "route", "flush", "root", pods, "proto", str(PROTOCOL))
    _run("nft", "delete", "table", "inet", names.nft_table)
    _run("nft", "delete", "table", "ip", names.nft_table)
    _run("nft", "delete", "table", "ip6", names.nft_table)
    _run("nft", "delete", "table", "inet", names.policy_table)
    for cgroup in sorted(cgroups, key=lambda path: len(path.parts), reverse=True):
        _remove_cgroup(cgroup)
    for rest in ("containerd/state", "run/containerd", "kubelet/pods"):
        _delete(directory / rest, ignore_errors=True)


def _pod_cidr(directory: Path) -> str:
    """Of the routes to other nodes; "" where none can have been made."""
    try:
        return str(remembered.load(directory).get("pod_cidr") or "")
    except UsageError:
        return ""


def _run(*command: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(command, capture_output=True, check=False, timeout=30)


def _kill_all(pids: Iterable[int], patience: float = 10.0) -> None:
    """SIGKILL, and wait until they are gone or only zombies of somebody else."""
    waiting = [pid for pid in pids if pid > 1]
    for pid in waiting:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = CLOCK.monotonic() + patience
    while CLOCK.monotonic() < end and any(_is_alive(pid) for pid in waiting):
        CLOCK.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _processes_of(directory: Path) -> list[int]:
    """containerd, its shims, haproxy: every process whose command line names a path below the data directory."""
    mark = str(directory).encode() + b"/"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            program = (process / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if mark in command and program in PROGRAMS:
            found.append(int(process.name))
    return found


def _cgroups(name: str) -> Iterable[Path]:
    """Every cgroup below NAME in each hierarchy (v1 controllers and v2)."""
    root = Path("/sys/fs/cgroup")
    for top in [root / name, *(child / name for child in root.iterdir() if child.is_dir())]:
        if top.is_dir():
            yield from (Path(path) for path, _, _ in os.walk(top))


def _cgroup_pids(cgroup: Path) -> list[int]:
    try:
        return [int(line) for line in (cgroup / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _remove_cgroup(cgroup: Path) -> None:
    end = CLOCK.monotonic() + 2.0
    while CLOCK.monotonic() < end:
        try:
            cgroup.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            CLOCK.sleep(0.02)
        else:
            return


def _unmount(directory: Path) -> None:
    """Lazily, deepest first: overlays of containers, tmpfs of volumes, network namespaces (their veth pairs go with them)."""
    for mount in _mounts_below(directory):
        _run("umount", "-l", mount)


def _mounts_below(directory: Path) -> list[str]:
    """Deepest first. The kernel knows them by their real names, so links in the directory's own name are resolved."""
    prefix = f"{directory.resolve()}/"
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((m.replace("\\040", " ") for m in mounts if m.startswith(prefix)), key=len, reverse=True)


def _delete(directory: Path, *, ignore_errors: bool = False) -> bool:
    """Never through a mount that is still there: it may show files of the machine (`subPath` of a hostPath volume)."""
    if left := _mounts_below(directory):
        sys.stderr.write(f"error: {left[0]} is still mounted: {directory} is not deleted\n")
        return False
    if directory.is_mount():  # a disk of its own: empty it, the mount is the user's
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=ignore_errors)
            else:
                entry.unlink()
    else:
        shutil.rmtree(directory, ignore_errors=ignore_errors)
    return True
