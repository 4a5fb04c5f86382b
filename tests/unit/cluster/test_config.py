import argparse
import json
from pathlib import Path

import pytest

from pinnace.cluster.config import ClusterConfig, from_args, remember
from pinnace.cluster.errors import UsageError
from pinnace.cluster.flags import add_flags
from pinnace.cluster.scheduler_config import scheduler_settings


def parsed(*argv: str) -> ClusterConfig:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return from_args(parser.parse_args(argv))


def config_file(directory: Path, text: str) -> str:
    path = directory / "flags.yaml"
    path.write_text(text)
    return str(path)


def test_flags_win_over_the_file_which_wins_over_what_is_remembered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    remember(ClusterConfig(data_dir=str(data), port=1111, kubelet_port=2222, pod_cidr="10.50.0.0/16"))
    path = config_file(tmp_path, "port: 3333\nkubelet-port: 4444\n")
    config = parsed("--data-dir", str(data), "--config", path, "--port", "5555")
    assert (config.port, config.kubelet_port, config.pod_cidr) == (5555, 4444, "10.50.0.0/16")
    assert config.remembered_port == 1111


def test_the_file_takes_lists_and_the_names_of_flags(tmp_path: Path) -> None:
    text = "controllers: ['*', '-deployment']\ncluster-cidr: 10.50.0.0/16\nno-wait: true\ntimeout: 5\n"
    config = parsed("--data-dir", str(tmp_path), "--config", config_file(tmp_path, text))
    assert (config.controllers, config.pod_cidr, config.wait, config.timeout) == (
        "*,-deployment", "10.50.0.0/16", False, 5.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port: many", "port: must be a whole number, not 'many'"),
        ("port: true", "port: must be a whole number, not True"),
        ("wait: 1", "wait: must be true or false, not 1"),
        ("nodes: 3", "nodes: must be text, not 3"),
        ("colour: red", "unknown flag 'colour'"),
        ("remembered-port: 3", "unknown flag 'remembered-port'"),
        ("[1, 2]", "must be a mapping of flags"),
        ("a: [", "while parsing"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parsed("--config", config_file(tmp_path, text))
    assert words in str(refused.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UsageError, match="--config /nowhere/x: no such file or directory"):
        parsed("--config", "/nowhere/x")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--name=Big", "lowercase"),
        ("--nodes=sim:0", "must be real, none or sim:N"),
        ("--store=redis", "must be sqlite, memory or etcd"),
        ("--store=etcd", "say where it is with --etcd-servers"),
        ("--etcd-servers=http://x:2379", "--etcd-servers is for --store etcd"),
        ("--authorization-mode=ABAC", "ABAC is not supported"),
        ("--token-auth-file=/nowhere", "--token-auth-file /nowhere: no such file"),
        ("--port=65536", "--port 65536: must be 0 to 65535"),
        ("--max-container-restart-period=soon", "must be a duration like 90s or 1m30s"),
        ("--max-container-restart-period=6m", "must be between 1s and 300s"),
        ("--feature-gates=Nope=true", "unrecognized feature gate: Nope"),
    ],
)
def test_a_bad_flag_is_refused(tmp_path: Path, flag: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parsed("--data-dir", str(tmp_path), flag)


def test_another_service_network_forgets_the_dns_address_of_the_old_one(tmp_path: Path) -> None:
    remember(ClusterConfig(data_dir=str(tmp_path), service_cidr="10.43.0.0/16", dns_ip="10.43.0.10"))
    assert parsed("--data-dir", str(tmp_path)).dns_ip == "10.43.0.10"
    assert parsed("--data-dir", str(tmp_path), "--service-cidr", "10.99.0.0/16").dns_ip == ""


def test_data_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"formatVersion": 2, "port": 1}))
    with pytest.raises(
        UsageError, match=r"written by a newer Pinnace \(format 2; this one knows 1\): upgrade"
    ):
        parsed("--data-dir", str(tmp_path))


def test_damaged_data_is_refused_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"port": ')
    with pytest.raises(UsageError, match=r"config\.json is damaged"):
        parsed("--data-dir", str(tmp_path))


def test_the_directory_is_absolute_and_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert ClusterConfig(data_dir="link/data").directory == tmp_path / "real" / "data"


def test_a_scheduler_configuration_is_read_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.yaml"
    path.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparalelism: 3\n"
    )
    with pytest.raises(UsageError) as error:
        parsed("--data-dir", str(tmp_path), "--kube-scheduler-config", str(path))
    assert str(error.value) == (
        f'--kube-scheduler-config {path}: strict decoding error: unknown field "paralelism"'
    )
    path.write_text(path.read_text().replace("paralelism: 3", "parallelism: 3"))
    config = parsed("--data-dir", str(tmp_path), "--kube-scheduler-config", str(path))
    assert scheduler_settings(config).without_effect == ("parallelism",)
