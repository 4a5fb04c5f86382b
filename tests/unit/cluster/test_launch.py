import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from pinnace.cluster import launch as launching
from pinnace.cluster.config import ClusterConfig, from_args
from pinnace.cluster.flags import add_flags
from pinnace.cluster.launch import launch, server_flags
from pinnace.cluster.security import ROWS, SecurityFlags
from pinnace.cluster.state import RunState


def security_flags(file: str) -> dict[str, Any]:
    """A value other than the default for each; the two ways to say what an issuer is exclude each other."""
    values: dict[str, Any] = {"text": "v1", "path": file, "paths": f"{file},{file}", "list": "a=b,c=d", "duration": "7s",
                              "number": 7}  # fmt: skip
    defaults = SecurityFlags()
    made = {
        row.field: not getattr(defaults, row.field) if row.kind == "switch" else values[row.kind]
        for row in ROWS
    }
    return {**made, "audit_log_path": "-", "authentication_config": ""}


def test_the_server_is_told_every_flag(tmp_path: Path) -> None:
    """What `up` was told and what its server understands are the same configuration."""
    (tmp_path / "file").write_text("")
    scheduler = tmp_path / "scheduler.yaml"
    scheduler.write_text("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n")
    kubelet = tmp_path / "kubelet.yaml"
    kubelet.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n")
    told = ClusterConfig(
        name="web", data_dir=str(tmp_path), kubeconfig=str(tmp_path / "k"), port=1, bind_address="127.0.0.1",
        nodes="sim:3", store="etcd", node_name="n", node_ip="192.0.2.1", node_labels="a=b", register_with_taints="a=b:NoSchedule", tls_san="x.test",
        node_lease_duration_seconds="8", cluster_signing_duration="1h", kubelet_port=2, http_port=3, https_port=0,
        pod_cidr="10.1.0.0/16", service_cidr="10.2.0.0/16", service_node_port_range="30100-30199", dns_ip="10.2.0.53", cluster_domain="x.y",
        controllers="*,-deployment", disable_scheduler=True, kube_scheduler_config=str(scheduler), leader_elect=True, leader_elect_lease_duration="20s",
        leader_elect_renew_deadline="12s", leader_elect_retry_period="3s", horizontal_pod_autoscaler_sync_period="5s",
        horizontal_pod_autoscaler_downscale_stabilization="1m", horizontal_pod_autoscaler_cpu_initialization_period="30s",
        horizontal_pod_autoscaler_initial_readiness_delay="10s", horizontal_pod_autoscaler_tolerance=0.0, disable_dns=True, disable_ingress=True, network_policy=False, service_load_balancer=False,
        admission_control_config_file=str(tmp_path / "file"), enable_admission_plugins="NodeRestriction", disable_admission_plugins="Priority",
        authorization_mode="AlwaysAllow", token_auth_file=str(tmp_path / "file"),
        registry_config=str(tmp_path / "file"), container_runtime_endpoint="unix:///run/x.sock", csi_controller="/run/csi.sock",
        kubelet_config=str(kubelet), pod_manifest_path=str(tmp_path / "m"), allowed_unsafe_sysctls="kernel.msg*", max_container_restart_period="30s",
        eviction_hard="memory.available<1Mi", eviction_soft="memory.available<1Gi", eviction_soft_grace_period="memory.available=1m",
        eviction_minimum_reclaim="memory.available=1Mi", eviction_max_pod_grace_period="-1", eviction_pressure_transition_period="1m",
        kube_reserved="cpu=1", system_reserved="memory=1Gi,pid=100", pod_max_pids="100", memory_swap_behavior="LimitedSwap", node_monitor_grace_period=9.0, feature_gates="WatchList=true", verbosity=2, logging_format="json",
        etcd_servers="http://a:2379", etcd_prefix="/x", etcd_cafile=str(tmp_path / "file"),
        etcd_certfile=str(tmp_path / "file"), etcd_keyfile=str(tmp_path / "file"), etcd_user="u",
        etcd_password_file=str(tmp_path / "file"), **security_flags(str(tmp_path / "file")),
    )  # fmt: skip
    parser = argparse.ArgumentParser()
    add_flags(parser)
    assert from_args(parser.parse_args(server_flags(told))) == told
    defaults = ClusterConfig()
    of_the_launcher = {"wait", "timeout", "remembered_port", "authentication_config"}
    same = {f.name for f in dataclasses.fields(told) if getattr(told, f.name) == getattr(defaults, f.name)}
    assert same == of_the_launcher  # a new flag must be added above


