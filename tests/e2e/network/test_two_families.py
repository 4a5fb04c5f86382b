"""A cluster with IPv4 and IPv6, and one with IPv6 alone: pods, Services, names, probes and the way out, with real packets."""

import json
import os
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.test_services import quick, service
from e2e.conftest import load_demo_image
from e2e.network.test_service_proxy import Flow, told
from e2e_support import Space, TestCluster, node_ports, own_ports, until

NO_IPV6 = not Path("/proc/sys/net/ipv6").is_dir()
pytestmark = pytest.mark.skipif(NO_IPV6, reason="this kernel has no IPv6")
Fields = dict[str, Any]
FLAGS = ("--port=0", "--kubelet-port=0", "--http-port=0", "--https-port=0", "--disable-ingress")
HOST_PORT, BALANCED = own_ports()[298:]
# Tells its name over TCP (8080) and UDP (8081) on both families, and over TCP who asks (8082).
SERVER = """mkdir /tmp/w; hostname > /tmp/w/index.html; exec python3 -c '
import http.server, os, socket, threading
class Both(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = socket.gethostname() if self.server.server_port == 8080 else self.client_address[0]
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
for port in (8080, 8082):
    threading.Thread(target=Both(("::", port), Name).serve_forever).start()
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", 8081))
while True:
    server.sendto(socket.gethostname().encode(), server.recvfrom(100)[1])
'"""


def server(name: str, app: str = "web") -> Fields:
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}
    body = quick(name, SERVER, container=probe)
    body["metadata"]["labels"] = {"app": app, "one": name}
    return body


def start(directory: Path, *ranges: str) -> Iterator[Space]:
    running = TestCluster(f"e2e{secrets.token_hex(2)}", directory, FLAGS)
    try:
        running.up(*ranges, node_ports(150, 249))
        load_demo_image(running)
        until(lambda: running.kubectl("get", "serviceaccount", "default", "-n", "default"))
        yield Space(running, "default")
    finally:
        running.down("--purge")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    number = 100 + os.getpid() % 50 * 2
    yield from start(
        tmp_path_factory.mktemp("both"),
        f"--cluster-cidr=10.{number}.0.0/16,fd42:{number}::/56",
        f"--service-cidr=10.{number + 1}.0.0/16,fd43:{number}::/112",
    )


@pytest.fixture(scope="module")
def web(both: Space) -> Space:
    policy = {"ipFamilyPolicy": "RequireDualStack"}
    ports = [
        {"name": "http", "port": 80, "targetPort": 8080}, {"name": "who", "port": 82, "targetPort": 8082},
        {"name": "udp", "port": 81, "targetPort": 8081, "protocol": "UDP"},
    ]  # fmt: skip
    both.apply(
        server("web-0"),
        server("web-1"),
        quick("client"),
        service("web", {"app": "web"}, ports=ports, **policy),
    )
    for name in ("web-0", "web-1", "client"):
        both.until_ready(name, within=60)
    return both


def ips_of(place: Space, pod: str) -> list[str]:
    return [entry["ip"] for entry in place.json("get", "pod", pod)["status"]["podIPs"]]


def of_client(place: Space, *command: str, pod: str = "client") -> str:
    return place.kubectl("exec", pod, "--", *command, check=False).stdout.strip()


GET = """
import sys, urllib.request
for _ in range(int(sys.argv[2])):
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
"""


def fetch(place: Space, host: str, port: int = 80, pod: str = "client", times: int = 1) -> str:
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    return of_client(place, "python3", "-c", GET, url, str(times), pod=pod)


NAMES = ("web-0", "web-1")


