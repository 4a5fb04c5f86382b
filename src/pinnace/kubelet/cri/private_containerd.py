"""A containerd of our own: rendered configuration, one child process, its socket, and leaving nothing behind.

The host's Docker or containerd is never touched: root, state, socket, CNI configuration and streaming port are private.
Containers outlive this containerd (their shims keep them), so a restart with the same directories adopts them.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pinnace.component.clock import Clock
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.pause_image import REFERENCE, image_archive
from pinnace.kubelet.cri.runtime import CriError

log = logging.getLogger(__name__)

NAMESPACE = "k8s.io"  # containerd's namespace for everything CRI
LONGEST_SOCKET_PATH = 104  # containerd's limit
UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
)


@dataclass(frozen=True, slots=True)
class Handler:
    """A runtime that RuntimeClasses can name: containerd's shim, and the program that a runc-like shim runs."""

    name: str
    shim: str = "io.containerd.runc.v2"
    program: str = ""


KNOWN_HANDLERS = (
    Handler("crun", program="crun"),
    Handler("youki", program="youki"),
    Handler("runsc", shim="io.containerd.runsc.v1"),
    Handler("kata", shim="io.containerd.kata.v2"),
)


def handlers_found(find: Callable[[str], str | None] = shutil.which) -> tuple[Handler, ...]:
    """Those of the known ones that are installed."""
    return tuple(one for one in KNOWN_HANDLERS if find(one.program or shim_program(one.shim)))


def shim_program(shim: str) -> str:
    """`io.containerd.runsc.v1` is started as `containerd-shim-runsc-v1`."""
    return "containerd-shim-" + "-".join(shim.split(".")[-2:])


@dataclass(frozen=True, slots=True)
class ContainerdConfig:
    """`restrict_oom_score_adj` where CAP_SYS_RESOURCE is missing; `registry_dir` holds HOST/hosts.toml files;
    `registry_logins` are used for pulls that bring no pull secret."""

    root: Path
    state: Path
    cni_conf_dir: Path
    cni_bin_dir: Path = Path("/usr/lib/cni")
    registry_dir: Path | None = None
    registry_logins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    sandbox_image: str = REFERENCE
    restrict_oom_score_adj: bool = False
    handlers: tuple["Handler", ...] = ()  # for RuntimeClasses, beside runc
    snapshotter: str = "overlayfs"
    log_level: str = "warn"

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"


@dataclass(frozen=True, slots=True)
class BridgeNetwork:
    """A CNI bridge network; `state_dir` keeps the addresses given out. `subnet`: one, or one of each family with a comma."""

    name: str
    bridge: str
    subnet: str
    state_dir: Path
    mtu: int = 0
    masquerade: bool = True
    port_map: bool = True
    bandwidth: bool = False  # the annotations kubernetes.io/ingress-bandwidth and egress-bandwidth

    @property
    def subnets(self) -> list[str]:
        return self.subnet.split(",")


def needs_restricted_oom_score_adj() -> bool:
    """Whether this process may not lower oom_score_adj: CAP_SYS_RESOURCE (24) is missing."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is None or not int(found[1], 16) >> 24 & 1


def render_config(config: ContainerdConfig) -> str:
    """containerd's config.toml, version 2."""
    quote = json.dumps
    cri = "plugins.'io.containerd.grpc.v1.cri'"
    lines = [
        "version = 2",
        f"root = {quote(str(config.root))}",
        f"state = {quote(str(config.state))}",
        f"disabled_plugins = {quote(list(UNUSED_PLUGINS))}",
        "[grpc]",
        f"address = {quote(str(config.socket))}",
        "[ttrpc]",
        f"address = {quote(str(config.state / 't.sock'))}",
        "[debug]",
        f"level = {quote(config.log_level)}",
        f"[{cri}]",
        f"sandbox_image = {quote(config.sandbox_image)}",
        f"restrict_oom_score_adj = {quote(config.restrict_oom_score_adj)}",
        "stream_server_address = '127.0.0.1'",
        "stream_server_port = '0'",
        "disable_tcp_service = true",
        "netns_mounts_under_state_dir = true",
        "ignore_image_defined_volumes = false",
        f"[{cri}.cni]",
        f"bin_dir = {quote(str(config.cni_bin_dir))}",
        f"conf_dir = {quote(str(config.cni_conf_dir))}",
        "ip_pref = 'cni'",  # the first address of a pod is of the first of its subnets
        f"[{cri}.containerd]",
        f"snapshotter = {quote(config.snapshotter)}",
        "default_runtime_name = 'runc'",
        f"[{cri}.containerd.runtimes.runc]",
        "runtime_type = 'io.containerd.runc.v2'",
        f"[{cri}.containerd.runtimes.runc.options]",
        "BinaryName = 'runc'",
        "SystemdCgroup = false",
    ]
    for handler in config.handlers:
        lines += [f"[{cri}.containerd.runtimes.{handler.name}]", f"runtime_type = {quote(handler.shim)}"]
        if handler.program:
            lines.append(f"[{cri}.containerd.runtimes.{handler.name}.options]")
            lines += [f"BinaryName = {quote(handler.program)}", "SystemdCgroup = false"]
    if config.registry_dir is not None:
        lines += [f"[{cri}.registry]", f"config_path = {quote(str(config.registry_dir))}"]
    for host, login in config.registry_logins.items():
        lines.append(f"[{cri}.registry.configs.{quote(host)}.auth]")
        lines += [f"{key} = {quote(value)}" for key, value in login.items()]
    return "\n".join(lines) + "\n"