def test_relative_paths_are_those_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = server_flags(ClusterConfig(data_dir="data", kubeconfig="k"))
    assert f"--data-dir={tmp_path}/data" in flags
    assert f"--kubeconfig={tmp_path}/k" in flags


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In place of a real server: a script that does what a test wrote into `script.py`."""
    monkeypatch.setattr(launching, "server_flags", lambda _: [])
    monkeypatch.setattr(
        launching, "_environment", lambda: {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    )
    (tmp_path / "python").write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/script.py\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(launching.sys, "executable", str(tmp_path / "python"))


HOLD = """
from pathlib import Path
from pinnace.cluster.progress import Progress
from pinnace.cluster.state import RunState
state = RunState(Path({data!r}))
assert state.acquire()
progress = Progress(state.progress_file)
"""


def write_script(tmp_path: Path, text: str) -> ClusterConfig:
    config = ClusterConfig(name="web", nodes="none", data_dir=str(tmp_path / "data"), timeout=20.0)
    (tmp_path / "script.py").write_text(HOLD.format(data=config.data_dir) + text)
    return config


@pytest.mark.usefixtures("server")
def test_progress_is_shown_until_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_script(tmp_path, "progress.step('API server')\nprogress.ready('It is up')\n")
    assert launch(config) == 0
    out = capsys.readouterr().out
    assert " ✓ API server" in out
    assert out.endswith("It is up\n")


@pytest.mark.usefixtures("server")
def test_a_refusal_is_one_line_and_the_lock_is_free_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_script(
        tmp_path, "import time\nprogress.failed('port taken')\ntime.sleep(0.3)\nraise SystemExit(1)\n"
    )
    assert launch(config) == 1
    assert capsys.readouterr().err == "error: port taken\n"
    assert not RunState(config.directory).is_running()


@pytest.mark.usefixtures("server")
def test_a_server_that_dies_silently_leads_to_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_script(tmp_path, "raise SystemExit(7)\n")
    assert launch(config) == 1
    log = config.directory / "logs" / "server.log"
    assert capsys.readouterr().err == f"error: the server ended with code 7: see {log}\n"


@pytest.mark.usefixtures("server")
def test_no_wait_returns_when_the_api_server_answers(tmp_path: Path) -> None:
    config = write_script(tmp_path, "progress.step('API server at x')\nprogress.failed('later')\n")
    config.wait = False
    assert launch(config) == 0


def test_up_when_up_says_where_and_makes_its_context_current(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ClusterConfig(name="web", data_dir=str(tmp_path), kubeconfig=str(tmp_path / "config"))
    running = RunState(config.directory)
    assert running.acquire()
    running.write({"pid": running.holder, "ready": True, "server": "https://127.0.0.1:1"})
    (tmp_path / "pki").mkdir()
    for file in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / "pki" / file).write_text(file)
    assert launch(config) == 0
    assert "Cluster 'web' is already running at https://127.0.0.1:1;" in capsys.readouterr().out
    assert "current-context: pinnace-web" in (tmp_path / "config").read_text()
    running.release()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert launch(ClusterConfig(data_dir=str(tmp_path / "file" / "data"))) == 1
    assert capsys.readouterr().err.endswith("choose another place with --data-dir DIR\n")


@pytest.mark.usefixtures("server")
def test_interrupted_it_stops_the_server_and_says_what_ends_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It returns when the lock is free, so that the next `up` does not take the old server for one that is starting."""
    ends_slowly = (
        "import signal, time\n"
        "def end(*_):\n    time.sleep(0.3)\n    raise SystemExit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprogress.step('API server')\nwhile True:\n    time.sleep(0.05)\n"
    )
    config = write_script(tmp_path, ends_slowly)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(launching.progress, "show", interrupted)
    assert launch(config) == 130
    assert not RunState(config.directory).is_running()
    assert capsys.readouterr().err == (
        f"\ninterrupted: the server is being stopped\n`pinnace down --name web --data-dir {tmp_path}/data` ends what it had started\n"
    )
