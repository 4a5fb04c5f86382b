"""`lifecycle.stopSignal` with a real containerd, whose CRI cannot be told of it."""

import pytest

from e2e.kubelet.node import Node, container, shell
from pinnace.api.resources import PODS

pytestmark = pytest.mark.e2e


async def test_a_container_gets_its_own_stop_signal(node: Node) -> None:
    script = "trap 'echo usr1; exit 7' USR1; trap 'exit 1' TERM; while :; do sleep 0.05; done"
    body = shell(script, lifecycle={"stopSignal": "SIGUSR1"})
    await node.create("web", body, os={"name": "linux"}, metadata={"finalizers": ["example.org/stay"]})
    pod = await node.running("web")
    assert container(pod)["stopSignal"] == "SIGUSR1"
    await node.client.delete(PODS, "web", "default")
    pod = await node.until("web", lambda pod: container(pod)["state"].get("terminated"))
    assert container(pod)["state"]["terminated"]["exitCode"] == 7
    await node.client.patch(PODS, "web", {"metadata": {"finalizers": None}}, "default")
    await node.gone("web")


async def test_a_container_that_does_not_heed_its_signal_is_killed_after_the_grace_period(node: Node) -> None:
    body = shell("trap '' USR1; while :; do sleep 0.05; done", lifecycle={"stopSignal": "SIGUSR1"})
    await node.create("deaf", body, os={"name": "linux"}, terminationGracePeriodSeconds=1)
    await node.running("deaf")
    await node.delete("deaf")
