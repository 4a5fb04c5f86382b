"""Static pods: files of the node, real containers, and their mirrors in the API."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from e2e.kubelet.node import NODE, WAIT, Node, shell
from pinnace.api.meta import Object
from pinnace.api.resources import NODES, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e
NAME = f"web-{NODE}"


@pytest_asyncio.fixture
async def manifests(node: Node, tmp_path: Path) -> AsyncGenerator[Path, None]:
    directory = tmp_path / "manifests"
    directory.mkdir()
    await node.stop()
    node.config = replace(node.config, static_pod_path=directory)
    await node.start()
    yield directory


def write(directory: Path, script: str = WAIT, file: str = "web.yaml", **spec: object) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [shell(script)], "terminationGracePeriodSeconds": 3, **spec},
    }  # fmt: skip
    (directory / file).write_text(json.dumps(pod))


async def container_ids(node: Node) -> set[str]:
    return {one.id for one in await node.runtime.list_containers() if one.state == 1}


async def no_containers(node: Node) -> None:
    async def none() -> bool:
        return not await container_ids(node)

    await eventually(none)


async def test_a_manifest_runs_and_is_mirrored(node: Node, manifests: Path) -> None:
    write(manifests)
    mirror = await node.running(NAME)
    annotations = mirror["metadata"]["annotations"]
    assert annotations["kubernetes.io/config.source"] == "file"
    assert annotations["kubernetes.io/config.mirror"] == annotations["kubernetes.io/config.hash"]
    assert mirror["metadata"]["uid"] != annotations["kubernetes.io/config.hash"]
    owner = mirror["metadata"]["ownerReferences"][0]
    node_uid = (await node.client.get(NODES, NODE))["metadata"]["uid"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("Node", NODE, node_uid, True)
    assert {"effect": "NoExecute", "operator": "Exists"} in mirror["spec"]["tolerations"]
    assert mirror["status"]["podIP"]


async def test_a_deleted_mirror_is_made_anew_and_the_container_goes_on(node: Node, manifests: Path) -> None:
    write(manifests)
    mirror = await node.running(NAME)
    before = await container_ids(node)
    await node.client.delete(PODS, NAME, "default")

    def is_new(pod: Object) -> bool:
        return pod["metadata"]["uid"] != mirror["metadata"]["uid"] and pod["status"].get("phase") == "Running"

    await node.until(NAME, is_new)
    assert await container_ids(node) == before


async def test_a_changed_manifest_replaces_the_pod(node: Node, manifests: Path) -> None:
    write(manifests)
    await node.running(NAME)
    before = await container_ids(node)
    write(manifests, "echo new; " + WAIT)

    def is_new(pod: Object) -> bool:
        return (
            "echo new" in pod["spec"]["containers"][0]["command"][2]
            and pod["status"].get("phase") == "Running"
        )

    await node.until(NAME, is_new)
    assert not before & await container_ids(node)


async def test_a_manifest_that_goes_ends_its_pod(node: Node, manifests: Path) -> None:
    write(manifests)
    await node.running(NAME)
    (manifests / "web.yaml").unlink()
    await node.gone(NAME)
    await no_containers(node)


async def test_a_manifest_that_is_no_pod_disturbs_no_other(node: Node, manifests: Path) -> None:
    (manifests / "broken.yaml").write_text("kind: [")
    (manifests / ".hidden.yaml").write_text("{}")
    write(manifests, file="secret.yaml", imagePullSecrets=[{"name": "s"}])
    write(manifests, file="web.json")
    await node.running(NAME)


async def test_a_restarted_kubelet_goes_on_with_what_runs(node: Node, manifests: Path) -> None:
    write(manifests)
    mirror = await node.running(NAME)
    before = await container_ids(node)
    await node.stop()
    await node.start()
    uid = mirror["metadata"]["annotations"]["kubernetes.io/config.hash"]
    await eventually(lambda: node.kubelet.host.pod_status(uid))
    await node.kubelet.housekeeping.clean()
    assert await container_ids(node) == before
    assert (await node.pod(NAME))["metadata"]["uid"] == mirror["metadata"]["uid"]


async def test_what_changed_while_the_kubelet_was_away_is_made_up_for(node: Node, manifests: Path) -> None:
    write(manifests)
    await node.running(NAME)
    before = await container_ids(node)
    await node.stop()
    write(manifests, "echo new; " + WAIT)
    await node.start()

    async def is_replaced() -> bool:
        now = await container_ids(node)
        return bool(now) and not now & before

    await eventually(is_replaced)
    await node.stop()
    (manifests / "web.yaml").unlink()
    await node.start()
    await node.gone(NAME)
    await no_containers(node)


async def test_it_runs_without_an_api_server(node: Node, manifests: Path) -> None:
    class Away:
        """A client whose server does not answer."""

        def __getattr__(self, name: str) -> object:
            async def refuse(*arguments: object, **named: object) -> object:
                raise ConnectionError("connection refused")

            async def refuse_stream(*arguments: object, **named: object) -> AsyncGenerator[object, None]:
                raise ConnectionError("connection refused")
                yield

            return refuse_stream if name == "watch" else refuse

    await node.stop()
    write(manifests)
    client = node.client
    node.client = Away()  # type: ignore[assignment]
    node.start_without_waiting()
    try:

        async def runs() -> bool:
            return len(await container_ids(node)) == 1

        await eventually(runs)
        before = await container_ids(node)
        write(manifests, "echo new; " + WAIT)

        async def is_replaced() -> bool:
            now = await container_ids(node)
            return bool(now) and not now & before

        await eventually(is_replaced)
        with pytest.raises(NotFound):
            await client.get(PODS, NAME, "default")
    finally:
        await node.stop()
        node.client = client
    await node.start()
    await node.running(NAME)
