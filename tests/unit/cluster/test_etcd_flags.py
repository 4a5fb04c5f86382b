"""Flags of the etcd store: what belongs together, what is remembered, what reaches the server process."""

import argparse
from pathlib import Path

import pytest

from pinnace.cluster.config import ClusterConfig, from_args, remember
from pinnace.cluster.errors import UsageError
from pinnace.cluster.flags import add_flags
from pinnace.cluster.launch import server_flags


def parsed(directory: Path, *flags: str) -> ClusterConfig:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return from_args(parser.parse_args(["--data-dir", str(directory), *flags]))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--store", "etcd"], "say where it is"),
        (["--etcd-servers", "http://a:2379"], "is for --store etcd"),
        (["--store", "etcd", "--etcd-servers", "a:2379"], "must be http"),
        (["--store", "etcd", "--etcd-servers", "http://a:2379", "--etcd-certfile", "/dev/null"], "belong together"),
        (["--store", "etcd", "--etcd-servers", "http://a:2379", "--etcd-user", "x"], "belong together"),
        (["--store", "etcd", "--etcd-servers", "http://a:2379", "--etcd-cafile", "/no/such"], "no such file"),
        (["--store", "zookeeper"], "must be sqlite, memory or etcd"),
    ],
)  # fmt: skip
def test_incomplete_flags_are_refused(tmp_path: Path, flags: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parsed(tmp_path, *flags)


def test_etcd_is_remembered_and_handed_on_until_another_store_is_asked_for(tmp_path: Path) -> None:
    remember(parsed(tmp_path, "--store", "etcd", "--etcd-servers", "http://a:2379,http://b:2379"))
    again = parsed(tmp_path)
    assert (again.store, again.etcd_servers) == ("etcd", "http://a:2379,http://b:2379")
    assert "--etcd-servers=http://a:2379,http://b:2379" in server_flags(again)
    assert parsed(tmp_path, "--store", "sqlite").etcd_servers == ""
