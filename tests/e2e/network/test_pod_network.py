"""The pods' network: shapers, and what happens when a CNI plugin is missing. Forwarded ports: `test_streams.py`."""

import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from e2e_support import Space, pod, until
from pinnace.cluster import preflight


def shapers(rate: str) -> list[str]:
    """The links that let this rate through."""
    shown = subprocess.run(
        ["/usr/sbin/tc", "qdisc", "show"], capture_output=True, text=True, check=True
    ).stdout
    return re.findall(rf"qdisc tbf \S+ dev (\S+) .*\brate {rate}\b", shown)


@pytest.mark.skipif(not preflight.has_bandwidth_plugin(), reason="the CNI plugin bandwidth is not installed")
def test_bandwidth_annotations_shape_both_directions(place: Space) -> None:
    body = pod("shaped", terminationGracePeriodSeconds=0)
    body["metadata"]["annotations"] = {
        "kubernetes.io/ingress-bandwidth": "13M", "kubernetes.io/egress-bandwidth": "17M",
    }  # fmt: skip
    place.apply(body)
    place.until_ready("shaped")
    (towards,), (from_it,) = shapers("13Mbit"), shapers("17Mbit")
    assert towards.startswith("veth")  # the node's end of the pod's link
    assert from_it.startswith("bwp")
    place.kubectl("delete", "pod", "shaped")
    until(lambda: not Path(f"/sys/class/net/{from_it}").exists())


MIB = 1 << 20
BURST = 512 * MIB  # passes first: containerd asks for no smaller one
LIMIT, CHUNK = 16e6 / 8, 12 * MIB  # bytes a second, bytes


def move(connection: socket.socket, size: int, *, outwards: bool) -> float:
    """Bytes a second while `size` bytes go to the pod, or come from it."""
    begin, left, block = time.monotonic(), size, bytes(MIB)
    while left > 0:
        if outwards:
            connection.sendall(block)
            left -= MIB
        else:
            got = len(connection.recv(MIB))
            assert got, "the pod has stopped sending"
            left -= got
    return size / (time.monotonic() - begin)


@pytest.mark.full  # half a gigabyte in each direction
@pytest.mark.skipif(not preflight.has_bandwidth_plugin(), reason="the CNI plugin bandwidth is not installed")
def test_what_a_pod_sends_and_gets_is_slowed_down(place: Space) -> None:
    links = {line.split(":")[1] for line in _links()}
    (node,) = place.json("get", "nodes")["items"]
    address = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
    with socket.create_server((address, 0)) as to_pod, socket.create_server((address, 0)) as from_pod:
        ports = [server.getsockname()[1] for server in (to_pod, from_pod)]
        command = (
            f"nc {address} {ports[0]} > /dev/null & nc {address} {ports[1]} < /dev/zero > /dev/null & wait"
        )
        body = pod("limited", command, terminationGracePeriodSeconds=0)
        body["metadata"]["annotations"] = {
            "kubernetes.io/ingress-bandwidth": "16M", "kubernetes.io/egress-bandwidth": "16M",
        }  # fmt: skip
        place.apply(body)
        for server, outwards in ((to_pod, True), (from_pod, False)):
            server.settimeout(60)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(60)
                moved = 0
                while move(connection, CHUNK, outwards=outwards) > 1.5 * LIMIT:
                    moved += CHUNK
                    assert moved < 3 * BURST, "nothing slows it down"
                assert move(connection, CHUNK, outwards=outwards) < 1.5 * LIMIT  # and it stays so
    place.kubectl("delete", "pod", "limited")
    until(
        lambda: {line.split(":")[1] for line in _links()} <= links, 60
    )  # nor does the kernel's module leave any


def _links() -> list[str]:
    """Those of the shaper."""
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if re.match(r"\d+: (ifb|bwp)", line)]


def test_a_bandwidth_that_makes_no_sense_is_told(place: Space) -> None:
    body = pod("too-narrow", terminationGracePeriodSeconds=0)
    body["metadata"]["annotations"] = {"kubernetes.io/ingress-bandwidth": "1"}
    place.apply(body)
    until(lambda: "unreasonably small" in _events(place, "too-narrow"))
    place.kubectl("delete", "pod", "too-narrow")


def _events(place: Space, name: str) -> str:
    found = place.json("get", "events", "--field-selector", f"involvedObject.name={name}")["items"]
    return "\n".join(f"{event['reason']}: {event['message']}" for event in found)


def test_a_missing_plugin_is_told_and_heals(place: Space) -> None:
    """containerd reads the network's configuration again when it changes."""
    path = place.cluster.data / "containerd" / "cni" / "10-pinnace.conflist"
    whole = path.read_text()
    broken = json.loads(whole)
    broken["plugins"].append({"type": "no-such-plugin"})
    body = pod("unplugged", terminationGracePeriodSeconds=0)
    try:
        path.write_text(json.dumps(broken))
        place.apply(body)
        until(lambda: "no-such-plugin" in _events(place, "unplugged"))
        assert re.search(
            r"^FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = "
            r'failed to setup network for sandbox "[0-9a-f]{64}": .*failed to find plugin "no-such-plugin" in path',
            _events(place, "unplugged"), re.MULTILINE,
        )  # fmt: skip
        assert place.status_column("unplugged") == "ContainerCreating"
    finally:
        path.write_text(whole)
    place.until_ready("unplugged")
    ip = place.json("get", "pod", "unplugged")["status"]["podIP"]
    assert ip in place.out("exec", "unplugged", "--", "cat", "/etc/hosts")
