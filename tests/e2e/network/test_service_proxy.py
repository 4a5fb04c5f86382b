"""The service proxy with real packets: load balancer addresses, traffic policies, terminating endpoints, hints, UDP flows,
and rules that somebody else deletes."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.conformance.test_services import quick, server, service
from e2e_support import Space, TestCluster, until

Fields = dict[str, Any]
NAMES = ("server-0", "server-1")


@dataclass(frozen=True)
class Net:
    place: Space
    ips: dict[str, str]
    node: str
    node_ip: str

    def of_client(self, *command: str) -> str:
        return self.place.kubectl("exec", "client", "--", *command, check=False).stdout.strip()

    def fetch(self, address: str, port: int = 80) -> str:
        return self.of_client("busybox", "timeout", "2", "wget", "-q", "-O-", f"http://{address}:{port}/")

    def spec(self, name: str) -> Fields:
        return self.place.json("get", "service", name)["spec"]

    def balancers(self, name: str) -> list[str]:
        status = self.place.json("get", "service", name)["status"]
        return [entry["ip"] for entry in status["loadBalancer"].get("ingress", [])]

    def patch(self, name: str, **spec: Any) -> None:
        self.place.kubectl("patch", "service", name, "-p", json.dumps({"spec": spec}))

    def events(self, name: str) -> list[tuple[str, str]]:
        found = self.place.json("get", "events", "--field-selector", f"involvedObject.name={name}")["items"]
        return [(event["reason"], event["message"]) for event in found]


def told(address: str, port: int = 80) -> str:
    """What the machine itself is told; "" when nothing comes."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError:
        return ""
    return answer.partition(b"\r\n\r\n")[2].decode().strip()


@contextmanager
def machine(net: "Net") -> Iterator[str]:
    """Another machine on a link of its own, 198.18.0.2; the node is 198.18.0.1 there."""
    name = f"pn-{net.place.name[-6:]}"
    run = subprocess.run
    commands = (
        f"ip netns add {name}", f"ip link add {name} type veth peer name eth0 netns {name}",
        f"ip addr add 198.18.0.1/30 dev {name}", f"ip link set {name} up",
        f"ip -n {name} addr add 198.18.0.2/30 dev eth0", f"ip -n {name} link set eth0 up", f"ip -n {name} link set lo up",
        f"ip -n {name} route add default via 198.18.0.1",
    )  # fmt: skip
    try:
        for command in commands:
            run(command.split(), check=True, capture_output=True)
        yield name
    finally:
        run(["ip", "netns", "delete", name], check=False, capture_output=True)
        run(["ip", "link", "delete", name], check=False, capture_output=True)


def from_outside(name: str, address: str, port: int = 80) -> str:
    command = ("ip", "netns", "exec", name, "curl", "-s", "-m", "2", f"http://{address}:{port}/")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture(scope="module")
def net(place: Space) -> Net:
    place.apply(*map(server, NAMES), quick("client"))
    for name in (*NAMES, "client"):
        place.until_ready(name, within=60)
    node = place.json("get", "nodes")["items"][0]
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    ips = {p["metadata"]["name"]: p["status"]["podIP"] for p in place.pods("app=web")}
    return Net(place, ips, node["metadata"]["name"], address)


def balanced(name: str, port: int, **spec: Any) -> Fields:
    ports = [{"name": "http", "port": port, "targetPort": 8080}]
    return service(name, {"app": "web"}, type="LoadBalancer", ports=ports, **spec)


