"""What a registry may do wrong, told as upstream tells it; and logins."""

import base64
import json
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from containerd_fixture import private_containerd
from e2e.kubelet.faulty_registry import PASSWORD, USER, FaultyRegistry
from e2e.kubelet.node import NAMESPACE, WAIT, Node, container, shell, waiting
from e2e.kubelet.registry import free_port
from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS
from pinnace.kubelet.cri.private_containerd import PrivateContainerd
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e

FAULTS: dict[str, tuple[int | str, str]] = {
    "gone": (404, r"code = NotFound desc = failed to pull and unpack image .*: not found"),
    "closed": (401, r"code = Unknown desc = .*: 401 Unauthorized"),
    "members": ("login", r"code = Unknown desc = .*(no basic auth credentials|401 Unauthorized)"),
    "busy": (429, r"code = Unknown desc = .*: 429 Too Many Requests"),
    "sick": (500, r"code = Unknown desc = .*: 500 Internal Server Error"),
    "text": ("text", r"code = Unknown desc = .*invalid character '<' looking for beginning of value"),
    "forged": ("other-manifest", r"code = FailedPrecondition desc = .*: failed precondition"),
    "changed": ("other-layer", r"code = FailedPrecondition desc = .*unexpected commit digest"),
    "cut": ("cut-layer", r"code = \w+ desc = .*unexpected EOF"),
}


@pytest.fixture(scope="module")
def small_disk() -> Iterator[PrivateContainerd]:
    """A containerd on a disk of 24 MiB."""
    disk = Path(tempfile.mkdtemp(prefix="pinnace-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], check=True)
    try:
        with private_containerd(disk / "c") as server:
            yield server
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServerInProcess]:
    async with ApiServerInProcess(tmp_path / "pki") as made:
        yield made


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    made = FaultyRegistry()
    yield made
    made.close()


def container_of(image: str) -> Object:
    return {**shell(WAIT), "image": image}


async def create_all(node: Node, registry: FaultyRegistry) -> dict[str, str]:
    """A pod for each fault, and one whose registry is not there at all; their images by their names."""
    images = {name: registry.image(name, fault) for name, (fault, _) in FAULTS.items()}
    images["down"] = f"127.0.0.1:{free_port()}/web:1"
    for name, image in images.items():
        await node.create(name, container_of(image))
    return images


async def test_whatever_the_registry_does_is_told(node: Node, registry: FaultyRegistry) -> None:
    images = await create_all(node, registry)
    patterns = {name: pattern for name, (_, pattern) in FAULTS.items()}
    patterns["down"] = r"code = Unknown desc = .*dial tcp 127\.0\.0\.1:\d+: connect: connection refused"
    for name, image in images.items():
        pod = await node.until(name, lambda pod: waiting(pod) == "ImagePullBackOff")
        assert pod["status"]["phase"] == "Pending"
        told = container(pod)["state"]["waiting"]["message"]
        begin = f'Back-off pulling image "{image}": ErrImagePull: '
        assert told.startswith(begin)
        cause = told.removeprefix(begin)
        assert re.fullmatch(f"rpc error: {patterns[name]}.*", cause), (name, cause)
        events = await node.events(name)
        expected = (
            ("Normal", "Pulling", f'Pulling image "{image}"'),
            ("Warning", "Failed", f'Failed to pull image "{image}": {cause}'),
            ("Warning", "Failed", "Error: ErrImagePull"),
            ("Normal", "BackOff", f'Back-off pulling image "{image}"'),
            ("Warning", "Failed", "Error: ImagePullBackOff"),
        )
        assert set(expected) <= set(events), (name, events)


@pytest.mark.full  # the first back-off is ten seconds
async def test_a_registry_that_recovers_is_asked_again(node: Node, registry: FaultyRegistry) -> None:
    images = await create_all(node, registry)
    for name in FAULTS:
        await node.until(name, lambda pod: waiting(pod) == "ImagePullBackOff")
    registry.heal()
    for name in FAULTS:
        pod = await node.until(name, lambda pod: pod["status"]["phase"] == "Running")
        assert container(pod)["restartCount"] == 0
        pulled = f'Successfully pulled image "{images[name]}" in '
        assert any(message.startswith(pulled) for _, _, message in await node.events(name))
    assert waiting(await node.pod("down")) in ("ImagePullBackOff", "ErrImagePull")


async def test_a_slow_registry_holds_up_only_its_own_pod(node: Node, registry: FaultyRegistry) -> None:
    slow = registry.image("slow", "hang")
    await node.create("slow", container_of(slow))
    await node.create("given-up", container_of(registry.image("slower", "hang")))
    for name in ("slow", "given-up"):
        await eventually(lambda name=name: _told(node, name, "Pulling"))
    await node.create("other")
    await node.running("other")
    pod = await node.pod("slow")
    assert waiting(pod) == "ContainerCreating"
    await node.delete("given-up")  # an end does not wait for the pull
    registry.heal()
    await node.running("slow")


@pytest.mark.parametrize("serialized", [True, False])
async def test_pulls_go_one_after_another_only_where_the_settings_say_so(
    node: Node, registry: FaultyRegistry, serialized: bool
) -> None:
    await node.stop()
    node.config = replace(node.config, serialize_image_pulls=serialized)
    await node.start()
    await node.create("first", container_of(registry.image("first", "hang")))
    await eventually(lambda: _asked(registry, "first"), within=60)
    await node.create("second", container_of(registry.image("second")))
    await eventually(lambda: _told(node, "second", "Pulling"), within=60)
    if serialized:
        await node.create("present")  # whose image is there waits for nobody
        await node.running("present")
        assert not _asked(registry, "second")
    else:
        await node.running("second")
    registry.heal()
    await node.running("first")
    await node.running("second")
    if serialized:
        assert max(_asked(registry, "first")) < min(_asked(registry, "second"))


def _asked(registry: FaultyRegistry, repository: str) -> list[int]:
    """Which of the registry's requests were for it."""
    return [at for at, path in enumerate(registry.asked) if path.startswith(f"/v2/{repository}/")]


async def _told(node: Node, name: str, reason: str) -> bool:
    return any(one[1] == reason for one in await node.events(name))


async def pull_secret(node: Node, registry: FaultyRegistry, name: str, password: str = PASSWORD) -> None:
    login = base64.b64encode(f"{USER}:{password}".encode()).decode()
    config = json.dumps({"auths": {registry.host: {"auth": login}}})
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()},
    }  # fmt: skip
    await node.client.create(SECRETS, body, NAMESPACE)


