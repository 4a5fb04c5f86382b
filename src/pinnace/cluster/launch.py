"""`pinnace up`: start the server in the background, show its progress, return when it is ready.

The server is started before anything is checked here: its own preflight runs while this process gets ready to watch.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.state import RunState
from pinnace.component.blocking_clock import BlockingClock

POLL_SECONDS = 0.02


def launch(config: ClusterConfig) -> int:
    state = RunState(config.directory)
    if state.is_running():
        return _already_up(config, state)
    try:
        state.directory.mkdir(parents=True, exist_ok=True)
        log_path = config.directory / "logs" / "server.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(
            f"error: {config.directory} cannot be made ({error.strerror}): choose another place with --data-dir DIR\n"
        )
        return 1
    state.progress_file.unlink(missing_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pinnace.cluster", "server", *server_flags(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=_environment(),
        )
    return _follow(config, state, process, log_path)


def _environment() -> dict[str, str]:
    """The child must find the same `pinnace` also when this one runs from a source tree."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def server_flags(config: ClusterConfig) -> list[str]:
    """The command line of the server for a configuration that was already merged."""
    values = {
        "name": config.name, "data-dir": config.data_dir, "kubeconfig": config.kubeconfig, "port": config.port,
        "bind-address": config.bind_address, "nodes": config.nodes, "store": config.store,
        "etcd-servers": config.etcd_servers, "etcd-prefix": config.etcd_prefix, "etcd-cafile": config.etcd_cafile,
        "etcd-certfile": config.etcd_certfile, "etcd-keyfile": config.etcd_keyfile, "etcd-user": config.etcd_user,
        "etcd-password-file": config.etcd_password_file,
        "node-name": config.node_name, "kubelet-port": config.kubelet_port, "http-port": config.http_port,
        "https-port": config.https_port, "cluster-cidr": config.pod_cidr, "service-cidr": config.service_cidr,
        "cluster-dns": config.dns_ip, "cluster-domain": config.cluster_domain, "controllers": config.controllers,
        "enable-admission-plugins": config.enable_admission_plugins,
        "disable-admission-plugins": config.disable_admission_plugins,
        "authorization-mode": config.authorization_mode, "token-auth-file": config.token_auth_file,
        "registry-config": config.registry_config, "container-runtime-endpoint": config.container_runtime_endpoint,
        "eviction-hard": config.eviction_hard, "node-monitor-grace-period": config.node_monitor_grace_period,
        "verbosity": config.verbosity,
    }  # fmt: skip
    paths = (
        "data-dir", "kubeconfig", "token-auth-file", "registry-config", "etcd-cafile", "etcd-certfile", "etcd-keyfile",
        "etcd-password-file",
    )  # fmt: skip
    flags = [
        f"--{flag}={Path(str(value)).absolute() if flag in paths else value}"
        for flag, value in values.items()
        if value is not None and value != ""
    ]
    switches = ("disable_scheduler", "disable_dns", "disable_ingress")
    return flags + [f"--{switch.replace('_', '-')}" for switch in switches if getattr(config, switch)]


def _already_up(config: ClusterConfig, state: RunState) -> int:
    record = state.read()
    where = record.get("server", "")
    sys.stdout.write(
        f"Cluster {config.name!r} is already running{' at ' + where if where else ''}; "
        f"`pinnace status` shows it, `pinnace down` stops it.\n"
    )
    return 0


def _follow(
    config: ClusterConfig, state: RunState, process: "subprocess.Popen[bytes]", log_path: Path
) -> int:
    clock = BlockingClock()
    begun = clock.monotonic()
    shown = 0
    interactive = sys.stdout.isatty()
    try:
        while True:
            lines = state.progress_file.read_text().splitlines() if state.progress_file.exists() else []
            for line in lines[shown:]:
                outcome = _show(json.loads(line), clock.monotonic() - begun, interactive=interactive)
                if outcome is not None:
                    return outcome
                if not config.wait and "API server" in line:
                    return 0
            shown = len(lines)
            if process.poll() is not None:
                sys.stderr.write(f"error: the server ended with code {process.returncode}: see {log_path}\n")
                return 1
            if clock.monotonic() - begun > config.timeout:
                sys.stderr.write(
                    f"error: not ready within {config.timeout:.0f} s; the server goes on starting: see {log_path} and `pinnace status`\n"
                )
                return 1
            clock.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        os.kill(process.pid, signal.SIGTERM)
        sys.stderr.write("\ninterrupted: the server was told to stop\n")
        return 130


def _show(line: dict[str, str], seconds: float, *, interactive: bool) -> int | None:
    """Print one line of progress; the exit code when it is the last one."""
    mark = "\x1b[32m✓\x1b[0m" if interactive else " ✓"
    if "step" in line:
        sys.stdout.write(f"{mark} {line['step']}  ({seconds:.1f} s)\n")
    elif "note" in line:
        sys.stdout.write(f" ! {line['note']}\n")
    elif "ready" in line:
        sys.stdout.write(f"{mark} Ready  ({seconds:.1f} s)\n\n{line['ready']}\n")
        return 0
    elif "failed" in line:
        sys.stderr.write(f"error: {line['failed']}\n")
        return 1
    sys.stdout.flush()
    return None