def test_a_load_balancer_answers_on_the_node_s_address_from_everywhere(net: Net) -> None:
    net.place.apply(balanced("lb", 8801, allocateLoadBalancerNodePorts=False))
    until(lambda: net.balancers("lb") == [net.node_ip])
    assert "nodePort" not in net.spec("lb")["ports"][0]
    status = net.place.json("get", "service", "lb")["status"]["loadBalancer"]
    assert status == {"ingress": [{"ip": net.node_ip, "ipMode": "VIP"}]}
    until(lambda: net.fetch(net.node_ip, 8801) in NAMES)
    until(lambda: told(net.node_ip, 8801) in NAMES)
    with machine(net) as outside:
        until(lambda: from_outside(outside, net.node_ip, 8801) in NAMES)
    until(lambda: [r for r, _ in net.events("lb")] == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"])
    net.patch("lb", type="ClusterIP", allocateLoadBalancerNodePorts=None)
    until(lambda: net.balancers("lb") == [])
    until(lambda: told(net.node_ip, 8801) == "")


def test_of_two_load_balancers_with_one_port_one_waits_until_the_other_is_gone(net: Net) -> None:
    net.place.apply(balanced("first", 8802))
    until(lambda: net.balancers("first") == [net.node_ip])
    net.place.apply(balanced("second", 8802))
    reason = f"port 8802/TCP of the nodes is used by service {net.place.name}/first"
    until(lambda: any(r == "SyncLoadBalancerFailed" and reason in m for r, m in net.events("second")))
    assert net.balancers("second") == []
    assert "<pending>" in net.place.out("get", "service", "second")
    net.place.kubectl("delete", "service", "first")
    until(lambda: net.balancers("second") == [net.node_ip])


def test_a_load_balancer_lets_in_whom_its_source_ranges_name(net: Net) -> None:
    net.place.apply(balanced("ranged", 8803, loadBalancerSourceRanges=["198.18.0.0/30"]))
    until(lambda: net.balancers("ranged") == [net.node_ip])
    with machine(net) as outside:
        until(lambda: from_outside(outside, net.node_ip, 8803) in NAMES)
        assert net.fetch(net.node_ip, 8803) == ""  # the client's address is not in the ranges
        net.patch("ranged", loadBalancerSourceRanges=["203.0.113.0/24"])
        until(lambda: from_outside(outside, net.node_ip, 8803) == "")


def test_with_local_traffic_the_client_s_address_is_seen_and_nodes_without_endpoints_are_out(
    net: Net,
) -> None:
    seen = quick("seer", "exec python3 -c '" + SEER + "'")
    seen["metadata"]["labels"] = {"app": "seer"}
    ports = [{"name": "http", "port": 8804, "targetPort": 8090}]
    net.place.apply(
        service("seen", {"app": "seer"}, type="LoadBalancer", ports=ports, externalTrafficPolicy="Local")
    )
    assert net.balancers("seen") == []
    net.place.apply(seen)
    net.place.until_ready("seer")
    until(lambda: net.balancers("seen") == [net.node_ip])
    with machine(net) as outside:
        until(lambda: from_outside(outside, net.node_ip, 8804) == "198.18.0.2")
    net.place.kubectl("delete", "pod", "seer")
    until(lambda: net.balancers("seen") == [])


SEER = """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
http.server.HTTPServer(("", 8090), H).serve_forever()
"""


def by_hand(net: Net, name: str, *endpoints: tuple[str, Fields]) -> Fields:
    """The Service `name` has exactly these pods as endpoints, with these fields."""
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "a-test"}},
        "endpoints": [{"addresses": [net.ips[pod]], "conditions": {"ready": True}, **fields} for pod, fields in endpoints],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }  # fmt: skip


def answers(net: Net, name: str, times: int = 12) -> set[str]:
    ip = net.spec(name)["clusterIP"]
    return {told(ip) for _ in range(times)}


def test_local_traffic_policy_keeps_to_the_node(net: Net) -> None:
    net.place.apply(service("inside", internalTrafficPolicy="Local"))
    here, there = {"nodeName": net.node}, {"nodeName": "elsewhere"}
    net.place.apply(by_hand(net, "inside", ("server-0", there), ("server-1", here)))
    until(lambda: answers(net, "inside") == {"server-1"})
    net.place.apply(by_hand(net, "inside", ("server-0", there)))
    until(lambda: answers(net, "inside", 1) == {""})  # silence: other nodes have endpoints


def test_terminating_endpoints_serve_when_no_other_is_ready(net: Net) -> None:
    ending = {"nodeName": net.node, "conditions": {"ready": False, "serving": True, "terminating": True}}
    net.place.apply(service("ending"))
    net.place.apply(by_hand(net, "ending", ("server-0", ending), ("server-1", {"nodeName": net.node})))
    until(lambda: answers(net, "ending") == {"server-1"})
    net.place.apply(by_hand(net, "ending", ("server-0", ending)))
    until(lambda: answers(net, "ending") == {"server-0"})


