"""Volumes of the node itself: devices, host paths of every type, mounts that propagate, groups of files, sizes, statistics."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from csi_driver import detach, has_loop_devices, loop_device
from e2e.kubelet.node import NAMESPACE, WAIT, Node, shell, waiting
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from pinnace.kubelet.eviction_runner import Eviction
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.kubelet.volumes.mounts import mount_tmpfs, share, unmount
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e
Object = dict[str, Any]
CLAIMED = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
DEVICE = {"volumeDevices": [{"name": "v", "devicePath": "/dev/disk"}]}
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}


async def local_volume(node: Node, path: str, mode: str = "Filesystem") -> None:
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "disk", "storageClassName": "", "volumeMode": mode,
                 "resources": {"requests": {"storage": "1Mi"}}},
    }  # fmt: skip
    made = await node.client.create(PERSISTENT_VOLUME_CLAIMS, claim, NAMESPACE)
    body = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "volumeMode": mode,
                 "local": {"path": path},
                 "claimRef": {"namespace": NAMESPACE, "name": "data", "uid": made["metadata"]["uid"]},
                 "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                     {"key": "kubernetes.io/os", "operator": "Exists"}]}]}}},
    }  # fmt: skip
    await node.client.create(PERSISTENT_VOLUMES, body)
    bound = {"status": {"phase": "Bound"}}
    await node.client.patch(PERSISTENT_VOLUMES, "disk", bound, subresource="status")
    await node.client.patch(PERSISTENT_VOLUME_CLAIMS, "data", bound, NAMESPACE, subresource="status")


async def told(node: Node, pod: str, reason: str, text: str) -> None:
    async def probe() -> bool:
        events = await node.events(pod)
        assert ("Warning", reason, text) in events, events
        return True

    await eventually(probe)


@pytest.mark.skipif(not has_loop_devices(), reason="the kernel gives out no loop devices")
async def test_a_local_block_device_is_given_to_the_container(node: Node, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"\0" * (1 << 20))
    device = loop_device(image)
    try:
        await local_volume(node, device, "Block")
        await node.create("writer", shell(WAIT, **DEVICE), volumes=CLAIMED)
        pod = await node.running("writer")
        script = "test -b /dev/disk && printf raw | dd of=/dev/disk conv=notrunc,fsync 2>/dev/null; head -c 3 /dev/disk"
        assert await node.sh(pod, script) == "raw"
        assert image.read_bytes()[:3] == b"raw"

        only_read = [{"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}]
        await node.create("reader", shell(WAIT, **DEVICE), volumes=only_read)
        pod = await node.running("reader")
        assert await node.sh(pod, "head -c 3 /dev/disk") == "raw"
        assert "Operation not permitted" in await node.sh(pod, "printf x > /dev/disk"), (
            "the device cgroup says no"
        )

        await node.create("mounter", shell(WAIT, **MOUNT), volumes=CLAIMED)
        why = "volume v has volumeMode Block, but is specified in volumeMounts"
        volumes = "unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]"
        await told(node, "mounter", "FailedMount", f"Unable to attach or mount volumes: {volumes}: {why}")
        for name in ("writer", "reader"):
            await node.delete(name, 1)
    finally:
        detach(image)


async def test_a_local_volume_that_is_missing_heals_when_it_comes(node: Node, tmp_path: Path) -> None:
    await local_volume(node, str(tmp_path / "late"))
    group = {"fsGroup": 555, "fsGroupChangePolicy": "OnRootMismatch"}
    await node.create("patient", shell(WAIT, **MOUNT), volumes=CLAIMED, securityContext=group)
    why = f'path "{tmp_path}/late" does not exist'
    await told(node, "patient", "FailedMount", f'MountVolume.SetUp failed for volume "disk" : {why}')
    (tmp_path / "late").mkdir()
    pod = await node.running("patient")
    assert await node.sh(pod, "stat -c %g /v") == "555\n"
    (usage,) = await node.kubelet.host.claim_usage(pod)
    assert (usage.claim, usage.volume) == ("data", "v")
    assert usage.usage.capacity == os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


async def test_a_right_root_spares_the_files(node: Node, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "file").touch(mode=0o600)
    os.chown(disk, -1, 555)
    disk.chmod(0o2770)
    await local_volume(node, str(disk))
    for policy, group in (("OnRootMismatch", 0), ("Always", 555)):
        context = {"fsGroup": 555, "fsGroupChangePolicy": policy}
        await node.create(policy.lower(), shell(WAIT, **MOUNT), volumes=CLAIMED, securityContext=context)
        pod = await node.running(policy.lower())
        assert await node.sh(pod, "stat -c %g /v/file") == f"{group}\n"


@pytest.mark.parametrize("kind", ["Directory", "File", "Socket", "CharDevice", "BlockDevice"])
def test_kinds_of_host_paths_are_told_apart(kind: str, tmp_path: Path) -> None:
    """Every kind against every type, without a container: what is compared is the node's own file."""
    from pinnace.kubelet.volumes.host_path import CHECKS, prepare
    from pinnace.kubelet.volumes.plugin import MountError

    there = {"Directory": tmp_path, "File": tmp_path / "f", "Socket": Path(f"/tmp/{os.getpid()}.s"), "CharDevice": Path("/dev/null")}  # fmt: skip
    there["File"].touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(there["Socket"]))
        block = tmp_path / "block"
        os.mknod(block, 0o600 | stat.S_IFBLK, os.makedev(7, 250))
        there["BlockDevice"] = block
        try:
            for other, path in there.items():
                if other == kind:
                    prepare(path, kind)
                else:
                    with pytest.raises(MountError, match=f"is not {CHECKS[kind][1]}"):
                        prepare(path, kind)
        finally:
            there["Socket"].unlink()


