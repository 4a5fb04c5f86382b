"""A disk that runs full below a cluster: the node says so and keeps pods away, what cannot be stored is refused, all heals."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import load_demo_image
from e2e_support import TestCluster, pod, until

pytestmark = pytest.mark.full  # the kubelet looks at disks each ten seconds

MIB = 1 << 20


@pytest.fixture
def small() -> Iterator[TestCluster]:
    """A cluster on a disk of 256 MiB."""
    disk = Path(tempfile.mkdtemp(prefix="pinnace-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", str(disk)], check=True)
    flags = ("--port=0", "--kubelet-port=0", "--disable-ingress", "--eviction-pressure-transition-period=1s")
    made = TestCluster(f"d{secrets.token_hex(2)}", disk, flags)
    try:
        yield made
    finally:
        made.down("--purge")
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


def fill(path: Path, leave: int) -> None:
    """Make `path` as large as it may be so that `leave` bytes stay free."""
    free = os.statvfs(path.parent)
    with path.open("ab") as file:
        left = free.f_bavail * free.f_frsize - leave
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))


def pressure(cluster: TestCluster) -> tuple[str, str]:
    (node,) = cluster.json("get", "nodes")["items"]
    (found,) = (one for one in node["status"]["conditions"] if one["type"] == "DiskPressure")
    return found["status"], found["reason"]


def node_events(cluster: TestCluster) -> set[str]:
    return {one["reason"] for one in cluster.json("get", "events", "-A")["items"]}


def test_a_full_disk_is_told_refuses_writes_and_heals(small: TestCluster) -> None:
    small.up()
    load_demo_image(small)
    space = small.make_namespace("full")
    space.apply(pod("victim"))
    space.until_ready("victim")
    filler = small.directory / "filler"

    # nearly full: pressure, a victim, no new pods
    fill(filler, leave=10 * MIB)
    until(lambda: pressure(small) == ("True", "KubeletHasDiskPressure"), within=60)
    until(lambda: space.status_column("victim") == "Evicted", within=60)
    status = space.json("get", "pod", "victim")["status"]
    assert status["phase"] == "Failed"
    assert status["message"].startswith(
        "The node was low on resource: ephemeral-storage. Threshold quantity: "
    )
    (node,) = small.json("get", "nodes")["items"]
    assert {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}.items() <= until(
        lambda: next(
            t for t in small.json("get", "nodes")["items"][0]["spec"]["taints"] if "disk" in t["key"]
        )
    ).items()
    assert {"NodeHasDiskPressure", "EvictionThresholdMet", "Evicted"} <= node_events(small)
    space.apply(pod("waiting"))
    until(lambda: "untolerated taint" in space.out("describe", "pod", "waiting"))

    # full: writes are refused with the reason, reads go on
    fill(filler, leave=0)
    until(lambda: _refusal(small), within=60)
    refused = _refusal(small)
    assert "no space left on the device of the data directory" in refused, refused
    assert space.status_column("waiting") == "Pending"

    # room again: all goes on by itself
    filler.unlink()
    until(lambda: pressure(small) == ("False", "KubeletHasNoDiskPressure"), within=60)
    space.until_ready("waiting", within=60)
    small.kubectl("create", "configmap", "after", "--from-literal=a=b")
    assert "NodeHasNoDiskPressure" in node_events(small)
    assert node["metadata"]["uid"] == small.json("get", "nodes")["items"][0]["metadata"]["uid"]


def _refusal(cluster: TestCluster) -> str:
    """What the API server says when it cannot store; "" when it could."""
    body = "\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{generateName: big-}}\ndata: {{x: {secrets.token_hex(50_000)}}}\n---"
        for _ in range(10)
    )
    return cluster.kubectl("create", "-f", "-", stdin=body, check=False).stderr
