"""`Lan`: machines made of namespaces. Each has its own network, mounts (/run, /var/lib) and data; routers join their links.

Nothing of the host is touched: bridges and routers live in a network namespace of their own, every process of a machine is
started inside its namespaces, and `close` ends them all. What machines share is the kernel: cgroups, which carry the node's
names, and kernel modules.
"""

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e_support import SOURCE, until

PREFIX_LENGTH = 24
CLONE_NEWNET = 0x40000000


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


@dataclass
class Machine:
    """A process that sleeps holds the namespaces; everything else enters them through it."""

    name: str
    address: str
    six: str
    netns: str
    directory: Path
    holder: "subprocess.Popen[bytes]"
    switch: str  # network namespace and port at the other end of its cable
    port: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def inside(self, *command: str) -> list[str]:
        return [
            "nsenter",
            f"--net=/run/netns/{self.netns}",
            "-m",
            "-u",
            "-t",
            str(self.holder.pid),
            "--",
            *command,
        ]

    def enter_network(self) -> None:
        """The calling thread is on this machine's network from now on."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{self.netns}").open() as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {self.netns}")

    def run(
        self, *command: str, check: bool = True, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.inside(*command),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=environment(),
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{self.name}: {' '.join(command)} failed ({done.returncode}): {done.stdout}{done.stderr}"
            )
        return done

    def pinnace(
        self, *arguments: str, check: bool = True, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-m", "pinnace", *arguments, check=check, timeout=timeout)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`pinnace ARGUMENTS` in the foreground; its output goes to `log`."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.inside(sys.executable, "-m", "pinnace", *arguments),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    @property
    def log(self) -> Path:
        return self.directory / "output.log"

    def cut_off(self) -> None:
        """Pull the cable out of the switch."""
        _run("ip", "-n", self.switch, "link", "set", self.port, "down")

    def plug_in(self) -> None:
        _run("ip", "-n", self.switch, "link", "set", self.port, "up")

    def record(self) -> dict[str, Any]:
        return json.loads((self.data / "run" / "server.json").read_text())

    def pid(self) -> int:
        """Of the server or agent that runs on it."""
        return int(self.record()["pid"])

    def kill(self) -> None:
        """SIGKILL to the server or agent, as a crash would be; containers go on."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        for process in self.processes:
            if process.pid == pid:
                process.wait()
        until(lambda: not Path(f"/proc/{pid}").exists())


def _six(segment: int) -> str:
    """The first part of the addresses there."""
    return f"2001:db8:{segment + 1}::"


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KUBECONFIG")}
    return {**kept, "PYTHONPATH": str(SOURCE)}


class Lan:
    """`segments` are /24 networks; a router with address .254 in each joins them. Each has a network of IPv6, too."""

    def __init__(self, directory: Path, segments: tuple[str, ...] = ("192.168.71", "192.168.72")) -> None:
        self.tag = secrets.token_hex(2)
        self.directory, self.segments = directory, segments
        self.switch = f"pnsw{self.tag}"
        self.machines: dict[str, Machine] = {}

    def open(self) -> None:
        _run("ip", "netns", "add", self.switch)
        _run("ip", "-n", self.switch, "link", "set", "lo", "up")
        for number, segment in enumerate(self.segments):
            bridge = f"br{number}"
            _run("ip", "-n", self.switch, "link", "add", bridge, "type", "bridge")
            _run("ip", "-n", self.switch, "addr", "add", f"{segment}.254/{PREFIX_LENGTH}", "dev", bridge)
            _run("ip", "-n", self.switch, "addr", "add", f"{_six(number)}fe/64", "dev", bridge, "nodad")
            _run("ip", "-n", self.switch, "link", "set", bridge, "up")
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            _run("ip", "netns", "exec", self.switch, "sysctl", "-qw", setting)

    def machine(self, name: str, segment: int = 0) -> Machine:
        number = len(self.machines) + 1
        netns, address = f"pn{self.tag}{name}", f"{self.segments[segment]}.{number}"
        directory = self.directory / name
        for part in ("data", "run", "lib", "cgroup"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        port = f"p{number}"
        _run("ip", "netns", "add", netns)
        _run(
            "ip",
            "link",
            "add",
            port,
            "netns",
            self.switch,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            netns,
        )
        _run("ip", "-n", self.switch, "link", "set", port, "master", f"br{segment}", "up")
        for command in (
            ("link", "set", "lo", "up"), ("addr", "add", f"{address}/{PREFIX_LENGTH}", "dev", "eth0"), ("link", "set", "eth0", "up"),
            ("addr", "add", f"{_six(segment)}{number}/64", "dev", "eth0", "nodad"),
            ("route", "add", "default", "via", f"{self.segments[segment]}.254"),
            ("-6", "route", "add", "default", "via", f"{_six(segment)}fe"),
        ):  # fmt: skip
            _run("ip", "-n", netns, *command)
        machine = Machine(
            name,
            address,
            f"{_six(segment)}{number}",
            netns,
            directory,
            self._hold(netns, name, directory),
            self.switch,
            port,
        )
        self.machines[name] = machine
        return machine

    def _hold(self, netns: str, name: str, directory: Path) -> "subprocess.Popen[bytes]":
        script = f"""
            mount --make-rprivate /
            mount --bind {directory}/run /run
            mount --bind {directory}/lib /var/lib
            mount --rbind /sys/fs/cgroup {directory}/cgroup
            mount -t sysfs sysfs /sys
            mount --rbind {directory}/cgroup /sys/fs/cgroup
            umount -l {directory}/cgroup
            hostname {name}
            echo ready > {directory}/held
            exec sleep infinity
        """
        holder = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{netns}", "--", "unshare", "--mount", "--uts", "sh", "-ec", script],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        until((directory / "held").exists, 10, every=0.01)
        return holder

    def close(self) -> None:
        for machine in self.machines.values():
            for process in machine.processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            machine.holder.kill()
            machine.holder.wait()
            _run("ip", "netns", "del", machine.netns, check=False)
        _run("ip", "netns", "del", self.switch, check=False)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                shutil.rmtree(self.directory)
                return
            time.sleep(0.1)


@contextlib.contextmanager
def lan(directory: Path) -> Iterator[Lan]:
    made = Lan(directory)
    try:
        made.open()
        yield made
    finally:
        made.close()
