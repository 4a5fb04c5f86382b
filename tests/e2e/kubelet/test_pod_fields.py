"""What a pod's spec asks of its containers: namespaces, privileges, names, gates, restarts, pauses."""

from pathlib import Path

import pytest

from e2e.kubelet.node import NAMESPACE, WAIT, Node, container, is_ready, shell
from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.kubelet.node_status import has_app_armor

pytestmark = pytest.mark.e2e

NAMESPACES = "for kind in pid ipc net; do readlink /proc/self/ns/$kind; done"


def condition(pod: Object, kind: str) -> Object:
    found = (one for one in pod["status"].get("conditions") or () if one["type"] == kind)
    return next(found, {"status": ""})


async def test_a_readiness_gate_keeps_a_pod_back_until_somebody_opens_it(node: Node) -> None:
    await node.create("gated", readinessGates=[{"conditionType": "example.com/open"}])
    pod = await node.until("gated", lambda pod: condition(pod, "ContainersReady")["status"] == "True")
    ready = condition(pod, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    assert "example.com/open" in ready["message"]
    opened = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    await node.client.patch(PODS, "gated", opened, NAMESPACE, subresource="status",
                            content_type="application/strategic-merge-patch+json")  # fmt: skip
    await node.until("gated", is_ready)


async def test_containers_share_the_namespaces_that_the_pod_says(node: Node) -> None:
    pair = (shell(WAIT), shell(WAIT, "other"))
    await node.create("apart", *pair)
    await node.create("together", *pair, shareProcessNamespace=True)
    await node.create("host", *pair, hostPID=True, hostIPC=True, hostNetwork=True)
    found = {}
    for name in ("apart", "together", "host"):
        pod = await node.running(name)
        found[name] = [(await node.sh(pod, NAMESPACES, one)).split() for one in ("c", "other")]
    machine = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("pid", "ipc", "net")]
    (one, other), (shared, also_shared) = found["apart"], found["together"]
    assert one[0] != other[0]
    assert one[1:] == other[1:]
    assert shared == also_shared
    assert found["host"] == [machine, machine]
    assert not {*one, *other, *shared} & set(machine)
    init = await node.sh(await node.pod("together"), "cat /proc/1/comm")
    assert init == "pause\n"  # and not the container's own command


async def test_privileges_are_those_that_the_container_asks_for(node: Node) -> None:
    one = {
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "seLinuxOptions": {"level": "s0:c1,c2"},
    }
    await node.create(
        "levels", shell(WAIT), shell(WAIT, "one", securityContext=one),
        shell(WAIT, "all", securityContext={"privileged": True}),
    )  # fmt: skip
    pod = await node.running("levels")

    async def effective(name: str) -> int:
        return int((await node.sh(pod, "sed -n 's/^CapEff:\t//p' /proc/self/status", name)).strip(), 16)

    machine = Path("/proc/self/status").read_text().partition("CapBnd:\t")[2].split()[0]
    assert await effective("one") == 1 << 10
    assert await effective("all") == int(machine, 16)
    assert 1 << 10 < await effective("c") < int(machine, 16)
    masked = "wc -c < /proc/keys; echo 1 > /proc/sys/kernel/panic"
    assert "Read-only file system" in await node.sh(pod, masked)
    assert "Read-only file system" not in await node.sh(
        pod, "cat /proc/sys/kernel/panic > /proc/sys/kernel/panic", "all"
    )
    assert int(await node.sh(pod, "ls /dev | wc -l", "all")) > int(await node.sh(pod, "ls /dev | wc -l"))


async def test_a_profile_that_the_kernel_cannot_hold_is_refused(node: Node) -> None:
    if has_app_armor():
        pytest.skip("this kernel has AppArmor")
    await node.create("confined", securityContext={"appArmorProfile": {"type": "RuntimeDefault"}})
    pod = await node.until("confined", lambda pod: pod["status"].get("phase") == "Failed")
    assert pod["status"]["reason"] == "AppArmor"


async def test_a_hostname_may_be_the_whole_name(node: Node) -> None:
    await node.create("names", hostname="me", subdomain="sub", setHostnameAsFQDN=True)
    pod = await node.running("names")
    assert await node.sh(pod, "hostname") == "me.sub.default.svc.cluster.local\n"


async def test_a_container_is_restarted_for_the_exit_codes_that_its_rules_name(node: Node) -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    script = "if [ -e /v/again ]; then exit 3; fi; touch /v/again; exit 42"
    mounts = [{"name": "v", "mountPath": "/v"}]
    ruled = shell(script, restartPolicy="Never", restartPolicyRules=rules, volumeMounts=mounts)
    await node.create("ruled", ruled, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never")
    pod = await node.until("ruled", lambda pod: pod["status"].get("phase") == "Failed", within=60)
    entry = container(pod)
    assert (entry["restartCount"], entry["state"]["terminated"]["exitCode"]) == (1, 3)


async def test_hooks_that_sleep_hold_up_the_start_and_the_end(node: Node) -> None:
    pause = {"sleep": {"seconds": 1}}
    await node.create(
        "slow",
        shell(WAIT, lifecycle={"postStart": pause, "preStop": pause}),
        terminationGracePeriodSeconds=30,
    )
    begun = node.clock.monotonic()
    pod = await node.running("slow")
    assert node.clock.monotonic() - begun >= 1
    status = node.kubelet.host.container(meta.uid(pod), "c")
    assert status is not None
    begun = node.clock.monotonic()
    await node.delete("slow")
    assert node.clock.monotonic() - begun >= 1