def render_cni(network: BridgeNetwork) -> str:
    """A CNI configuration list: bridge with host-local addresses, then host ports and shapers."""
    everywhere = ["::/0" if ":" in subnet else "0.0.0.0/0" for subnet in network.subnets]
    bridge: dict[str, object] = {
        "type": "bridge",
        "bridge": network.bridge,
        "isGateway": True,
        "ipMasq": network.masquerade,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(network.state_dir),
            "ranges": [[{"subnet": subnet}] for subnet in network.subnets],
            "routes": [{"dst": destination} for destination in everywhere],
        },
    }
    if network.mtu:
        bridge["mtu"] = network.mtu
    plugins = [bridge]
    if network.port_map:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}, "snat": True})
    if network.bandwidth:
        plugins.append({"type": "bandwidth", "capabilities": {"bandwidth": True}})
    return json.dumps({"cniVersion": "0.4.0", "name": network.name, "plugins": plugins}, indent=2)


def write_network(config: ContainerdConfig, network: BridgeNetwork) -> None:
    """In one step: a running containerd looks at the file whenever it changes."""
    config.cni_conf_dir.mkdir(parents=True, exist_ok=True)
    path, text = config.cni_conf_dir / "10-pinnace.conflist", render_cni(network)
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)


class PrivateContainerd:
    """`start()` returns when CRI answers and the sandbox image is there; `stop()` leaves containers running."""

    def __init__(self, config: ContainerdConfig, network: BridgeNetwork | None, clock: Clock) -> None:
        self.config, self._network, self._clock = config, network, clock
        self._process: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        return f"unix://{self.config.socket}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, *, within: float = 20.0) -> None:
        """Raises RuntimeError with the end of containerd's log when it does not come up."""
        if len(str(self.config.socket)) > LONGEST_SOCKET_PATH:
            raise RuntimeError(
                f"the path {self.config.socket} is too long for a socket: choose a shorter data directory"
            )
        path = self._write_files()
        with (self.config.root.parent / "containerd.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                "containerd", "--config", str(path), stdout=output, stderr=output, start_new_session=True
            )
        await self._wait_ready(within)
        await self._provide_sandbox_image()

    def _write_files(self) -> Path:
        config = self.config
        for directory in (config.root, config.state, config.cni_conf_dir):
            directory.mkdir(parents=True, exist_ok=True)
        if self._network is not None:
            write_network(config, self._network)
        path = config.root.parent / "containerd.toml"
        path.touch(mode=0o600)  # logins of registries are in it
        path.write_text(render_config(config))
        return path

    async def _wait_ready(self, within: float) -> None:
        deadline = self._clock.monotonic() + within
        while True:
            client = CriClient(self.endpoint, self._clock)
            try:
                if self.config.socket.exists():
                    await client.version()
                    return
            except CriError as error:
                if not error.is_unavailable and error.code != "UNIMPLEMENTED":
                    raise
            finally:
                await client.close()
            if self._process is None or self._process.returncode is not None:
                raise RuntimeError(f"containerd ended while starting: {self._log_tail()}")
            if self._clock.monotonic() > deadline:
                raise RuntimeError(f"containerd does not answer within {within:.0f} s: {self._log_tail()}")
            await self._clock.sleep(0.02)

    def _log_tail(self) -> str:
        path = self.config.root.parent / "containerd.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-8:]) if path.exists() else ""

    async def _provide_sandbox_image(self) -> None:
        if self.config.sandbox_image != REFERENCE:
            return
        client = CriClient(self.endpoint, self._clock)
        try:
            if await client.image_status(REFERENCE) is None:
                await self.import_image(image_archive())
        finally:
            await client.close()

    async def import_image(self, archive: bytes | Path) -> str:
        """Import an OCI or docker archive into CRI's namespace; returns what `ctr` said. RuntimeError when it refuses."""
        source = str(archive) if isinstance(archive, Path) else "-"
        return await self._ctr(
            "images", "import", source, stdin=None if isinstance(archive, Path) else archive
        )

    async def _ctr(self, *arguments: str, stdin: bytes | None = None) -> str:
        command = ("ctr", "--address", str(self.config.socket), "--namespace", NAMESPACE, *arguments)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(stdin)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments[:2])} failed: {output.decode(errors='replace').strip()}")
        return output.decode(errors="replace")

    async def wait(self) -> int:
        """Return containerd's exit status when it ends: what a supervisor waits for."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await self._clock.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def remove_all_pods(self) -> None:
        """End every sandbox and container of this runtime: before `stop`, when nothing shall stay."""
        client = CriClient(self.endpoint, self._clock)
        try:
            await asyncio.gather(*(_remove(client, box.id) for box in await client.list_sandboxes()))
        finally:
            await client.close()

    def unmount_leftovers(self) -> None:
        """Unmount what containerd left mounted below its directories (after `stop`)."""
        unmount_below([self.config.root, self.config.state])


async def _remove(client: CriClient, sandbox_id: str) -> None:
    for attempt in (client.stop_sandbox, client.remove_sandbox):
        try:
            await attempt(sandbox_id)
        except CriError as error:
            log.warning("sandbox %s: %s", sandbox_id[:13], error)


def mounts_below(directories: Sequence[Path]) -> list[str]:
    """Mount points below these directories, deepest first."""
    prefixes = tuple(f"{directory}/" for directory in directories)
    points = [
        line.split()[4].encode().decode("unicode_escape")
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return sorted((point for point in points if point.startswith(prefixes)), key=len, reverse=True)


def unmount_below(directories: Sequence[Path]) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    detach = 2  # MNT_DETACH
    for point in mounts_below(directories):
        if libc.umount2(os.fsencode(point), detach):
            with contextlib.suppress(ValueError):
                log.warning("cannot unmount %s: %s", point, os.strerror(ctypes.get_errno()))
