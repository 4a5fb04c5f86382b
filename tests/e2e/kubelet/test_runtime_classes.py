"""RuntimeClasses with a real containerd, which has a second handler for that."""

import pytest

from e2e.kubelet.node import Node
from pinnace.api.meta import Object
from pinnace.api.resources import RUNTIME_CLASSES
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e


def runtime_class(name: str, handler: str) -> Object:
    return {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler,
        "overhead": {"podFixed": {"memory": "8Mi"}},
    }  # fmt: skip


async def test_the_handler_of_its_class_runs_a_pod(node: Node) -> None:
    await node.client.create(RUNTIME_CLASSES, runtime_class("other", "second"))
    await node.create("web", runtimeClassName="other")
    pod = await node.running("web")
    box = node.kubelet.host.sandbox(pod["metadata"]["uid"])
    assert box is not None
    info = (await node.runtime.sandbox_status(box.id, verbose=True)).info["info"]
    assert '"runtimeHandler":"second"' in info


async def test_a_handler_that_the_runtime_does_not_have_is_told(node: Node) -> None:
    await node.client.create(RUNTIME_CLASSES, runtime_class("strange", "strange"))
    await node.create("web", runtimeClassName="strange")
    text = (
        "Failed to create pod sandbox: rpc error: code = Unknown desc = "
        'failed to get sandbox runtime: no runtime for "strange" is configured'
    )

    async def told() -> bool:
        return ("Warning", "FailedCreatePodSandBox", text) in await node.events("web")

    await eventually(told)


async def test_a_class_that_went_meanwhile_is_told(node: Node) -> None:
    await node.client.create(RUNTIME_CLASSES, runtime_class("brief", "second"))
    await node.stop()
    await node.create("web", runtimeClassName="brief")
    await node.client.delete(RUNTIME_CLASSES, "brief")
    await node.start()
    text = 'Failed to create pod sandbox: runtimeclass.node.k8s.io "brief" not found'

    async def told() -> bool:
        return ("Warning", "FailedCreatePodSandBox", text) in await node.events("web")

    await eventually(told)
