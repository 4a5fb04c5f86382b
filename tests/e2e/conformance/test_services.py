"""Services, their endpoints, names and addresses, as pods and the node reach them."""

import json
import re
import socket
import time
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from e2e_support import Space, own_ports, pod, until

S = "[sig-network] "
C = " [Conformance]"
N = " [NodeConformance] [Conformance]"
L = " [LinuxOnly]" + C
Fields = dict[str, Any]
# Tells its name over TCP (8080, and 8082 as another port) and over UDP (8081). Debian's busybox does not speak UDP: the node's Python does.
SERVER = """mkdir /tmp/w; hostname > /tmp/w/index.html; httpd -p 8080 -h /tmp/w; httpd -p 8082 -h /tmp/w
exec python3 -c '
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 8081))
while True:
    server.sendto(socket.gethostname().encode(), server.recvfrom(100)[1])
'"""
ASK = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
print(client.recv(100).decode())
"""
MASTER = """
import ssl, urllib.request
trusted = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
print(urllib.request.urlopen("https://kubernetes.default.svc/version", context=trusted, timeout=5).read().decode())
"""
PYTHON = {"usr": ("/usr", "/usr"), "lib": ("/usr/lib", "/lib"), "lib64": ("/usr/lib64", "/lib64")}
NAMES = ("server-0", "server-1", "server-2")


def quick(name: str, command: str = "sleep 3600", **spec: Any) -> Fields:
    volumes = [{"name": n, "hostPath": {"path": source}} for n, (source, _) in PYTHON.items()]
    mounts = [{"name": n, "mountPath": target, "readOnly": True} for n, (_, target) in PYTHON.items()]
    path = {
        "env": [{"name": "PATH", "value": "/bin:/usr/bin"}],
        "volumeMounts": mounts,
        **spec.pop("container", {}),
    }
    return pod(
        name, command, **{"terminationGracePeriodSeconds": 0, "volumes": volumes, "container": path, **spec}
    )


def server(name: str, app: str = "web") -> Fields:
    ready = {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}
    body = quick(name, SERVER, container=ready)
    body["metadata"]["labels"] = {"app": app, "one": name}
    return body


def service(name: str, selector: Fields | None = None, **spec: Any) -> Fields:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    body: Fields = {"ports": ports, **spec}
    if selector is not None:
        body["selector"] = selector
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


@dataclass(frozen=True)
class Net:
    """Three servers and a client."""

    place: Space
    pod_ips: dict[str, str]
    node_ip: str

    def fetch(self, url: str) -> str:
        """What the client is told; "" when nothing comes."""
        return self._of_client("busybox", "timeout", "3", "wget", "-q", "-O-", f"http://{url}/")

    def udp(self, address: str, port: int) -> str:
        return self._of_client("python3", "-c", ASK, address, str(port))

    def _of_client(self, *command: str) -> str:
        return self.place.kubectl("exec", "client", "--", *command, check=False).stdout.strip()

    def lookup(self, name: str, kind: str = "a") -> str:
        return self.place.kubectl(
            "exec", "client", "--", "nslookup", f"-type={kind}", name, check=False
        ).stdout

    def spec(self, name: str) -> Fields:
        return self.place.json("get", "service", name)["spec"]

    def patch(self, name: str, **spec: Any) -> None:
        self.place.kubectl("patch", "service", name, "-p", json.dumps({"spec": spec}))

    def told(self, url: str, times: int = 9) -> set[str]:
        return {self.fetch(url) for _ in range(times)} - {""}


@pytest.fixture(scope="module")
def net(place: Space) -> Net:
    place.apply(*map(server, NAMES), quick("client"))
    for name in (*NAMES, "client"):
        place.until_ready(name, within=60)
    node = place.json("get", "nodes")["items"][0]
    node_ip = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    ips = {p["metadata"]["name"]: p["status"]["podIP"] for p in place.pods("app=web")}
    return Net(place, ips, node_ip)


G = S + "Networking Granular Checks: Pods should function for "


@pytest.mark.conformance(G + "intra-pod communication: http" + N)
def test_pods_reach_pods_over_tcp(net: Net) -> None:
    for name, ip in net.pod_ips.items():
        until(lambda name=name, ip=ip: net.fetch(f"{ip}:8080") == name)


@pytest.mark.conformance(G + "intra-pod communication: udp" + N)
def test_pods_reach_pods_over_udp(net: Net) -> None:
    for name, ip in net.pod_ips.items():
        until(lambda name=name, ip=ip: net.udp(ip, 8081) == name)


@pytest.mark.conformance(G + "node-pod communication: http [LinuxOnly]" + N)
def test_the_node_reaches_pods_over_tcp(net: Net) -> None:
    for name, ip in net.pod_ips.items():
        with urllib.request.urlopen(f"http://{ip}:8080/", timeout=30) as answer:
            assert answer.read().decode().strip() == name


@pytest.mark.conformance(G + "node-pod communication: udp [LinuxOnly]" + N)
def test_the_node_reaches_pods_over_udp(net: Net) -> None:
    def told(ip: str) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.sendto(b"x", (ip, 8081))
            return client.recv(100).decode().strip()

    for name, ip in net.pod_ips.items():
        until(lambda name=name, ip=ip: told(ip) == name, every=0.5)


@pytest.mark.conformance(S + "Services should be able to create a functioning NodePort service" + C)
def test_a_node_port(net: Net) -> None:
    net.place.apply(service("nodeport", {"app": "web"}, type="NodePort"))
    spec = net.spec("nodeport")
    port = spec["ports"][0]["nodePort"]
    for url in ("nodeport", spec["clusterIP"], f"{net.node_ip}:{port}"):
        until(lambda url=url: net.fetch(url) in NAMES)


AFFINITY = [
    pytest.param("ClusterIP", marks=pytest.mark.conformance(
        S + "Services should have session affinity work for service with type clusterIP" + L,
        S + "Services should be able to switch session affinity for service with type clusterIP" + L)),
    pytest.param("NodePort", marks=pytest.mark.conformance(
        S + "Services should have session affinity work for NodePort service" + L,
        S + "Services should be able to switch session affinity for NodePort service" + L)),
]  # fmt: skip


@pytest.mark.parametrize("kind", AFFINITY)
def test_a_client_stays_with_its_pod_as_long_as_the_service_says_so(net: Net, kind: str) -> None:
    name = f"sticky-{kind.lower()}"
    net.place.apply(service(name, {"app": "web"}, type=kind, sessionAffinity="ClientIP"))
    spec = net.spec(name)
    url = spec["clusterIP"] if kind == "ClusterIP" else f"{net.node_ip}:{spec['ports'][0]['nodePort']}"
    until(lambda: net.fetch(url))
    assert len(net.told(url)) == 1
    net.patch(name, sessionAffinity="None")
    until(lambda: len(net.told(url, 6)) > 1)
    net.patch(name, sessionAffinity="ClientIP")
    until(lambda: len(net.told(url)) == 1)


@pytest.mark.conformance(S + "Services should be able to change the type from ExternalName to ClusterIP" + C)
def test_from_a_name_outside_to_an_address(net: Net) -> None:
    net.place.apply(service("moves-in", type="ExternalName", externalName="www.example.com", ports=[]))
    assert "clusterIP" not in net.spec("moves-in")
    ports = [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]
    net.patch("moves-in", type="ClusterIP", externalName=None, ports=ports, selector={"app": "web"})
    for url in ("moves-in", net.spec("moves-in")["clusterIP"]):
        until(lambda url=url: net.fetch(url) in NAMES)


@pytest.mark.conformance(S + "Services should be able to change the type from ExternalName to NodePort" + C)
def test_from_a_name_outside_to_a_node_port(net: Net) -> None:
    net.place.apply(service("moves-out", type="ExternalName", externalName="www.example.com", ports=[]))
    ports = [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]
    net.patch("moves-out", type="NodePort", externalName=None, ports=ports, selector={"app": "web"})
    spec = net.spec("moves-out")
    for url in ("moves-out", spec["clusterIP"], f"{net.node_ip}:{spec['ports'][0]['nodePort']}"):
        until(lambda url=url: net.fetch(url) in NAMES)


ALIAS = [
    pytest.param("ClusterIP", marks=pytest.mark.conformance(S + "Services should be able to change the type from ClusterIP to ExternalName" + C)),
    pytest.param("NodePort", marks=pytest.mark.conformance(S + "Services should be able to change the type from NodePort to ExternalName" + C)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ALIAS)
def test_a_service_becomes_a_name_for_another(net: Net, kind: str) -> None:
    """The name outside is that of another service, which answers."""
    name, target = f"alias-{kind.lower()}", f"target-{kind.lower()}"
    net.place.apply(service(name, {"app": "web"}, type=kind), service(target, {"app": "web"}))
    outside = f"{target}.{net.place.name}.svc.cluster.local"
    until(lambda: net.fetch(name) in NAMES)
    net.patch(name, type="ExternalName", externalName=outside, clusterIP=None, clusterIPs=None, ports=None)
    assert "clusterIP" not in net.spec(name)
    assert net.spec(name).get("ports") is None
    full = f"{name}.{net.place.name}.svc.cluster.local"
    address = net.spec(target)["clusterIP"]
    until(lambda: outside in net.lookup(full) and address in net.lookup(full))
    until(lambda: net.fetch(name) in NAMES)


def listed(net: Net, name: str) -> dict[str, set[int]]:
    """Pod -> ports of the service's Endpoints; {} also when there is nobody."""
    found: dict[str, set[int]] = {}
    for subset in net.place.json("get", "endpoints", name).get("subsets") or []:
        for address in subset.get("addresses") or []:
            ports = found.setdefault(address["targetRef"]["name"], set())
            ports.update(port["port"] for port in subset["ports"])
    return found


