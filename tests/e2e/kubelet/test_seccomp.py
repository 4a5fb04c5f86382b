"""Seccomp profiles of the node's own: files below the kubelet's directory."""

import json

import pytest

from e2e.kubelet.node import WAIT, Node, container, shell, waiting

pytestmark = pytest.mark.e2e

NO_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}],
}


PROFILE = {"type": "Localhost", "localhostProfile": "profiles/no-mkdir.json"}


def install(node: Node) -> None:
    path = node.config.root_dir / "seccomp" / PROFILE["localhostProfile"]
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(NO_MKDIR))


async def test_a_profile_of_the_node_holds(node: Node) -> None:
    install(node)
    await node.create("tied", shell(WAIT), securityContext={"seccompProfile": PROFILE})
    pod = await node.running("tied")
    assert "No message of desired type" in await node.sh(pod, "mkdir /tmp/x; true")  # error 42
    assert await node.sh(pod, "touch /tmp/x; ls /tmp") == "x\n"


@pytest.mark.full  # tried again after ten seconds
async def test_a_missing_profile_is_told_until_it_comes(node: Node) -> None:
    await node.create("tied", shell(WAIT), securityContext={"seccompProfile": PROFILE})
    pod = await node.until("tied", lambda pod: waiting(pod) == "CreateContainerError")
    path = node.config.root_dir / "seccomp" / PROFILE["localhostProfile"]
    told = container(pod)["state"]["waiting"]["message"]
    assert f'cannot load seccomp profile "{path}": open {path}: no such file or directory' in told
    assert ("Warning", "Failed", f"Error: {told}") in await node.events("tied")
    install(node)
    await node.running("tied")