async def test_a_host_path_that_is_not_what_it_should_be(node: Node, tmp_path: Path) -> None:
    volumes = [
        {"name": "v", "hostPath": {"path": str(tmp_path / "log"), "type": "FileOrCreate"}},
        {"name": "dev", "hostPath": {"path": "/dev/null", "type": "CharDevice"}},
        {"name": "dir", "hostPath": {"path": str(tmp_path / "missing"), "type": "Directory"}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/in/{one['name']}"} for one in volumes]
    await node.create("picky", shell(WAIT, volumeMounts=mounts), volumes=volumes)
    why = f"hostPath type check failed: {tmp_path}/missing is not a directory"
    await told(node, "picky", "FailedMount", f'MountVolume.SetUp failed for volume "dir" : {why}')
    (tmp_path / "missing").mkdir()
    pod = await node.running("picky")
    assert await node.sh(pod, "echo line > /in/v; test -c /in/dev && echo yes") == "yes\n"
    assert (tmp_path / "log").read_text() == "line\n"


async def test_mounts_propagate_as_they_are_asked_to(node: Node) -> None:
    """The kubelet's directory is shared, so that drivers in containers can mount for others."""
    share(node.config.root_dir)
    shared = node.config.root_dir / "shared"
    shared.mkdir()
    (shared / "in").mkdir()
    (shared / "out").mkdir()
    volumes = [{"name": "v", "hostPath": {"path": str(shared), "type": "Directory"}}]
    mount = {"name": "v", "mountPath": "/v"}
    one = shell(WAIT, "alone", volumeMounts=[mount])
    two = shell(WAIT, "hears", volumeMounts=[{**mount, "mountPropagation": "HostToContainer"}])
    three = shell(
        WAIT, "tells", volumeMounts=[{**mount, "mountPropagation": "Bidirectional"}],
        securityContext={"privileged": True},
    )  # fmt: skip
    await node.create("mounts", one, two, three, volumes=volumes)
    pod = await node.running("mounts")
    mount_tmpfs(shared / "in", "size=64k")
    try:
        (shared / "in" / "news").write_text("read all about it")
        seen = [await node.sh(pod, "ls /v/in", name) for name in ("alone", "hears", "tells")]
        assert seen == ["", "news\n", "news\n"]
        assert await node.sh(pod, "mount -t tmpfs none /v/out && echo hello > /v/out/file", "tells") == ""
        assert (shared / "out" / "file").read_text() == "hello\n"
        assert await node.sh(pod, "cat /v/out/file", "hears") == "hello\n"
        assert "No such file" in await node.sh(pod, "cat /v/out/file", "alone")
    finally:
        unmount(shared / "in")
    await node.delete("mounts", 1)


async def test_memory_volumes_are_as_large_as_they_may_be(node: Node) -> None:
    volumes = [
        {"name": "said", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "bound", "emptyDir": {"medium": "Memory"}},
    ]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    limits = {"limits": {"memory": "32Mi"}}
    await node.create("memory", shell(WAIT, volumeMounts=mounts, resources=limits), volumes=volumes)
    pod = await node.running("memory")
    sizes = await node.sh(pod, "df -k /said /bound | awk 'NR > 1 {print $2}'")
    assert sizes.split() == ["1024", "32768"]
    assert "No space left" in await node.sh(pod, "dd if=/dev/zero of=/said/big bs=64k count=32 2>&1")


async def test_a_pod_that_fills_its_volume_beyond_the_limit_is_evicted(node: Node) -> None:
    eviction = Eviction(
        node.kubelet.host, node.clock, node.kubelet.recorder, StatsProvider(node.kubelet.host, node.clock)
    )
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]
    await node.create(
        "greedy",
        shell(f"dd if=/dev/zero of=/v/big bs=64k count=32 2>/dev/null; {WAIT}", **MOUNT),
        volumes=volumes,
    )
    pod = await node.running("greedy")
    directory = node.kubelet.host.volume_dir(pod["metadata"]["uid"], "kubernetes.io~empty-dir", "v")

    async def written() -> bool:
        return (directory / "big").exists() and (directory / "big").stat().st_size == 2 << 20

    await eventually(written)
    assert await eviction.synchronize() == [pod["metadata"]["uid"]]
    pod = await node.until("greedy", lambda pod: pod["status"]["phase"] == "Failed")
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '


async def test_recursive_read_only_is_refused_where_the_runtime_has_none(node: Node, tmp_path: Path) -> None:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path)}}]
    await node.create("deep", shell(WAIT, volumeMounts=[mount]), volumes=volumes)
    pod = await node.until("deep", lambda pod: waiting(pod) == "CreateContainerConfigError")
    message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == 'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