def test_hints_keep_traffic_in_the_zone(net: Net) -> None:
    def hint(zone: str) -> Fields:
        return {"nodeName": net.node, "hints": {"forZones": [{"name": zone}]}}

    net.place.apply(service("near"))
    net.place.apply(by_hand(net, "near", ("server-0", hint("east")), ("server-1", hint("west"))))
    until(lambda: answers(net, "near", 20) == set(NAMES))
    net.place.cluster.kubectl("label", "node", net.node, "topology.kubernetes.io/zone=west")
    try:
        until(lambda: answers(net, "near") == {"server-1"})
    finally:
        net.place.cluster.kubectl("label", "node", net.node, "topology.kubernetes.io/zone-")


class Flow:
    """A UDP client with one source port, and so one flow in the kernel."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.5)
        self._socket.connect((address, port))

    def ask(self) -> str:
        try:
            self._socket.send(b"x")
            return self._socket.recv(100).decode()
        except OSError:
            return ""


def udp(name: str, pod: str, **spec: Any) -> Fields:
    ports = [{"name": "udp", "port": 81, "targetPort": 8081, "protocol": "UDP"}]
    return service(name, {"one": pod}, ports=ports, **spec)


def test_a_udp_flow_follows_the_endpoints(net: Net) -> None:
    """To another pod, from nobody to somebody, over the cluster address, the node port and the load balancer's address."""
    net.place.apply(udp("datagrams", "server-0", type="LoadBalancer"))
    until(lambda: net.balancers("datagrams") == [net.node_ip])
    spec = net.spec("datagrams")
    flows = [
        Flow(spec["clusterIP"], 81), Flow(net.node_ip, spec["ports"][0]["nodePort"]), Flow(net.node_ip, 81),
    ]  # fmt: skip
    for flow in flows:
        until(lambda flow=flow: flow.ask() == "server-0")
    net.patch("datagrams", selector={"one": "server-1"})
    for flow in flows:
        until(lambda flow=flow: flow.ask() == "server-1")
    net.patch("datagrams", selector={"one": "nobody"})
    for flow in flows:
        until(lambda flow=flow: flow.ask() == "")
    net.patch("datagrams", selector={"one": "server-0"})
    for flow in flows:
        until(lambda flow=flow: flow.ask() == "server-0")
    net.place.kubectl("delete", "service", "datagrams")
    for flow in flows:
        until(lambda flow=flow: flow.ask() == "")


def table(cluster: TestCluster) -> str:
    return f"pinnace-{cluster.name}"


def test_rules_that_somebody_deletes_come_back(net: Net) -> None:
    net.place.apply(service("robust", {"app": "web"}))
    ip = net.spec("robust")["clusterIP"]
    until(lambda: told(ip) in NAMES)
    for command in (
        f"delete element ip {table(net.place.cluster)} service-ips {{ {ip} . tcp . 80 }}",
        f"flush chain ip {table(net.place.cluster)} services",
        f"delete table ip {table(net.place.cluster)}",
    ):
        subprocess.run(["/usr/sbin/nft", command], check=True, capture_output=True)
        until(lambda: told(ip) in NAMES, within=60)


@pytest.mark.skipif(not hasattr(socket, "IPPROTO_SCTP"), reason="Python without SCTP")
def test_sctp(net: Net) -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        pytest.skip("this kernel has no SCTP sockets (module sctp)")
    code = 'import socket\ns = socket.socket(2, 1, 132); s.bind(("", 8083)); s.listen()\nwhile 1: c, _ = s.accept(); c.send(b"sctp"); c.close()'
    pod = quick("sctp", f"exec python3 -c '{code}'")
    net.place.apply(
        pod, service("sctp", {"app": "sctp"}, ports=[{"port": 83, "targetPort": 8083, "protocol": "SCTP"}])
    )
    net.place.until_ready("sctp")
    ip = net.spec("sctp")["clusterIP"]

    def answer() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP) as client:
            client.settimeout(2)
            client.connect((ip, 83))
            return client.recv(10)

    until(lambda: answer() == b"sctp")
