"""What containers of a real pod see: environment, files, identity, names, limits."""

import base64
from pathlib import Path

import pytest

from e2e.kubelet.node import NAMESPACE, WAIT, Node, container, shell, waiting
from pinnace.api.resources import CONFIG_MAPS, SECRETS
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_environment_waits_for_its_config_map(node: Node) -> None:
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "PHRASE", "value": "all $(COLOUR)"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    await node.create("env", shell(WAIT, env=env))
    pod = await node.until("env", lambda pod: waiting(pod) == "CreateContainerConfigError")
    assert container(pod)["state"]["waiting"]["message"] == 'configmap "settings" not found'
    assert ("Warning", "Failed", 'Error: configmap "settings" not found') in await node.events("env")
    await node.client.create(CONFIG_MAPS, config_map("settings", colour="blue"), NAMESPACE)
    pod = await node.running("env")
    text = await node.sh(pod, "echo $PHRASE $NAME $IP")
    assert text == f"all blue env {pod['status']['podIP']}\n"


async def test_image_errors(node: Node) -> None:
    await node.create("upper", {"name": "c", "image": "UPPER:x"})
    await node.create("never", {"name": "c", "image": "example.com/none:1", "imagePullPolicy": "Never"})
    await node.create("pull", {"name": "c", "image": "127.0.0.1:1/none:1"})
    pod = await node.until("upper", lambda pod: waiting(pod) == "InvalidImageName")
    message = container(pod)["state"]["waiting"]["message"]
    assert message.startswith('Failed to apply default image tag "UPPER:x": couldn\'t parse image name')
    await node.until("never", lambda pod: waiting(pod) == "ErrImageNeverPull")
    await node.until("pull", lambda pod: waiting(pod) == "ErrImagePull")
    pod = await node.until("pull", lambda pod: waiting(pod) == "ImagePullBackOff")
    text = container(pod)["state"]["waiting"]["message"]
    assert text.startswith('Back-off pulling image "127.0.0.1:1/none:1": ErrImagePull: ')
    assert ("Warning", "Failed", "Error: ErrImagePull") in await node.events("pull")


