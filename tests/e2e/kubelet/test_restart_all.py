"""`restartPolicyRules` with RestartAllContainers: the whole pod starts anew in its sandbox."""

import pytest

from e2e.kubelet.node import WAIT, Node, container, shell
from pinnace.api.meta import Object

pytestmark = pytest.mark.e2e

RULES = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]


def condition(pod: Object) -> str:
    found = {one["type"]: one["status"] for one in pod["status"].get("conditions") or ()}
    return found.get("AllContainersRestarting", "")


async def test_all_containers_start_anew_when_one_asks_for_it(node: Node) -> None:
    trigger = shell(
        "if [ -e /data/again ]; then " + WAIT + "; fi; touch /data/again; exit 42", "trigger",
        restartPolicy="Never", restartPolicyRules=RULES, volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )  # fmt: skip
    first = shell("echo run >> /data/inits", "first", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    await node.create(
        "web", shell(WAIT, volumeMounts=[{"name": "data", "mountPath": "/data"}]), trigger,
        initContainers=[first], volumes=[{"name": "data", "emptyDir": {}}], restartPolicy="Never",
    )  # fmt: skip

    def is_new(pod: Object) -> bool:
        entries = [container(pod), container(pod, "trigger")]
        return all(one["restartCount"] == 1 and "running" in one["state"] for one in entries)

    pod = await node.until("web", is_new)
    assert await node.sh(pod, "cat /data/inits") == "run\nrun\n"
    assert container(pod, "trigger")["lastState"]["terminated"]["exitCode"] == 42
    assert container(pod, "first", "initContainerStatuses")["restartCount"] == 1
    assert condition(pod) == "False"
    assert len(await node.runtime.list_sandboxes()) == 1


async def test_an_exit_that_no_rule_names_ends_the_container_only(node: Node) -> None:
    other = shell("exit 7", "other", restartPolicy="Never", restartPolicyRules=RULES)
    await node.create("web", shell(WAIT), other, restartPolicy="Never")
    pod = await node.until("web", lambda pod: container(pod, "other")["state"].get("terminated"))
    assert container(pod)["restartCount"] == 0
    assert condition(pod) == "False"
