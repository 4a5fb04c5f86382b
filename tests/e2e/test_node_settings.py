"""What the node was told by flags: static pods and unsafe sysctls, seen through kubectl."""

import json

from e2e_support import Space, TestCluster, pod, until


def test_a_static_pod_is_handled_with_kubectl(cluster: TestCluster) -> None:
    manifest = pod("static", "echo hello; sleep 3600", terminationGracePeriodSeconds=1)
    file = cluster.directory / "manifests" / "static.json"
    file.write_text(json.dumps(manifest))
    node = cluster.out("get", "nodes", "-o", "name").strip().removeprefix("node/")
    name = f"static-{node}"
    try:
        until(lambda: cluster.out("logs", name, "--limit-bytes=5") == "hello")
        assert cluster.out("exec", name, "--", "cat", "/proc/1/comm").strip() == "sh"
        shown = cluster.json("get", "pod", name)
        assert shown["metadata"]["ownerReferences"][0]["kind"] == "Node"
        told = cluster.kubectl("delete", "pod", name, "--wait=false")
        assert "deleted" in told.stdout
        uid = shown["metadata"]["uid"]
        until(lambda: cluster.json("get", "pod", name)["metadata"]["uid"] != uid)
        assert cluster.out("logs", name).splitlines() == ["hello"]  # it was not started anew
    finally:
        file.unlink()
    until(lambda: cluster.kubectl("get", "pod", name, check=False).returncode == 1)


def test_an_allowed_sysctl_is_set(space: Space) -> None:
    context = {"sysctls": [{"name": "kernel.msgmax", "value": "4096"}]}
    space.apply(pod("set", "cat /proc/sys/kernel/msgmax; sleep 3600", securityContext=context))
    until(lambda: space.out("logs", "set").strip() == "4096")


def test_the_settings_are_shown(cluster: TestCluster) -> None:
    node = cluster.out("get", "nodes", "-o", "name").strip().removeprefix("node/")
    shown = json.loads(cluster.out("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"))["kubeletconfig"]
    assert shown["staticPodPath"] == str(cluster.directory / "manifests")
    assert shown["allowedUnsafeSysctls"] == ["kernel.msg*"]
