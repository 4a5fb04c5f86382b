"""CSI in whole clusters, with kubectl: the kubelet has a node's rights only, and the server does a driver's sidecars' work."""

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csi_driver import C_CREATE, EXPAND, STAGE, STATS, Driver
from e2e_support import Space, TestCluster, pod, until


@pytest.fixture
def directory() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="csi-"))
    yield made
    shutil.rmtree(made)


def kind(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": metadata, "spec": spec}


def claim(name: str, size: str, **spec: Any) -> dict[str, Any]:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": body}


def test_a_nodes_rights_are_enough_for_everything_a_driver_needs(space: Space, directory: Path) -> None:
    """Secrets of volumes, tokens for a driver's audience, CSINode, the claim's status: all asked for as the node."""
    driver = Driver(
        directory,
        space.cluster.data / "kubelet",
        f"{space.name}.csi",
        node_capabilities=(STAGE, EXPAND, STATS),
    )
    driver.topology = {f"{space.name}.csi/host": "here"}
    asyncio.run(driver.start())
    try:
        tokens = [{"audience": f"{space.name}-vault", "expirationSeconds": 600}]
        space.apply(kind(driver.name, attachRequired=False, podInfoOnMount=True, tokenRequests=tokens))
        asyncio.run(driver.register())
        until(lambda: driver.registered == [(True, "")])
        space.kubectl("create", "secret", "generic", "key", "--from-literal=word=sesame")
        volume = {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": space.name},
            "spec": {
                "capacity": {"storage": "2Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": space.name, "name": "data"},
                "csi": {"driver": driver.name, "volumeHandle": "h1",
                        "nodeStageSecretRef": {"name": "key", "namespace": space.name}},
            },
        }  # fmt: skip
        space.apply(volume, claim("data", "1Mi", storageClassName="", volumeName=space.name))
        mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        space.apply(pod("user", volumes=volumes, container=mount, terminationGracePeriodSeconds=1))
        space.until_ready("user")
        assert dict(driver.asked("NodeStageVolume")[0].secrets) == {"word": "sesame"}
        given = driver.asked("NodePublishVolume")[0].volume_context[
            "csi.storage.k8s.io/serviceAccount.tokens"
        ]
        assert f"{space.name}-vault" in given
        space.kubectl("exec", "user", "--", "touch", "/v/made")
        assert (driver.backing / "h1" / "made").exists()
        node = space.json("get", "csinodes")["items"][0]
        assert [one["name"] for one in node["spec"]["drivers"]] == [driver.name]
        name = node["metadata"]["name"]
        stats = json.loads(space.cluster.out("get", "--raw", f"/api/v1/nodes/{name}/proxy/stats/summary"))
        shown = [one for each in stats["pods"] for one in each.get("volume", []) if one.get("pvcRef")]
        assert [(one["pvcRef"]["name"], one["usedBytes"]) for one in shown] == [("data", 400)]

        space.kubectl("patch", "pv", space.name, "-p", '{"spec":{"capacity":{"storage":"4Mi"}}}')
        space.kubectl("label", "pod", "user", "look=again")
        size = ("get", "pvc", "data", "-o", "jsonpath={.status.capacity.storage}")
        until(lambda: space.out(*size) == "4Mi")
        space.kubectl("delete", "pod", "user")
        until(lambda: "NodeUnstageVolume" in driver.names())
        space.kubectl("delete", "pvc", "data", "--wait=false")
        space.kubectl("delete", "pv", space.name, "--wait=false")
        driver.registration_socket.unlink()
        until(lambda: not space.json("get", "csinodes")["items"][0]["spec"].get("drivers"))
    finally:
        asyncio.run(driver.stop())
        space.kubectl("delete", "csidriver", driver.name, "--ignore-not-found")


def test_the_server_does_the_sidecars_work(tmp_path: Path, directory: Path) -> None:
    """`--csi-controller`: the driver may come later than the server."""
    driver = Driver(directory, tmp_path / "kubelet", controller_capabilities=(C_CREATE,))
    name = f"csi{secrets.token_hex(2)}"
    cluster = TestCluster(
        name, tmp_path, ("--port=0", "--nodes=none", f"--csi-controller=unix://{driver.socket}")
    )
    try:
        cluster.up()
        asyncio.run(driver.start())
        storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
                         "provisioner": driver.name}  # fmt: skip
        cluster.apply(storage_class, claim("data", "1Mi", storageClassName="fast"), namespace="default")
        until(lambda: cluster.json("get", "pvc", "data")["status"]["phase"] == "Bound")
        assert len(list(driver.backing.iterdir())) == 1
        cluster.kubectl("delete", "pvc", "data")
        until(lambda: not cluster.json("get", "pv")["items"])
        assert list(driver.backing.iterdir()) == []
    finally:
        cluster.down("--purge")
        asyncio.run(driver.stop())