async def test_files_from_objects_follow_changes(node: Node) -> None:
    await node.client.create(CONFIG_MAPS, config_map("files", a="1", b="2"), NAMESPACE)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "data": {"k": base64.b64encode(b"\x00secret").decode()},
    }
    await node.client.create(SECRETS, secret, NAMESPACE)
    sources = [
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"configMap": {"name": "files", "items": [{"key": "b", "path": "sub/b"}]}},
    ]
    volumes = [
        {"name": "files", "configMap": {"name": "files"}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "mixed", "projected": {"sources": sources}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    mounts = [
        *({"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes),
        {"name": "files", "mountPath": "/one", "subPath": "a"},
    ]
    await node.create(
        "files",
        shell(WAIT, volumeMounts=mounts),
        volumes=volumes,
        metadata={"labels": {"app": "files"}},
    )
    pod = await node.running("files")
    assert await node.sh(pod, "cat /files/a /one /mixed/sub/b /mixed/labels") == '112app="files"'
    assert await node.sh(pod, "stat -L -c %a /keys/k; wc -c < /keys/k") == "400\n7\n"
    assert "1024" in await node.sh(pod, "df -k /shm")
    await node.client.patch(CONFIG_MAPS, "files", {"data": {"a": "new"}}, NAMESPACE)

    async def changed() -> bool:
        return await node.sh(pod, "cat /files/a") == "new"

    await eventually(changed)
    await node.delete("files")


async def test_missing_volume_source_is_told(node: Node) -> None:
    volumes = [{"name": "x", "configMap": {"name": "y"}}]
    await node.create("mount", shell(WAIT, volumeMounts=[{"name": "x", "mountPath": "/x"}]), volumes=volumes)
    expected = 'MountVolume.SetUp failed for volume "x" : configmap "y" not found'

    async def told() -> bool:
        return ("Warning", "FailedMount", expected) in await node.events("mount")

    await eventually(told)
    assert waiting(await node.pod("mount")) == "ContainerCreating"
    await node.client.create(CONFIG_MAPS, config_map("y", k="v"), NAMESPACE)
    await node.running("mount")


async def test_host_path_types(node: Node, tmp_path: Path) -> None:
    volumes = [{"name": "h", "hostPath": {"path": str(tmp_path / "made"), "type": "DirectoryOrCreate"}}]
    mounts = [{"name": "h", "mountPath": "/h"}]
    await node.create("host", shell(f"echo hi > /h/file; {WAIT}", volumeMounts=mounts), volumes=volumes)
    await node.running("host")
    await eventually((tmp_path / "made" / "file").exists)
    assert (tmp_path / "made" / "file").read_text() == "hi\n"


async def test_identity_and_root_file_system(node: Node) -> None:
    context = {"runAsUser": 1000, "runAsGroup": 3000, "readOnlyRootFilesystem": True}
    volumes = [{"name": "v", "emptyDir": {}}]
    mounts = [{"name": "v", "mountPath": "/v"}]
    await node.create(
        "user",
        shell(WAIT, securityContext=context, volumeMounts=mounts),
        volumes=volumes,
        securityContext={"fsGroup": 2000, "supplementalGroups": [4000]},
    )
    pod = await node.running("user")
    assert await node.sh(pod, "id -u; id -g; id -G") == "1000\n3000\n3000 2000 4000\n" or "2000" in (
        await node.sh(pod, "id -G")
    )
    assert await node.sh(pod, "touch /v/x && stat -c %g /v/x") == "2000\n"
    assert "Read-only file system" in await node.sh(pod, "touch /x")


async def test_root_is_refused_where_it_must_not_be(node: Node) -> None:
    await node.create("root", shell(WAIT), securityContext={"runAsNonRoot": True})
    pod = await node.until("root", lambda pod: waiting(pod) == "CreateContainerConfigError")
    message = container(pod)["state"]["waiting"]["message"]
    assert message.startswith('container has runAsNonRoot and image will run as root (pod: "root_default(')


async def test_names(node: Node) -> None:
    aliases = [{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}]
    await node.create("names", shell(WAIT), hostname="me", subdomain="sub", hostAliases=aliases)
    pod = await node.running("names")
    hosts = await node.sh(pod, "cat /etc/hosts")
    assert "me.sub.default.svc.cluster.local\tme" in hosts
    assert "1.2.3.4\tfoo\tbar" in hosts
    assert await node.sh(pod, "hostname") == "me\n"
    resolv = await node.sh(pod, "cat /etc/resolv.conf")
    assert "nameserver 10.43.0.10" in resolv
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in resolv
    assert "ndots:5" in resolv


async def test_host_network(node: Node) -> None:
    await node.create("host", shell(WAIT), hostNetwork=True, hostPID=True)
    pod = await node.running("host")
    assert pod["status"]["podIP"] == "127.0.0.1"
    assert "lo" in await node.sh(pod, "ls /sys/class/net")


async def test_limits_reach_the_kernel(node: Node) -> None:
    resources = {"limits": {"cpu": "500m", "memory": "64Mi"}}
    await node.create("limits", shell(WAIT, resources=resources))
    pod = await node.running("limits")
    assert pod["status"]["qosClass"] == "Guaranteed"
    group = node.kubelet.host.pod_cgroup(pod).lstrip("/")
    memory = Path("/sys/fs/cgroup/memory") / group
    if memory.exists():  # cgroup v1
        assert int((memory / "memory.limit_in_bytes").read_text()) == 64 * 1024 * 1024
        quota = Path("/sys/fs/cgroup/cpu") / group / "cpu.cfs_quota_us"
        assert int(quota.read_text()) == 50_000
    await node.delete("limits")
    assert not memory.exists()
