"""What `pinnace agent` understands, remembers, and refuses."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from pinnace.cluster import agent_flags
from pinnace.cluster.agent_flags import AgentConfig
from pinnace.cluster.errors import UsageError

SERVER = ("--server", "https://10.0.0.1:6443")


def parsed(directory: Path, *words: str) -> AgentConfig:
    parser = argparse.ArgumentParser()
    agent_flags.add_flags(parser)
    return agent_flags.from_args(parser.parse_args([*words, "--data-dir", str(directory / "data")]))


def test_a_second_start_needs_nothing_and_the_token_is_not_kept(tmp_path: Path) -> None:
    first = parsed(
        tmp_path,
        *SERVER,
        "--token",
        "abcdef.0123456789abcdef",
        "--ca-hash",
        f"sha256:{'a' * 64}",
        "--node-name",
        "n1",
    )
    first.node.pod_cidr = "10.42.0.0/16"
    first.remember()
    assert "0123456789abcdef" not in (tmp_path / "data" / "config.json").read_text()
    again = parsed(tmp_path)
    assert (again.server, again.node.node_name, again.node.pod_cidr) == (first.server, "n1", "10.42.0.0/16")
    assert again.ca_hashes == first.ca_hashes


def test_several_servers_of_one_cluster_are_kept_in_their_order(tmp_path: Path) -> None:
    made = parsed(tmp_path, "--server", "https://a:6443/, https://b:6443,https://a:6443", "--node-name", "n1")
    assert made.servers == ["https://a:6443", "https://b:6443"]
    made.remember()
    assert parsed(tmp_path).servers == made.servers


@pytest.mark.parametrize(("words", "text"), [
    (("--server", "https://a:6443,"), "must be https"),
    ((), "say which cluster"),
    (("--server", "http://x:1"), "must be https"),
    ((*SERVER, "--token", "short"), "must be of the form"),
    ((*SERVER, "--ca-hash", "md5:1"), "sha256:"),
    ((*SERVER, "--node-name", "Big_Name"), "DNS name"),
    ((*SERVER, "--trace-buffer-bytes", "-1"), "must not be negative"),
    ((*SERVER, "--trace-buffer-bytes", "0", "--tracing-config-file", "/etc/passwd"), "needs spans"),
    ((*SERVER, "--tracing-config-file", "/not/there"), "--tracing-config-file /not/there"),
    ((*SERVER, "--node-labels", "a=b c"), "--node-labels a=b c"),
    ((*SERVER, "--register-with-taints", "a=b:Nowhere"), "invalid taint effect"),
    ((*SERVER, "--node-lease-duration-seconds", "0"), "more than nothing"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        parsed(tmp_path, *words)


def test_a_machine_keeps_its_name_and_a_cluster_its_directory(tmp_path: Path) -> None:
    parsed(tmp_path, *SERVER, "--node-name", "n1").remember()
    with pytest.raises(UsageError, match="joined as 'n1'"):
        parsed(tmp_path, "--node-name", "n2")
    (tmp_path / "data" / "config.json").write_text(json.dumps({"formatVersion": 1, "port": 6443}))
    with pytest.raises(UsageError, match="holds a cluster, not an agent"):
        parsed(tmp_path, *SERVER)


def test_flags_of_the_kubelet_reach_the_node(tmp_path: Path) -> None:
    made: Any = parsed(
        tmp_path, *SERVER, "--node-labels", "a=b", "--eviction-hard", "memory.available<1Mi"
    ).node
    assert (made.node_labels, made.eviction_hard, made.disable_ingress) == (
        "a=b",
        "memory.available<1Mi",
        True,
    )