def test_node_and_pods_have_an_address_of_each_family(web: Space) -> None:
    node = web.json("get", "nodes")["items"][0]
    addresses = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    assert [":" in address for address in addresses] == [False, True]
    assert [":" in cidr for cidr in node["spec"]["podCIDRs"]] == [False, True]
    for name in NAMES:
        four, six = ips_of(web, name)
        assert (":" in four, ":" in six) == (False, True)
        assert [entry["ip"] for entry in web.json("get", "pod", name)["status"]["hostIPs"]] == addresses
        for ip in (four, six):
            until(lambda ip=ip, name=name: fetch(web, ip, 8080) == name)
            until(lambda ip=ip, name=name: told(ip, 8080) == name)  # from the node
        hosts = web.out("exec", name, "--", "cat", "/etc/hosts")
        assert f"{four}\t{name}" in hosts
        assert f"{six}\t{name}" in hosts


def test_a_service_has_slices_rules_and_names_of_both_families(web: Space) -> None:
    slices = web.json("get", "endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    assert sorted(piece["addressType"] for piece in slices) == ["IPv4", "IPv6"]
    four, six = web.json("get", "service", "web")["spec"]["clusterIPs"]
    for ip in (four, six):
        until(lambda ip=ip: set(fetch(web, ip, times=16).split()) == set(NAMES))
        until(lambda ip=ip: told(ip) in NAMES)
        told_itself = fetch(web, ip, pod="web-0", times=16).split()
        assert (len(told_itself), set(told_itself)) == (16, set(NAMES))  # it reaches itself, too
        flow = Flow(ip, 81)
        until(lambda flow=flow: flow.ask() in NAMES)
    name = "web.default.svc.cluster.local"
    until(lambda: six in of_client(web, "nslookup", "-type=aaaa", name))
    until(lambda: four in of_client(web, "nslookup", "-type=a", name))
    backwards = ".".join(reversed(socket.inet_pton(socket.AF_INET6, six).hex())) + ".ip6.arpa"
    until(lambda: name in of_client(web, "nslookup", "-type=ptr", backwards))
    until(lambda: fetch(web, "web") in NAMES)


def test_names_are_told_over_both_families(web: Space) -> None:
    four, six = web.cluster.json("get", "service", "kube-dns", "-n", "kube-system")["spec"]["clusterIPs"]
    resolver = web.out("exec", "client", "--", "cat", "/etc/resolv.conf")
    assert [line.split()[1] for line in resolver.splitlines() if line.startswith("nameserver")] == [four, six]
    for server_ip in (four, six):
        ask = ("nslookup", "web.default.svc.cluster.local", server_ip)
        until(lambda ask=ask: "Address" in of_client(web, *ask).partition("web.default")[2])


def test_node_ports_and_load_balancers_of_both_families(web: Space) -> None:
    ports = [{"name": "http", "port": BALANCED, "targetPort": 8080}]
    web.apply(
        service("lb", {"app": "web"}, type="LoadBalancer", ports=ports, ipFamilyPolicy="PreferDualStack")
    )
    node = web.json("get", "nodes")["items"][0]
    addresses = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]

    def ingress() -> list[str]:
        return [
            e["ip"] for e in web.json("get", "service", "lb")["status"]["loadBalancer"].get("ingress", [])
        ]

    until(lambda: ingress() == addresses)
    number = web.json("get", "service", "lb")["spec"]["ports"][0]["nodePort"]
    for address in addresses:
        for port in (BALANCED, number):
            until(lambda address=address, port=port: fetch(web, address, port) in NAMES)
            until(lambda address=address, port=port: told(address, port) in NAMES)


def test_a_service_of_one_family_only_has_that_one(web: Space) -> None:
    web.apply(service("six", {"app": "web"}, ipFamilies=["IPv6"], ipFamilyPolicy="SingleStack"))
    (ip,) = web.json("get", "service", "six")["spec"]["clusterIPs"]
    assert ":" in ip
    until(lambda: fetch(web, ip) in NAMES)
    until(lambda: fetch(web, "six") in NAMES)


