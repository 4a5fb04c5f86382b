"""Before anything starts: what is missing on this machine, in one sentence each, with the command that mends it.

`fatal` findings stop `up`; `warnings` are shown and the part concerned does without.
"""

import os
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

from pinnace.cluster.config import ClusterConfig

CNI_DIRECTORIES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
CNI_PLUGINS = ("bridge", "host-local", "portmap", "loopback")
MIN_OPEN_FILES, MIN_INOTIFY_INSTANCES, MIN_INOTIFY_WATCHES = 4096, 64, 8192
MIN_FREE_BYTES = 200 * 1024 * 1024


@dataclass
class Findings:
    fatal: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def run(config: ClusterConfig) -> Findings:
    findings = Findings()
    if config.has_real_node:
        if os.geteuid() != 0:
            findings.fatal.append(
                "a real node needs root: run `sudo pinnace up`, or start a cluster without containers: `pinnace up --nodes none`"
            )
            return findings
        _programs(config, findings)
        _kernel(findings)
        _limits(findings)
    _disk(config.directory, findings)
    return findings


def _programs(config: ClusterConfig, findings: Findings) -> None:
    packages = [
        ("containerd", "containerd", not config.container_runtime_endpoint),
        ("runc", "runc", not config.container_runtime_endpoint),
        ("nft", "nftables", True),
        ("ip", "iproute2", True),
    ]
    missing = [
        (program, package) for program, package, needed in packages if needed and not find_program(program)
    ]
    if not config.container_runtime_endpoint and cni_directory() is None:
        missing.append(("CNI plugins (bridge, host-local, portmap, loopback)", "containernetworking-plugins"))
    if missing:
        programs = ", ".join(program for program, _ in missing)
        packages_text = " ".join(dict.fromkeys(package for _, package in missing))
        verb = "is" if len(missing) == 1 else "are"
        findings.fatal.append(f"{programs} {verb} not installed: run `apt-get install -y {packages_text}`")
    if not config.disable_ingress and not find_program("haproxy"):
        findings.warnings.append(
            "haproxy is not installed, so Ingress is not served: run `apt-get install -y haproxy`"
        )
    if not find_program("conntrack"):
        findings.warnings.append(
            "conntrack is not installed, so UDP flows to a removed endpoint last until they time out: run `apt-get install -y conntrack`"
        )


def _kernel(findings: Findings) -> None:
    filesystems = Path("/proc/filesystems").read_text()
    if "overlay" not in filesystems:
        findings.fatal.append("the kernel has no overlay filesystem: run `modprobe overlay`")
    controllers = {line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines()[1:]}
    if absent := {"cpu", "memory", "pids"} - controllers:
        findings.fatal.append(
            f"the cgroup controllers {', '.join(sorted(absent))} are missing: boot with cgroup_enable={','.join(sorted(absent))}"
        )
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() and not Path("/sys/fs/cgroup/memory").is_dir():
        findings.fatal.append("no cgroup hierarchy is mounted: run `mount -t cgroup2 none /sys/fs/cgroup`")
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        findings.warnings.append(
            "br_netfilter is not loaded, so a pod cannot reach a Service that leads back to its own node, and network policies do not hold between pods of one node: run `modprobe br_netfilter`"
        )
    swaps = Path("/proc/swaps").read_text().splitlines()[1:]
    if swaps:
        findings.warnings.append("swap is on, so memory limits are soft: run `swapoff -a`")


def _limits(findings: Findings) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MIN_OPEN_FILES:
        findings.fatal.append(
            f"at most {hard} open files are allowed, {MIN_OPEN_FILES} are needed: run `ulimit -n 65536`"
        )
    for name, least in (
        ("max_user_instances", MIN_INOTIFY_INSTANCES),
        ("max_user_watches", MIN_INOTIFY_WATCHES),
    ):
        path = Path("/proc/sys/fs/inotify") / name
        if path.exists() and int(path.read_text()) < least:
            findings.fatal.append(
                f"fs.inotify.{name} is {path.read_text().strip()}, at least {least} are needed: run `sysctl fs.inotify.{name}={least * 8}`"
            )


def _disk(directory: Path, findings: Findings) -> None:
    existing = directory
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        findings.fatal.append(f"{existing} is not writable: choose another place with --data-dir DIR")
        return
    free = shutil.disk_usage(existing).free
    if free < MIN_FREE_BYTES:
        findings.fatal.append(
            f"the disk of {existing} is full ({free // 2**20} MiB free, {MIN_FREE_BYTES // 2**20} needed): free some space or choose --data-dir DIR"
        )


def find_program(name: str) -> str:
    """Its path, looking in the system directories too; "" when it is not there."""
    return (
        shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin")
        or ""
    )


def has_bandwidth_plugin() -> bool:
    directory = cni_directory()
    return directory is not None and (directory / "bandwidth").exists()


def cni_directory() -> Path | None:
    return next((d for d in CNI_DIRECTORIES if all((d / plugin).exists() for plugin in CNI_PLUGINS)), None)


def has_ipv6() -> bool:
    """Whether this machine has any address of IPv6, be it the loopback's."""
    try:
        return bool(Path("/proc/net/if_inet6").read_text())
    except OSError:
        return False


def port_is_free(port: int, address: str = "0.0.0.0", *, alone: bool = False) -> bool:
    """`alone`: to listen on `::` beside somebody who has the port of IPv4."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if alone:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port: `haproxy (pid 123)`. pid 0: that cannot be told."""

    pid: int = 0
    program: str = ""
    is_pinnace: bool = False

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})"


def port_holder(port: int) -> Holder:
    """Who listens on this TCP port."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue  # a kernel without IPv6
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                program = (process / "comm").read_text().strip()
                command = (process / "cmdline").read_text().split("\0")
                return Holder(int(process.name), program, _is_pinnace(command))
        except OSError:
            continue
    return Holder()


def _is_pinnace(command: list[str]) -> bool:
    """A server of some cluster, or the HAProxy of one."""
    return any(
        word == "pinnace.cluster" or word.endswith(("/pinnace", "/ingress/haproxy.cfg")) for word in command
    )