async def test_pull_secrets_open_a_registry(node: Node, registry: FaultyRegistry) -> None:
    """One that is wrong opens nothing; one that is missing is told, and others are tried."""
    image = registry.image("members", "login")
    await pull_secret(node, registry, "right")
    await pull_secret(node, registry, "wrong", "guess")
    secrets = [{"name": "missing"}, {"name": "wrong"}, {"name": "right"}]
    await node.create("outsider", container_of(image), imagePullSecrets=secrets[:2])
    pod = await node.until("outsider", lambda pod: waiting(pod) == "ErrImagePull")
    told = container(pod)["state"]["waiting"]["message"]
    assert "401 Unauthorized" in told, told
    text = (
        "Unable to retrieve some image pull secrets (missing); attempting to pull the image may not succeed."
    )
    assert ("Warning", "FailedToRetrieveImagePullSecret", text) in await node.events("outsider")
    await node.create("member", container_of(image), imagePullSecrets=secrets)
    await node.running("member")
    # the image is on the node now, but who has no secret may not use it
    await node.create("thief", {**container_of(image), "imagePullPolicy": "IfNotPresent"})
    await node.until("thief", lambda pod: waiting(pod) == "ErrImagePull")


async def test_a_pull_secret_opens_the_image_of_a_volume(node: Node, registry: FaultyRegistry) -> None:
    image = registry.image("data", "login")
    await pull_secret(node, registry, "right")
    volume = {"name": "files", "image": {"reference": image, "pullPolicy": "Always"}}
    reader = shell(WAIT, volumeMounts=[{"name": "files", "mountPath": "/volume"}])
    await node.create("outsider", reader, volumes=[volume])
    await node.until("outsider", lambda pod: waiting(pod) == "ErrImagePull")
    await node.create("reader", reader, volumes=[volume], imagePullSecrets=[{"name": "right"}])
    pod = await node.running("reader")
    assert "own" in (await node.sh(pod, "ls /volume")).split()
    assert ("Normal", "Pulling", f'Pulling image "{image}"') in await node.events("reader")


async def test_an_image_that_does_not_fit_on_the_disk_is_told(
    api: ApiServerInProcess, small_disk: PrivateContainerd, registry: FaultyRegistry, tmp_path: Path
) -> None:
    node = Node(api, small_disk.endpoint, tmp_path, f"/{tmp_path.parent.name}-small")
    await node.service_account()
    await node.start()
    try:
        registry.sizes["huge"] = 26_000_000
        await node.create("huge", container_of(registry.image("huge")))
        pod = await node.until("huge", lambda pod: waiting(pod) == "ErrImagePull")
        told = container(pod)["state"]["waiting"]["message"]
        assert re.fullmatch(r"rpc error: code = \w+ desc = .*: no space left on device.*", told), told
        await node.create("small", container_of(registry.image("small")))
        await node.running("small")  # nothing of the huge one takes the room
    finally:
        await node.close()