def test_session_affinity_and_udp_flows_of_ipv6(web: Space) -> None:
    fields = {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}
    udp = [{"name": "udp", "port": 81, "targetPort": 8081, "protocol": "UDP"}]
    web.apply(
        service("sticky6", {"app": "web"}, sessionAffinity="ClientIP", **fields),
        service("udp6", {"one": "web-0"}, ports=udp, **fields),
    )
    sticky, flowing = (web.json("get", "service", name)["spec"]["clusterIP"] for name in ("sticky6", "udp6"))
    until(lambda: fetch(web, sticky) in NAMES)
    assert len(set(fetch(web, sticky, times=8).split())) == 1
    flow = Flow(flowing, 81)
    until(lambda: flow.ask() == "web-0")
    web.kubectl("patch", "service", "udp6", "-p", json.dumps({"spec": {"selector": {"one": "web-1"}}}))
    until(lambda: flow.ask() == "web-1")


def test_host_ports_of_both_families(web: Space) -> None:
    body = server("hosted", "hosted")
    body["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "hostPort": HOST_PORT}]
    web.apply(body)
    web.until_ready("hosted")
    node = web.json("get", "nodes")["items"][0]
    for address in [
        "127.0.0.1",
        *(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"),
    ]:
        until(lambda address=address: told(address, HOST_PORT) == "hosted")


def test_pods_leave_the_cluster_with_the_node_s_address(web: Space) -> None:
    """Masquerading in both families: another machine, of which the pods' addresses are not known, sees the node."""
    with another_machine() as (link, node_ips, its_ips):
        for its_ip, node_ip in zip(its_ips, node_ips, strict=True):
            try:
                until(partial(is_told_the_node, its_ip, node_ip), 60)  # it serves, to the node
                until(partial(is_told, web, its_ip, node_ip), 60)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{_network(link)}") from error


def is_told_the_node(host: str, wanted: str) -> bool:
    found = told(host, 8090)
    assert found == wanted, f"the node is {found!r} to {host}"
    return True


def _network(link: str) -> str:
    """What a reader wants to know when a packet did not arrive."""
    commands = (
        "ip -s addr", "ip route show table all", "ip -6 route show table all", "ip neigh", f"ip -n {link} -s addr", f"ip -n {link} neigh",
        "conntrack -L", "conntrack -L -f ipv6", "nft list tables", "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
    )  # fmt: skip
    shown = [
        subprocess.run(line.split(), capture_output=True, text=True, check=False).stdout for line in commands
    ]
    return "\n".join(f"== {line}\n{text}" for line, text in zip(commands, shown, strict=True))


def is_told(place: Space, host: str, wanted: str) -> bool:
    url = f"http://[{host}]:8090/" if ":" in host else f"http://{host}:8090/"
    done = place.kubectl("exec", "client", "--", "python3", "-c", GET, url, "1", check=False)
    assert done.stdout.strip() == wanted, (done.stdout, done.stderr, done.returncode)
    return True


@contextmanager
def another_machine() -> Iterator[tuple[str, tuple[str, str], tuple[str, str]]]:
    """The link's name; the node's addresses and its own on this link, which nothing else on the machine has.

    It tells who asks; IPv4 addresses as those of IPv6.
    """
    name, number = f"px-{secrets.token_hex(3)}", secrets.randbelow(0x4000)
    four, six = IPv4Network("198.19.0.0/16")[4 * number], IPv6Network("fd99::/32")[number << 64]
    node_ips, its_ips = ((str(four + one), str(six + one)) for one in (1, 2))
    run = subprocess.run
    try:
        for command in (
            f"ip netns add {name}", f"ip link add {name} type veth peer name eth0 netns {name}",
            f"ip addr add {node_ips[0]}/30 dev {name}", f"ip addr add {node_ips[1]}/64 dev {name} nodad", f"ip link set {name} up",
            f"ip -n {name} addr add {its_ips[0]}/30 dev eth0", f"ip -n {name} addr add {its_ips[1]}/64 dev eth0 nodad",
            f"ip -n {name} link set eth0 up", f"ip -n {name} link set lo up",
        ):  # fmt: skip
            run(command.split(), check=True, capture_output=True)
        outside = subprocess.Popen(["ip", "netns", "exec", name, "python3", "-c", WHO])
        try:
            yield name, (f"::ffff:{node_ips[0]}", node_ips[1]), its_ips
        finally:
            outside.kill()
            outside.wait()
    finally:
        run(["ip", "netns", "delete", name], check=False, capture_output=True)
        run(["ip", "link", "delete", name], check=False, capture_output=True)


# Listens at once: http.server asks for its own name first, and no name server answers from there.
WHO = """
import http.server, socket, socketserver
class Both(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    def server_bind(self): socketserver.TCPServer.server_bind(self)
class Who(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *args): pass
Both(("::", 8090), Who).serve_forever()
"""


@pytest.mark.full
def test_services_go_on_while_the_server_is_killed_and_starts_again(web: Space) -> None:
    """The rules stay, are taken over in one transaction, and clients stay with their pods."""
    spec = {"ipFamilyPolicy": "RequireDualStack"}
    web.apply(
        service("steady", {"app": "web"}, **spec),
        service("bound", {"app": "web"}, sessionAffinity="ClientIP", **spec),
    )
    steady, bound = (web.json("get", "service", name)["spec"]["clusterIPs"] for name in ("steady", "bound"))
    for ip in (*steady, *bound):
        until(lambda ip=ip: told(ip) in NAMES)
    before = [told(ip) for ip in bound]
    missed: list[str] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            missed.extend(ip for ip in steady if told(ip) not in NAMES)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        os.kill(web.cluster.pid(), signal.SIGKILL)
        assert all(told(ip) in NAMES for ip in steady)
        web.cluster.up()
        web.apply(service("later", {"app": "web"}))
        ip = web.json("get", "service", "later")["spec"]["clusterIP"]
        until(lambda: told(ip) in NAMES)  # the new proxy works
    finally:
        over.set()
        asking.join()
    assert missed == []
    assert [told(ip) for ip in bound] == before


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    number = 200 + os.getpid() % 50
    yield from start(
        tmp_path_factory.mktemp("six"),
        f"--cluster-cidr=fd42:{number}::/56",
        f"--service-cidr=fd43:{number}::/112",
    )


@pytest.mark.full
def test_a_cluster_of_ipv6_alone(six: Space) -> None:
    """Probes, exec, logs, names, the API from a pod, Services and load balancers: nothing has an IPv4 address."""
    fields = {"livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    body = server("web-0")
    body["spec"]["containers"][0].update(fields)
    ports = [{"name": "http", "port": BALANCED, "targetPort": 8080}]
    six.apply(
        body,
        quick("client"),
        service("web", {"app": "web"}),
        service("lb", {"app": "web"}, type="LoadBalancer", ports=ports),
    )
    for name in ("web-0", "client"):
        six.until_ready(name, within=60)
    everything = json.dumps([six.json("get", kind)["items"] for kind in ("nodes", "pods", "services")])
    node = six.json("get", "nodes")["items"][0]
    (address,) = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    assert ":" in address
    assert '"podIP": "fd42' in everything
    until(lambda: fetch(six, "web") == "web-0")
    until(lambda: fetch(six, address, BALANCED) == "web-0")
    assert six.json("get", "service", "lb")["status"]["loadBalancer"]["ingress"][0]["ip"] == address
    kubernetes = of_client(six, "python3", "-c", API)
    assert '"major"' in kubernetes
    assert six.kubectl("logs", "web-0").returncode == 0
    assert six.json("get", "pod", "web-0")["status"]["containerStatuses"][0]["restartCount"] == 0


API = """
import ssl, urllib.request
trusted = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
print(urllib.request.urlopen("https://kubernetes.default.svc/version", context=trusted, timeout=5).read().decode())
"""