def sliced(net: Net, name: str) -> dict[str, set[int]]:
    """The same by its EndpointSlices."""
    found: dict[str, set[int]] = {}
    slices = net.place.json("get", "endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    assert slices, "no EndpointSlice"
    for one in slices:
        for endpoint in one.get("endpoints") or []:
            if endpoint["conditions"]["ready"]:
                ports = found.setdefault(endpoint["targetRef"]["name"], set())
                ports.update(port["port"] for port in one["ports"] or [])
    return found


def until_listed(net: Net, name: str, wanted: dict[str, set[int]]) -> None:
    until(lambda: listed(net, name) == wanted and sliced(net, name) == wanted)


@pytest.mark.conformance(S + "Services should serve a basic endpoint from pods" + C)
def test_endpoints_follow_the_pods(net: Net) -> None:
    net.place.apply(service("basic", {"app": "basic"}))
    until_listed(net, "basic", {})
    net.place.apply(server("basic-1", "basic"))
    until_listed(net, "basic", {"basic-1": {8080}})
    until(lambda: net.fetch("basic") == "basic-1")
    net.place.apply(server("basic-2", "basic"))
    until_listed(net, "basic", {"basic-1": {8080}, "basic-2": {8080}})
    net.place.kubectl("delete", "pod", "basic-1")
    until_listed(net, "basic", {"basic-2": {8080}})
    net.place.kubectl("delete", "pod", "basic-2")
    until_listed(net, "basic", {})


def with_port(name: str, port_name: str, number: int) -> Fields:
    body = server(name, "multi")
    body["spec"]["containers"][0]["ports"] = [{"name": port_name, "containerPort": number}]
    return body


@pytest.mark.conformance(S + "Services should serve multiport endpoints from pods" + C)
def test_each_pod_offers_its_own_port(net: Net) -> None:
    ports = [{"name": "one", "port": 80, "targetPort": "p1"}, {"name": "two", "port": 81, "targetPort": "p2"}]
    net.place.apply(service("multi", {"app": "multi"}, ports=ports))
    until_listed(net, "multi", {})
    net.place.apply(with_port("multi-1", "p1", 8080))
    until_listed(net, "multi", {"multi-1": {8080}})
    net.place.apply(with_port("multi-2", "p2", 8082))
    until_listed(net, "multi", {"multi-1": {8080}, "multi-2": {8082}})
    until(lambda: (net.fetch("multi"), net.fetch("multi:81")) == ("multi-1", "multi-2"))
    net.place.kubectl("delete", "pod", "multi-1")
    until_listed(net, "multi", {"multi-2": {8082}})
    net.place.kubectl("delete", "pod", "multi-2")
    until_listed(net, "multi", {})


@pytest.mark.conformance(S + "Services should serve endpoints on same port and different protocols" + C)
def test_one_port_with_two_protocols(net: Net) -> None:
    tcp = {"name": "tcp", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    udp = {"name": "udp", "port": 80, "targetPort": 8081, "protocol": "UDP"}
    net.place.apply(service("both", {"one": "server-0"}, ports=[tcp, udp]))
    ip = net.spec("both")["clusterIP"]
    until(lambda: (net.fetch(ip), net.udp(ip, 80)) == ("server-0", "server-0"))
    for kept, wanted in ((tcp, ("server-0", "")), (udp, ("", "server-0"))):
        body = json.dumps([{"op": "replace", "path": "/spec/ports", "value": [kept]}])
        net.place.kubectl("patch", "service", "both", "--type=json", "-p", body)
        until(lambda wanted=wanted: (net.fetch(ip), net.udp(ip, 80)) == wanted, 60)


@pytest.mark.conformance(
    S
    + "EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods"
    + C,
    S
    + "EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods"
    + C,
)
def test_a_service_without_pods_has_empty_endpoints_as_long_as_it_is_there(net: Net) -> None:
    net.place.apply(service("lonely", {"app": "nobody"}))
    until_listed(net, "lonely", {})
    net.place.kubectl("delete", "service", "lonely")
    until(lambda: net.place.kubectl("get", "endpoints", "lonely", check=False).returncode == 1)
    until(
        lambda: (
            not net.place.json("get", "endpointslices", "-l", "kubernetes.io/service-name=lonely")["items"]
        )
    )


@pytest.mark.conformance(
    S + "EndpointsController should create Endpoints for Pods matching a Service" + C,
    S + "EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service" + C,
)
def test_endpoints_name_the_pods_that_match(net: Net) -> None:
    ports = [{"name": "a", "port": 80, "targetPort": 8080}, {"name": "b", "port": 81, "targetPort": 8082}]
    net.place.apply(service("match", {"app": "web"}, ports=ports), service("match-one", {"one": "server-1"}))
    until_listed(net, "match", {key: {8080, 8082} for key in NAMES})
    until_listed(net, "match-one", {"server-1": {8080}})
    (one,) = net.place.json("get", "endpointslices", "-l", "kubernetes.io/service-name=match-one")["items"]
    assert one["addressType"] == "IPv4"
    assert (
        one["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
        == "endpointslice-controller.k8s.io"
    )
    (endpoint,) = one["endpoints"]
    assert endpoint["addresses"] == [net.pod_ips["server-1"]]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert endpoint["nodeName"] == net.place.json("get", "pod", "server-1")["spec"]["nodeName"]
    assert [(p["name"], p["port"], p["protocol"]) for p in one["ports"]] == [("http", 8080, "TCP")]


def by_hand(net: Net, name: str, of: str, address: str, port_name: str, port: int) -> Fields:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": of, "endpointslice.kubernetes.io/managed-by": "a-test"}},
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }  # fmt: skip


SLICES = [
    pytest.param("addresses", ("server-0", 8080), ("server-1", 8082), marks=pytest.mark.conformance(
        S + "EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices" + C)),
    pytest.param("ports", ("server-0", 8080), ("server-0", 8082), marks=pytest.mark.conformance(
        S + "EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices" + C)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "first", "second"), SLICES)
def test_slices_made_by_hand_are_served(
    net: Net, what: str, first: tuple[str, int], second: tuple[str, int]
) -> None:
    name = f"by-hand-{what}"
    ports = [{"name": "one", "port": 80}, {"name": "two", "port": 81}]
    net.place.apply(
        service(name, ports=ports),
        by_hand(net, f"{name}-1", name, net.pod_ips[first[0]], "one", first[1]),
        by_hand(net, f"{name}-2", name, net.pod_ips[second[0]], "two", second[1]),
    )
    until(lambda: (net.fetch(f"{name}:80"), net.fetch(f"{name}:81")) == (first[0], second[0]))


@pytest.mark.conformance(
    S + "API Server should provide secure master service" + C,
    S + "API Server should have Endpoints and EndpointSlices pointing to API Server" + C,
)
def test_the_api_server_has_a_service_with_endpoints(net: Net) -> None:
    def get(*what: str) -> Fields:
        return net.place.cluster.json("get", *what, "-n", "default")

    ports = get("service", "kubernetes")["spec"]["ports"]
    assert [(p["name"], p["port"], p["protocol"]) for p in ports] == [("https", 443, "TCP")]
    (subset,) = get("endpoints", "kubernetes")["subsets"]
    addresses = {a["ip"] for a in subset["addresses"]}
    slices = get("endpointslices", "-l", "kubernetes.io/service-name=kubernetes")["items"]
    assert {a for s in slices for e in s["endpoints"] for a in e["addresses"]} == addresses != set()
    said = net.place.out("exec", "client", "--", "python3", "-c", MASTER)
    assert '"major"' in said


def resolved(net: Net, name: str) -> set[str]:
    """The IPv4 addresses that the name has, without the server's own."""
    text = net.lookup(name)
    return set(re.findall(r"Address: (\d+\.\d+\.\d+\.\d+)\n", text.split("\n\n", 1)[-1] + "\n"))


@pytest.mark.conformance(S + "DNS should provide DNS for the cluster" + C)
def test_the_cluster_has_names(net: Net) -> None:
    address = net.place.cluster.out(
        "get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"
    )
    until(lambda: resolved(net, "kubernetes.default.svc.cluster.local") == {address})


@pytest.mark.conformance(S + "DNS should provide /etc/hosts entries for the cluster" + C)
def test_a_pod_knows_its_own_name(net: Net) -> None:
    net.place.apply(service("headless-own", {"app": "none"}, clusterIP="None"))
    body = quick("named", hostname="querier-1", subdomain="headless-own")
    net.place.apply(body)
    net.place.until_ready("named")
    ip = net.place.json("get", "pod", "named")["status"]["podIP"]
    full = f"querier-1.headless-own.{net.place.name}.svc.cluster.local"
    assert f"{ip}\t{full}\tquerier-1\n" in net.place.out("exec", "named", "--", "cat", "/etc/hosts")
    assert net.place.out("exec", "named", "--", "hostname").strip() == "querier-1"


@pytest.mark.conformance(S + "DNS should provide DNS for services" + C)
def test_services_have_names(net: Net) -> None:
    headless, regular = (
        service("dns-headless", {"app": "web"}, clusterIP="None"),
        service("dns-regular", {"app": "web"}),
    )
    net.place.apply(headless, regular)
    end = f"{net.place.name}.svc.cluster.local"
    address = net.spec("dns-regular")["clusterIP"]
    until(lambda: resolved(net, f"dns-regular.{end}") == {address})
    until(lambda: resolved(net, f"dns-headless.{end}") == set(net.pod_ips.values()))
    for name in ("dns-headless", "dns-regular"):
        full = f"_http._tcp.{name}.{end}"
        until(lambda full=full: re.search(r"\b80 |\b8080 ", net.lookup(full, "srv")))
    backwards = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    until(lambda: f"dns-regular.{end}" in net.lookup(backwards, "ptr"))


@pytest.mark.conformance(S + "DNS should resolve DNS of partial qualified names for services" + L)
def test_part_of_a_name_is_enough(net: Net) -> None:
    net.place.apply(
        service("part-headless", {"app": "web"}, clusterIP="None"), service("part-regular", {"app": "web"})
    )
    for name in ("part-headless", "part-regular"):
        for end in ("", f".{net.place.name}", f".{net.place.name}.svc"):
            until(lambda url=name + end + ":8080" * (name == "part-headless"): net.fetch(url) in NAMES)


@pytest.mark.conformance(
    S + "DNS should provide DNS for pods for Hostname" + C,
    S + "DNS should provide DNS for pods for Subdomain" + C,
)
def test_a_pod_with_a_host_name_in_a_subdomain_has_a_name(net: Net) -> None:
    body = quick("in-domain", hostname="querier-2", subdomain="dns-domain")
    net.place.apply(service("dns-domain", {"app": "in-domain"}, clusterIP="None"), body)
    net.place.until_ready("in-domain")
    ip = net.place.json("get", "pod", "in-domain")["status"]["podIP"]
    domain = f"dns-domain.{net.place.name}.svc.cluster.local"
    until(lambda: resolved(net, f"querier-2.{domain}") == {ip})
    until(lambda: resolved(net, domain) == {ip})


@pytest.mark.conformance(S + "DNS should provide DNS for ExternalName services" + C)
def test_names_outside_are_passed_on(net: Net) -> None:
    net.place.apply(service("outside", type="ExternalName", externalName="foo.example.com", ports=[]))
    full = f"outside.{net.place.name}.svc.cluster.local"
    until(lambda: "foo.example.com" in net.lookup(full, "cname"))
    net.patch("outside", externalName="bar.example.com")
    until(lambda: "bar.example.com" in net.lookup(full, "cname"), 60)
    net.patch("outside", type="ClusterIP", externalName=None, ports=[{"port": 80, "targetPort": 8080}])
    address = net.spec("outside")["clusterIP"]
    until(lambda: resolved(net, full) == {address}, 60)


@pytest.mark.conformance(S + "DNS should support configurable pod DNS nameservers" + C)
def test_a_pod_chooses_its_name_server(net: Net) -> None:
    config = {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]}
    net.place.apply(quick("own-dns", dnsPolicy="None", dnsConfig=config))
    net.place.until_ready("own-dns")
    lines = net.place.out("exec", "own-dns", "--", "cat", "/etc/resolv.conf").splitlines()
    assert [line for line in lines if line] == ["search resolv.conf.local", "nameserver 1.1.1.1"]


@pytest.mark.conformance(
    S
    + "HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol [LinuxOnly]"
    + C
)
def test_one_host_port_on_several_addresses_and_protocols(net: Net) -> None:
    port = own_ports()[296]
    wanted = {
        "port-1": ("127.0.0.1", "TCP", 8080),
        "port-2": (net.node_ip, "TCP", 8080),
        "port-3": (net.node_ip, "UDP", 8081),
    }
    bodies = []
    for name, (address, protocol, target) in wanted.items():
        body = server(name, "ports")
        mapping = {"containerPort": target, "hostPort": port, "hostIP": address, "protocol": protocol}
        body["spec"]["containers"][0]["ports"] = [mapping]
        bodies.append(body)
    net.place.apply(*bodies)
    for name in wanted:
        net.place.until_ready(name, within=60)
    net.place.apply(quick("on-the-machine", hostNetwork=True))
    net.place.until_ready("on-the-machine")

    def told(address: str) -> str:
        command = ("exec", "on-the-machine", "--", "wget", "-q", "-O-", f"http://{address}:{port}/")
        return net.place.kubectl(*command, check=False).stdout.strip()

    until(lambda: told("127.0.0.1") == "port-1")
    until(lambda: told(net.node_ip) == "port-2")
    until(lambda: net.udp(net.node_ip, port) == "port-3")


@pytest.mark.conformance(S + "Service endpoints latency should not be very high" + C)
def test_endpoints_come_soon(net: Net) -> None:
    """Upstream allows 20 s for half of them and 50 s for nine of ten."""
    names = [f"latency-{number}" for number in range(100)]
    begun = time.monotonic()
    net.place.apply(*(service(name, {"app": "web"}) for name in names))

    def complete(share: float) -> bool:
        found = net.place.json("get", "endpoints")["items"]
        ready = [e for e in found if e["metadata"]["name"] in names and e.get("subsets")]
        return len(ready) >= share * len(names)

    until(partial(complete, 0.5), 20)
    until(partial(complete, 0.9), 50)
    assert time.monotonic() - begun < 50
