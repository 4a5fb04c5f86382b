"""Device plugins: their devices are resources of the node, and reach containers."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from device_plugin import DevicePlugin
from e2e.kubelet.node import NODE, WAIT, Node, container, shell
from pinnace.api.resources import NODES
from pinnace.kubelet.devices.pod_resources import SERVICE, message_classes
from pinnace.net.csi.client import Endpoint
from pinnace.net.grpc_sockets import RpcError
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e

RESOURCE = "example.com/dev"


@pytest_asyncio.fixture
async def plugin(node: Node) -> AsyncGenerator[DevicePlugin, None]:
    one = DevicePlugin(node.config.root_dir)
    await eventually(_listens(one))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def _listens(plugin: DevicePlugin) -> Any:
    async def probe() -> bool:
        return (plugin.kubelet / "kubelet.sock").exists()

    return probe


def user(count: int = 1, name: str = "c", **fields: Any) -> dict[str, Any]:
    return shell(WAIT, name, resources={"limits": {RESOURCE: str(count)}}, **fields)


async def offered(node: Node, capacity: int, allocatable: int) -> None:
    async def probe() -> bool:
        status = (await node.client.get(NODES, NODE))["status"]
        found = (status["capacity"].get(RESOURCE), status["allocatable"].get(RESOURCE))
        assert found == (str(capacity), str(allocatable)), found
        return True

    await eventually(probe)


async def test_a_container_gets_what_the_plugin_says(node: Node, plugin: DevicePlugin) -> None:
    plugin.preferred = ["d1"]
    await plugin.register()
    await offered(node, 2, 2)
    env = [{"name": "OVERRIDDEN", "value": "by the pod"}]
    await node.create("web", user(env=env))
    pod = await node.running("web")
    assert plugin.calls == [
        ("GetPreferredAllocation", ["d0", "d1"]), ("Allocate", ["d1"]), ("PreStartContainer", ["d1"]),
    ]  # fmt: skip
    text = await node.sh(
        pod, "echo $DEVICES $OVERRIDDEN; ls /given | grep pods; test -c /dev/given && echo device"
    )
    assert text.split("\n")[:3] == ["d1 by the pod", "pods", "device"]
    status = [{"name": RESOURCE, "resources": [{"resourceID": "d1", "health": "Healthy"}]}]
    assert container(pod)["allocatedResourcesStatus"] == status


async def test_devices_are_given_once_and_returned(node: Node, plugin: DevicePlugin) -> None:
    await plugin.register()
    await offered(node, 2, 2)
    await node.create("both", user(2))
    await node.running("both")
    await node.create("late", user())
    late = await node.until("late", lambda pod: pod["status"].get("phase") == "Failed")
    assert late["status"]["reason"] == "UnexpectedAdmissionError"
    assert late["status"]["message"] == (
        "Pod was rejected: Allocate failed due to requested number of devices unavailable for example.com/dev. "
        "Requested: 1, Available: 0, which is unexpected"
    )
    await node.delete("both")
    await node.create("next", user())
    await node.running("next")


async def test_health_shows_in_allocatable_and_in_the_status_of_who_has_the_device(
    node: Node, plugin: DevicePlugin
) -> None:
    await plugin.register()
    await offered(node, 2, 2)
    await node.create("web", user())
    await node.running("web")
    plugin.devices["d0"] = "Unhealthy"
    plugin.tell()
    await offered(node, 2, 1)

    def health(pod: dict[str, Any]) -> str:
        found = container(pod)["allocatedResourcesStatus"][0]["resources"][0]["health"]
        return str(found)

    await node.until("web", lambda pod: health(pod) == "Unhealthy")
    await plugin.stop()
    await offered(node, 2, 0)
    await node.until("web", lambda pod: health(pod) == "Unknown")


async def test_a_restarted_kubelet_knows_who_has_what(node: Node, plugin: DevicePlugin) -> None:
    await plugin.register()
    await offered(node, 2, 2)
    await node.create("web", user())
    before = await node.running("web")
    await plugin.stop()
    await node.stop()
    await node.start()
    await offered(node, 2, 0)
    await plugin.start()
    await plugin.register()
    await offered(node, 2, 2)
    await node.create("more", user(2))
    more = await node.until("more", lambda pod: pod["status"].get("phase") == "Failed")
    assert "Requested: 2, Available: 1" in more["status"]["message"]
    pod = await node.running("web")
    assert container(pod)["containerID"] == container(before)["containerID"]
    await node.create("other", user())
    other = await node.running("other")
    assert (await node.sh(other, "echo $DEVICES")).strip() == "d1"


async def test_plugins_that_cannot_register_are_told_why(node: Node, plugin: DevicePlugin) -> None:
    with pytest.raises(RpcError, match='API version "v1" is not supported by kubelet'):
        await plugin.register("v1")
    plugin.resource = "nonsense"
    with pytest.raises(RpcError, match='the ResourceName "nonsense" is invalid'):
        await plugin.register()


async def test_a_plugin_that_fails_to_allocate_or_to_prepare(node: Node, plugin: DevicePlugin) -> None:
    await plugin.register()
    await offered(node, 2, 2)
    plugin.fails["Allocate"] = "no way"
    await node.create("refused", user())
    pod = await node.until("refused", lambda pod: pod["status"].get("phase") == "Failed")
    assert "rpc error: code = Unknown desc = no way, which is unexpected" in pod["status"]["message"]
    plugin.fails = {"PreStartContainer": "not yet"}
    await node.create("waits", user())
    pod = await node.until("waits", lambda pod: "not yet" in str(container(pod)["state"]))
    assert container(pod)["state"]["waiting"]["reason"] == "CreateContainerConfigError"


async def test_agents_learn_who_has_what(node: Node, plugin: DevicePlugin) -> None:
    await plugin.register()
    await offered(node, 2, 2)
    await node.create("web", user(), shell(WAIT, "plain"))
    await node.running("web")
    socket, classes = (
        Endpoint(str(node.config.root_dir / "pod-resources" / "kubelet.sock")),
        message_classes(),
    )

    async def ask(method: str, request: str, response: str, **fields: str) -> Any:
        return await socket.call(f"/{SERVICE}/{method}", classes[request](**fields), classes[response])

    answer = await ask("List", "ListPodResourcesRequest", "ListPodResourcesResponse")
    (pod,) = answer.pod_resources
    devices = {
        one.name: [(held.resource_name, list(held.device_ids)) for held in one.devices]
        for one in pod.containers
    }
    assert (pod.name, pod.namespace) == ("web", "default")
    assert devices == {"c": [(RESOURCE, ["d0"])], "plain": []}
    whole = await ask(
        "GetAllocatableResources", "AllocatableResourcesRequest", "AllocatableResourcesResponse"
    )
    assert [(one.resource_name, list(one.device_ids)) for one in whole.devices] == [(RESOURCE, ["d0", "d1"])]
    wanted = {"pod_name": "web", "pod_namespace": "default"}
    assert (
        await ask("Get", "GetPodResourcesRequest", "GetPodResourcesResponse", **wanted)
    ).pod_resources == pod
    with pytest.raises(RpcError, match="pod gone in namespace default not found"):
        await ask(
            "Get",
            "GetPodResourcesRequest",
            "GetPodResourcesResponse",
            pod_name="gone",
            pod_namespace="default",
        )
