"""`pinnace up`: start the server in the background, show its progress, return when it is ready.

The server is started before anything is checked here: its own preflight runs while this process gets ready to watch.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pinnace.cluster import autoscaling, node_settings, progress
from pinnace.cluster.config import DEFAULT_NAME, ClusterConfig
from pinnace.cluster.security import command_line
from pinnace.cluster.state import RunState
from pinnace.component.blocking_clock import BlockingClock

POLL_SECONDS = 0.02
STOP_SECONDS = 30.0  # as long as `down` gives a server
ALREADY_RUNNING = 3  # exit code of a server that found the lock taken


def launch(config: ClusterConfig, command: list[str] | None = None) -> int:
    """`command`: what runs instead of a server with this configuration."""
    state = RunState(config.directory)
    if state.is_running():
        return _join(config, state)
    log_path = config.directory / "logs" / "server.log"
    try:
        state.directory.mkdir(parents=True, exist_ok=True)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log = log_path.open("ab")
    except OSError as error:
        sys.stderr.write(
            f"error: {config.directory} cannot be used ({error.strerror}): choose another place with --data-dir DIR\n"
        )
        return 1
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pinnace.cluster", *(command or server_flags(config))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/" if command is None else None,  # the agent's words may have paths from here
            env=_environment(),
        )
    return _Watching(
        config, state, process.pid, process.poll, is_ours=True, down=_down(config, command)
    ).until_ready()


def _join(config: ClusterConfig, state: RunState) -> int:
    """Another server has the lock: when it is ready say so and make its context current, else wait for it."""
    record = state.read()
    if record.get("pid") == state.holder and (record.get("ready") or not config.wait):
        from pinnace.cluster.kubeconfig import give_access  # YAML is not for every start

        give_access(config.kubeconfig, config.name, record["server"], config.directory / "pki")
        sys.stdout.write(
            f"Cluster {config.name!r} is already running at {record['server']}; "
            f"`pinnace status` shows it, `pinnace down` stops it.\n"
        )
        return 0
    sys.stdout.write(f"Cluster {config.name!r} is being started by another process; waiting for it.\n")

    def ended() -> int | None:
        return None if state.is_running() else 1

    return _Watching(config, state, state.holder, ended, is_ours=False).until_ready()


def _down(config: ClusterConfig, command: list[str] | None) -> str:
    """What the user types to end what this server has started."""
    words = ["pinnace", *(["agent"] if command else []), "down"]
    words += ["--name", config.name] if config.name != DEFAULT_NAME else []
    words += ["--data-dir", config.data_dir] if config.data_dir else []
    return shlex.join(words)


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
        "node-name": config.node_name, "node-ip": config.node_ip,
        "tls-san": config.tls_san, "cluster-signing-duration": config.cluster_signing_duration, "kubelet-port": config.kubelet_port, "http-port": config.http_port,
        "https-port": config.https_port, "cluster-cidr": config.pod_cidr, "service-cidr": config.service_cidr,
        "service-node-port-range": config.service_node_port_range,
        "cluster-dns": config.dns_ip, "cluster-domain": config.cluster_domain, "controllers": config.controllers,
        "enable-admission-plugins": config.enable_admission_plugins,
        "disable-admission-plugins": config.disable_admission_plugins,
        "admission-control-config-file": config.admission_control_config_file,
        "kube-scheduler-config": config.kube_scheduler_config,
        "authorization-mode": config.authorization_mode, "token-auth-file": config.token_auth_file,
        "registry-config": config.registry_config, "container-runtime-endpoint": config.container_runtime_endpoint,
        "network-policy": None if config.network_policy else "false",
        "csi-controller": config.csi_controller,
        "node-monitor-grace-period": config.node_monitor_grace_period,
        "feature-gates": config.feature_gates,
        "leader-elect": None if config.leader_elect is None else str(config.leader_elect).lower(),
        "leader-elect-lease-duration": config.leader_elect_lease_duration,
        "leader-elect-renew-deadline": config.leader_elect_renew_deadline,
        "leader-elect-retry-period": config.leader_elect_retry_period,
        "service-load-balancer": str(config.service_load_balancer).lower(),
        "verbosity": config.verbosity,
        "logging-format": config.logging_format,
    }  # fmt: skip
    paths = (
        "admission-control-config-file", "kube-scheduler-config", "data-dir", "kubeconfig", "token-auth-file", "registry-config", "etcd-cafile", "etcd-certfile", "etcd-keyfile",
        "etcd-password-file",
    )  # fmt: skip
    flags = [
        f"--{flag}={Path(str(value)).absolute() if flag in paths else value}"
        for flag, value in values.items()
        if value is not None and value != ""
    ]
    flags += command_line(config)
    flags += autoscaling.command_line(config)
    flags += node_settings.command_line(config)
    switches = ("disable_scheduler", "disable_dns", "disable_ingress")
    return flags + [f"--{switch.replace('_', '-')}" for switch in switches if getattr(config, switch)]


class _Watching:
    """Shows the progress of the server with this pid until it is ready; `ended` tells its exit code, None while it runs."""

    def __init__(
        self,
        config: ClusterConfig,
        state: RunState,
        pid: int,
        ended: Callable[[], int | None],
        *,
        is_ours: bool,
        down: str = "",
    ) -> None:
        self._config, self._state, self._pid, self._ended = config, state, pid, ended
        self._is_ours, self._shown, self._down = is_ours, 0, down
        self._clock = BlockingClock()
        self._begun = self._clock.monotonic()

    def until_ready(self) -> int:
        try:
            while True:
                code = self._ended()  # before reading: what it said last is read below
                outcome = self._show_news()
                if outcome is None and code == ALREADY_RUNNING:
                    return _join(self._config, self._state)
                if outcome is None and code is not None:
                    outcome = self._explain_end(code)
                if outcome is None and self._seconds() > self._config.timeout:
                    return self._give_up()
                if outcome:
                    self._let_it_end()
                if outcome is not None:
                    return outcome
                self._clock.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return self._stop() if self._is_ours else 130

    def _stop(self) -> int:
        """The lock is free again when this returns, so that the next `up` or `down` meets nobody. Interrupted again, it does not wait."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        sys.stderr.write("interrupted: the server is being stopped\n")
        with contextlib.suppress(KeyboardInterrupt):
            self._let_it_end(STOP_SECONDS)
        if self._ended() is None:
            sys.stderr.write(f"the server (pid {self._pid}) is still stopping\n")
        sys.stderr.write(f"`{self._down}` ends what it had started\n")
        return 130

    def _let_it_end(self, within: float = 5.0) -> None:
        """A server that told its failure still holds the lock for a moment: the next `up` must not meet it."""
        end = self._clock.monotonic() + within
        while self._is_ours and self._ended() is None and self._clock.monotonic() < end:
            self._clock.sleep(POLL_SECONDS)

    def _seconds(self) -> float:
        return self._clock.monotonic() - self._begun

    def _show_news(self) -> int | None:
        lines = progress.lines_of(self._state.progress_file, self._pid)
        for line in lines[self._shown :]:
            self._shown += 1
            outcome = progress.show(line, self._seconds(), is_terminal=sys.stdout.isatty())
            if outcome is not None:
                return outcome
            if not self._config.wait and "API server" in line.get("step", ""):
                return 0
        return None

    def _explain_end(self, code: int) -> int:
        """The server said nothing: perhaps it could not, because the disk is full."""
        from pinnace.cluster import preflight

        log_path = self._config.directory / "logs" / "server.log"
        reasons = preflight.run(self._config).fatal or [f"the server ended with code {code}: see {log_path}"]
        sys.stderr.writelines(f"error: {reason}\n" for reason in reasons)
        return 1

    def _give_up(self) -> int:
        log_path = self._config.directory / "logs" / "server.log"
        sys.stderr.write(
            f"error: not ready within {self._config.timeout:.0f} s; the server goes on starting: see {log_path} and `pinnace status`\n"
        )
        return 1
