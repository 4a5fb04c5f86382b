"""Three machines: a server, an agent on its link, an agent behind a router. Everything that crosses nodes, and what happens when
machines are cut off, killed, restarted, drained."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e_support import IMAGE, Space, TestCluster, deployment, pod, service, until
from machines import Lan, Machine, environment
from pinnace.cluster import demo
from pinnace.cluster.image_archive import ImageSettings, write_archive

GRACE = 8  # seconds without a heartbeat until a node is Unknown; renewed every second
NODES = ("srv", "one", "two")


class RemoteCluster(TestCluster):
    """The cluster as its server machine sees it: kubectl runs there, and a thread of ours is on its network."""

    machine: Machine

    def __init__(self, directory: Path) -> None:
        super().__init__("nodes", directory)
        self._thread = ThreadPoolExecutor(1)

    def on(self, machine: Machine) -> None:
        self.machine = machine
        self._thread.submit(machine.enter_network).result(10)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._thread.submit(super().request, method, path, body).result(60)

    def close(self) -> None:
        self._thread.shutdown()

    def kubectl(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        check, stdin = options.get("check", True), options.get("stdin")
        program = shutil.which("kubectl")
        command = [program] if program else [sys.executable, "-m", "pinnace", "kubectl"]
        done = subprocess.run(
            self.machine.inside(*command, "--kubeconfig", str(self.kubeconfig), *arguments),
            input=stdin, capture_output=True, text=True, check=False, timeout=options.get("timeout", 90),
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(
                f"kubectl {' '.join(arguments)} failed ({done.returncode}): {done.stdout}{done.stderr}"
            )
        return done


@dataclass
class Nodes:
    lan: Lan
    cluster: RemoteCluster
    join: list[str]

    def machine(self, name: str) -> Machine:
        return self.lan.machines[name]

    def flags(self, machine: Machine) -> list[str]:
        return ["--name", f"{machine.name}{self.lan.tag}", "--data-dir", str(machine.data)]

    def up(self) -> None:
        server = self.machine("srv")
        server.pinnace(
            "up", *self.flags(server), "--kubeconfig", str(self.cluster.kubeconfig), "--node-name", "srv", "--node-monitor-grace-period",
            str(GRACE), "--node-lease-duration-seconds", "4", "--http-port", "80",
            "--cluster-cidr", "10.42.0.0/16,fd42:1::/56", "--service-cidr", "10.43.0.0/16,fd43:1::/112",
        )  # fmt: skip

    def start_agent(self, name: str, *more: str) -> None:
        machine = self.machine(name)
        (machine.data / "run" / "server.json").unlink(missing_ok=True)
        machine.start(
            "agent", *self.flags(machine), "--node-name", name, "--node-lease-duration-seconds", "4", *more
        )  # fmt: skip
        until(lambda: machine.record()["ready"], 60)

    def condition(self, node: str, kind: str = "Ready") -> str:
        found = self.cluster.json("get", "node", node)["status"].get("conditions", ())
        return next((one["status"] for one in found if one["type"] == kind), "")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    directory = Path(tempfile.mkdtemp(prefix="pnl", dir="/tmp"))  # short: sockets lie below it
    lan = Lan(directory)
    cluster = RemoteCluster(directory / "srv")
    made = Nodes(lan, cluster, [])
    try:
        lan.open()
        cluster.on(lan.machine("srv"))
        lan.machine("one")
        lan.machine("two", segment=1)
        made.up()
        line = cluster.machine.pinnace(
            "token", "create", "--print-join-command", *made.flags(cluster.machine)
        ).stdout
        made.join = line.split()[2:]
        at = made.join.index("--server") + 1
        of_several = [*made.join[:at], f"https://127.0.0.1:1,{made.join[at]}", *made.join[at + 1 :]]
        made.start_agent("one", *of_several)  # the first of its servers is away for ever
        made.start_agent("two", *made.join)
        archive = directory / "demo.tar"
        _demo_archive(archive)
        for machine in lan.machines.values():
            machine.pinnace("image", "load", str(archive), "--tag", IMAGE, *made.flags(machine))
        for name in NODES:
            until(lambda name=name: made.condition(name) == "True")
        yield made
    finally:
        for machine in lan.machines.values():
            machine.plug_in()
            machine.pinnace("down", "--purge", *made.flags(machine), check=False)
        cluster.close()
        lan.close()


def _demo_archive(path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, path.open("wb") as archive:
        demo.root_directory(Path(scratch))
        write_archive(
            Path(scratch), IMAGE, ImageSettings(cmd=("sh", "-c", demo.SERVE), ports=(8080,)), archive
        )


@pytest.fixture
def space(nodes: Nodes) -> Iterator[Space]:
    made = nodes.cluster.make_namespace(f"t-{secrets.token_hex(3)}")
    yield made
    nodes.cluster.remove_namespace(made.name)


def on(node: str, name: str, command: str = "sleep 3600", **more: Any) -> dict[str, Any]:
    return pod(
        name, command, nodeSelector={"kubernetes.io/hostname": node}, terminationGracePeriodSeconds=1, **more
    )


def server_on(node: str, name: str) -> dict[str, Any]:
    """The demo's web server on port 8080, which says the pod's name."""
    made = on(node, name)
    del made["spec"]["containers"][0]["command"]
    made["spec"]["containers"][0]["command"] = [
        "sh",
        "-c",
        "mkdir -p /w && hostname > /w/index.html && exec httpd -f -vv -p 8080 -h /w",
    ]
    return made


def everywhere(space: Space, make: Callable[[str, str], dict[str, Any]] = on, prefix: str = "p") -> None:
    space.apply(*(make(node, f"{prefix}-{node}") for node in NODES))
    for node in NODES:
        space.until_ready(f"{prefix}-{node}")


def test_nodes_join_with_subnets_of_their_own_and_routes_by_link_or_overlay(nodes: Nodes) -> None:
    found = {one["metadata"]["name"]: one for one in nodes.cluster.json("get", "nodes")["items"]}
    subnets = {name: one["spec"]["podCIDR"] for name, one in found.items()}
    assert set(found) == set(NODES)
    assert len(set(subnets.values())) == 3
    on_link = nodes.machine("one").run("ip", "route", "show", subnets["srv"]).stdout
    beyond = nodes.machine("one").run("ip", "route", "show", subnets["two"]).stdout
    assert f"via {nodes.machine('srv').address} dev eth0" in on_link
    assert "onlink" in beyond
    assert "eth0" not in beyond


def test_pods_of_ipv6_are_routed_as_those_of_ipv4(nodes: Nodes) -> None:
    found = {one["metadata"]["name"]: one for one in nodes.cluster.json("get", "nodes")["items"]}
    for name in NODES:
        said = [one["address"] for one in found[name]["status"]["addresses"] if one["type"] == "InternalIP"]
        assert said == [nodes.machine(name).address, nodes.machine(name).six]
    subnets = {name: one["spec"]["podCIDRs"][1] for name, one in found.items()}
    assert len(set(subnets.values())) == 3

    def route(at: str, to: str) -> str:
        return nodes.machine(at).run("ip", "-6", "route", "show", subnets[to]).stdout

    assert until(lambda: f"via {nodes.machine('srv').six} dev eth0" in route("one", "srv"))
    for at, to in (("one", "two"), ("two", "srv")):
        beyond = until(lambda at=at, to=to: route(at, to))
        assert "via fe80::" in beyond
        assert "eth0" not in beyond


def test_pods_reach_one_another_services_and_names_from_every_node(nodes: Nodes, space: Space) -> None:
    everywhere(space, server_on, "web")
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"selector": {"part": "web"}, "ports": ports, "ipFamilyPolicy": "RequireDualStack"}
    space.apply({**service("web"), "spec": spec})
    for node in NODES:
        space.kubectl("label", "pod", f"web-{node}", "part=web")
    addresses = {
        one["metadata"]["name"]: [ip["ip"] for ip in one["status"]["podIPs"]]
        for one in space.json("get", "pods")["items"]
    }
    urls = [f"http://{addresses[f'web-{node}'][0]}:8080/" for node in NODES]
    urls += [f"http://[{addresses[f'web-{node}'][1]}]:8080/" for node in NODES]
    service_ips = space.json("get", "service", "web")["spec"]["clusterIPs"]
    urls += [f"http://web.{space.name}.svc.cluster.local/", f"http://[{service_ips[1]}]/"]
    ask = f"for url in {' '.join(urls)}; do wget -q -O- $url || exit 1; done"
    for source in NODES:
        said = until(lambda at=source: space.out("exec", f"web-{at}", "--", "sh", "-c", ask)).split()
        assert said[:6] == [f"web-{node}" for node in NODES] * 2
        assert len(said) == 8


def test_packets_between_pods_keep_their_source_and_big_ones_fit(nodes: Nodes, space: Space) -> None:
    """Only what leaves the cluster is masqueraded; the pods' MTU leaves room for the overlay's headers."""
    page = "mkdir -p /w && head -c 300000 /dev/zero > /w/big && exec httpd -f -vv -p 8080 -h /w"
    space.apply(on("two", "web", page), on("one", "client"), service("web"))
    space.until_ready("web")
    space.until_ready("client")
    client, client_six = (one["ip"] for one in space.json("get", "pod", "client")["status"]["podIPs"])
    web, six = (one["ip"] for one in space.json("get", "pod", "web")["status"]["podIPs"])
    for host in (f"{web}:8080", f"web.{space.name}", f"[{six}]:8080"):
        command = f"wget -q -O- http://{host}/big | wc -c"
        assert until(lambda c=command: space.out("exec", "client", "--", "sh", "-c", c).strip()) == "300000"
    said = until(lambda: [line for line in space.out("logs", "web").splitlines() if "url:/big" in line])
    assert len(said) == 3
    assert all(f"{client}]" in line or f"{client}:" in line or f"[{client_six}]" in line for line in said)
    assert space.out("exec", "client", "--", "cat", "/sys/class/net/eth0/mtu").strip() == "1450"


def test_a_node_port_answers_on_every_node_and_ingress_reaches_remote_pods(
    nodes: Nodes, space: Space
) -> None:
    space.apply(server_on("two", "web"), {
        **service("web"), "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }, {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"rules": [{"host": "web.test", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
    })  # fmt: skip
    space.until_ready("web")
    port = space.json("get", "service", "web")["spec"]["ports"][0]["nodePort"]
    for node in NODES:
        url = f"http://{nodes.machine(node).address}:{port}/"
        got = until(lambda url=url: nodes.machine("one").run("curl", "-sf", "-m", "3", url).stdout.strip())
        assert got == "web"

    def through() -> str:
        asking = ("curl", "-sf", "-m", "3", "-H", "Host: web.test", "http://127.0.0.1/")
        return nodes.machine("srv").run(*asking).stdout.strip()

    assert until(through) == "web"


def answers(machine: Machine, address: str, port: int, path: str = "/") -> str:
    """What a machine is told there; "" when nothing comes within two seconds."""
    url = f"http://[{address}]:{port}{path}" if ":" in address else f"http://{address}:{port}{path}"
    return machine.run("curl", "-s", "-m", "2", url, check=False).stdout.strip()


def asks(space: Space, pod: str, *hosts: str) -> list[str]:
    """Who answers, of all that are asked at once."""
    each = [f"timeout 2 wget -q -O- http://{host}/ & " for host in hosts]
    return sorted(space.out("exec", pod, "--", "sh", "-c", f"{''.join(each)}wait").split())


def test_a_port_of_a_pod_elsewhere_is_forwarded(nodes: Nodes, space: Space) -> None:
    space.apply(server_on("two", "web"))
    space.until_ready("web")
    program = shutil.which("kubectl")
    command = [program] if program else [sys.executable, "-m", "pinnace", "kubectl"]
    with subprocess.Popen(
        nodes.cluster.machine.inside(
            *command, "--kubeconfig", str(nodes.cluster.kubeconfig), "-n", space.name, "port-forward", "pod/web", ":8080"
        ),
        stdout=subprocess.PIPE, text=True, env=environment(),
    ) as forwarding:  # fmt: skip
        try:
            assert forwarding.stdout is not None
            said = forwarding.stdout.readline()
            port = int(said.partition("127.0.0.1:")[2].split()[0])
            assert [answers(nodes.cluster.machine, "127.0.0.1", port) for _ in range(2)] == ["web", "web"]
        finally:
            forwarding.terminate()


def test_policies_mean_pods_of_other_nodes_too(nodes: Nodes, space: Space) -> None:
    """Who may come in is told by labels of pods elsewhere, in both families and through the overlay."""
    friend, other = on("one", "friend"), on("one", "other")
    friend["metadata"]["labels"]["role"] = "friend"
    space.apply(server_on("two", "web"), server_on("srv", "near"), friend, other)
    for name in ("web", "near", "friend", "other"):
        space.until_ready(name)
    ips = {
        name: [one["ip"] for one in space.json("get", "pod", name)["status"]["podIPs"]]
        for name in ("web", "near")
    }
    hosts = [f"{ips[name][0]}:8080" for name in ips] + [f"[{ips[name][1]}]:8080" for name in ips]
    everybody = ["near", "near", "web", "web"]
    until(lambda: asks(space, "other", *hosts) == everybody)
    peers = [{"podSelector": {"matchLabels": {"role": "friend"}}}]
    space.apply({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "friends"},
        "spec": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "near"]}]},
                 "ingress": [{"from": peers}]},
    })  # fmt: skip
    until(lambda: asks(space, "other", *hosts) == [])
    until(lambda: asks(space, "friend", *hosts) == everybody)
    space.kubectl("label", "pod", "other", "role=friend")
    space.kubectl("label", "pod", "friend", "role-")
    until(lambda: asks(space, "other", *hosts) == everybody)
    until(lambda: asks(space, "friend", *hosts) == [])


def test_a_node_without_endpoints_lets_nobody_in_where_the_policy_is_local(
    nodes: Nodes, space: Space
) -> None:
    ports = [{"port": 8899, "targetPort": 8080}]
    space.apply(server_on("two", "web"), on("two", "near"), on("one", "far"), {
        **service("web"),
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": {"app": "web"}, "ports": ports},
    }, {
        **service("inside"), "spec": {"internalTrafficPolicy": "Local", "selector": {"app": "web"}, "ports": ports},
    })  # fmt: skip
    for name in ("web", "near", "far"):
        space.until_ready(name)
    here, there = nodes.machine("two"), nodes.machine("srv")
    spec = space.json("get", "service", "web")["spec"]
    port, health = spec["ports"][0]["nodePort"], spec["healthCheckNodePort"]

    def client(address: str, port: int, *more: str) -> str:
        """What somebody who is no node is told."""
        command = [
            "ip",
            "netns",
            "exec",
            nodes.lan.switch,
            "curl",
            "-s",
            "-m",
            "2",
            f"http://{address}:{port}/",
        ]
        return subprocess.run([*command, *more], capture_output=True, text=True, check=False).stdout.strip()

    until(lambda: client(here.address, port) == "web")
    only = ("-o", "/dev/null", "-w", "%{http_code}")
    for machine, code in ((here, "200"), (there, "503")):
        until(lambda at=machine.address, code=code: client(at, health, *only) == code)
    assert '"localEndpoints": 1' in client(here.address, health)
    assert client(there.address, port) == ""

    def balancers() -> list[str]:
        found = space.json("get", "service", "web")["status"]["loadBalancer"]
        return [one["ip"] for one in found.get("ingress", [])]

    until(lambda: balancers() == [here.address])
    until(lambda: client(here.address, 8899) == "web")
    seen = until(lambda: [line for line in space.out("logs", "web").splitlines() if "url:/" in line])
    assert all(f"{nodes.lan.segments[1]}.254]" in line for line in seen), (
        seen
    )  # nobody has taken the client's place
    until(
        lambda: answers(nodes.machine("one"), here.address, 8899) == "web"
    )  # a node without endpoints, itself
    until(lambda: asks(space, "near", "inside:8899", "web:8899") == ["web", "web"])
    until(
        lambda: asks(space, "far", "web:8899") == ["web"]
    )  # within the cluster the external policy does not count
    assert asks(space, "far", "inside:8899") == []


def test_logs_exec_and_metrics_go_to_the_kubelet_of_an_agent(nodes: Nodes, space: Space) -> None:
    space.apply(on("two", "p", "echo hello from two; sleep 3600"))
    space.until_ready("p")
    assert until(lambda: space.out("logs", "p")) == "hello from two\n"
    assert space.out("exec", "p", "--", "hostname") == "p\n"
    assert any(line.startswith("p ") for line in until(lambda: space.out("top", "pod", "p")).splitlines())
    events = until(lambda: space.json("get", "events", "--field-selector", "reason=Started")["items"])
    assert events[0]["source"]["host"] == "two"


def test_a_trace_tells_what_the_agents_did(nodes: Nodes, space: Space) -> None:
    """The kubelet of another machine, and the rules that every machine wrote."""
    space.apply(server_on("two", "web"), service("web"))
    space.until_ready("web")

    def traced(what: str) -> list[dict[str, Any]]:
        command = (
            sys.executable,
            "-m",
            "pinnace",
            "--kubeconfig",
            str(nodes.cluster.kubeconfig),
            "-n",
            space.name,
        )
        done = nodes.cluster.machine.run(*command, "trace", what, "-o", "json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["spans"]
        return found

    def wrote_rules() -> set[str]:
        return {one["facts"]["node"] for one in traced("service/web") if one["name"] == "apply rules"}

    until(lambda: wrote_rules() == set(NODES), 60)
    spans = {one["spanID"]: one for one in traced("pod/web")}
    steps = [one for one in spans.values() if one["part"] == "kubelet"]
    assert {"run pod", "sandbox", "create container", "start container"} <= {one["name"] for one in steps}
    run = next(one for one in steps if one["name"] == "run pod")
    assert run["facts"]["node"] == "two"
    above = spans[run["parentSpanID"]]
    assert (above["part"], above["facts"]["subresource"]) == ("apiserver", "binding")
    ready = [
        one
        for one in spans.values()
        if one["facts"].get("user") == "system:node:two" and one["name"] == "patch"
    ]
    assert ready
    assert all(one["parentSpanID"] in spans for one in ready)


def test_local_volumes_of_an_agent_are_directories_of_its_own_and_go_with_the_claim(
    nodes: Nodes, space: Space
) -> None:
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }  # fmt: skip
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    command = "echo kept > /data/file; sleep 3600"
    space.apply(claim, on("two", "writer", command, volumes=volumes, container=mounts))
    space.until_ready("writer")
    name = space.json("get", "pvc", "data")["spec"]["volumeName"]
    directory = Path(nodes.cluster.json("get", "pv", name)["spec"]["hostPath"]["path"])
    assert directory.parent == nodes.machine("two").data / "storage"
    until(lambda: (directory / "file").read_text() == "kept\n")
    assert directory.stat().st_mode & 0o777 == 0o777
    space.kubectl("delete", "pod/writer", "pvc/data", "--grace-period=0", "--force")
    until(lambda: not directory.exists(), 60)
    until(lambda: name not in nodes.cluster.out("get", "pv", "-o", "name"), 60)


def test_certificates_are_asked_for_by_the_node_and_say_its_own_names(nodes: Nodes) -> None:
    requests = nodes.cluster.json("get", "csr")["items"]
    signed = {
        (one["spec"]["username"], one["spec"]["signerName"])
        for one in requests
        if one["status"].get("certificate")
    }
    assert ("system:node:two", "kubernetes.io/kubelet-serving") in signed
    assert ("system:node:two", "kubernetes.io/kube-apiserver-client") in signed
    assert any(
        user.startswith("system:bootstrap:") and signer.endswith("client-kubelet") for user, signer in signed
    )


def test_a_daemon_set_runs_on_all_and_a_deployment_spreads(nodes: Nodes, space: Space) -> None:
    template = deployment("d", command="sleep 3600")["spec"]["template"]
    daemons = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template},
    }  # fmt: skip
    space.apply(daemons, deployment("spread", 6, "sleep 3600"))
    space.kubectl("rollout", "status", "daemonset/d", "--timeout=60s")
    space.until_rolled_out("spread")
    assert {one["spec"]["nodeName"] for one in space.pods("app=d")} == set(NODES)
    assert {one["spec"]["nodeName"] for one in space.pods("app=spread")} == set(NODES)


def test_routes_deleted_by_hand_come_back_and_then_there_is_rest(nodes: Nodes) -> None:
    one = nodes.machine("one")

    def shown() -> list[str]:
        asked = (one.run("ip", family, "route", "show", "proto", "142").stdout for family in ("-4", "-6"))
        return sorted(line for text in asked for line in text.splitlines())

    before = shown()
    assert len(before) == 4
    for family in ("-4", "-6"):
        one.run("ip", family, "route", "flush", "proto", "142")
        until(lambda: shown() == before)
    overlay = next(line.split("dev ")[1].split()[0] for line in before if "onlink" in line)
    one.run("ip", "link", "del", overlay)
    until(lambda: shown() == before)
    until(
        lambda: (
            one.run("timeout", "1", "ip", "monitor", "route", "link", "address", check=False).stdout == ""
        ),
        15,
    )


def test_pods_of_a_lost_node_are_replaced_and_the_node_that_returns_cleans_up(
    nodes: Nodes, space: Space
) -> None:
    soon = [
        {
            "key": f"node.kubernetes.io/{kind}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 1,
        }
        for kind in ("unreachable", "not-ready")
    ]
    made = deployment("web", 1, "sleep 3600")
    made["spec"]["template"]["spec"] |= {
        "tolerations": soon, "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "preference": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["one"]}]}}]}},
    }  # fmt: skip
    space.apply(made)
    space.until_rolled_out("web")
    lost = space.pods("app=web")[0]
    assert lost["spec"]["nodeName"] == "one"
    nodes.machine("one").cut_off()
    try:
        until(lambda: nodes.condition("one") == "Unknown", GRACE + 20)
        taints = until(lambda: nodes.cluster.json("get", "node", "one")["spec"].get("taints"))
        assert "node.kubernetes.io/unreachable" in {taint["key"] for taint in taints}
        until(
            lambda: [
                p
                for p in space.pods("app=web")
                if p["spec"].get("nodeName") not in (None, "one") and p["status"]["phase"] == "Running"
            ]
        )
        assert space.status_column(lost["metadata"]["name"]) == "Terminating"
    finally:
        nodes.machine("one").plug_in()
    until(lambda: nodes.condition("one") == "True", 60)
    until(lambda: lost["metadata"]["name"] not in {p["metadata"]["name"] for p in space.pods("app=web")}, 40)
    left = nodes.machine("one").run(
        "ctr", "--address", nodes.machine("one").record()["containerdSocket"], "-n", "k8s.io", "containers", "ls"
    ).stdout  # fmt: skip
    assert lost["metadata"]["name"] not in left


def test_nothing_on_the_agents_stops_while_the_control_plane_is_away(nodes: Nodes, space: Space) -> None:
    space.apply(
        server_on("two", "web"), service("web"), on("one", "client", f"while true; do wget -q -O- http://web.{space.name}/ >> /tmp/seen || echo FAILED >> /tmp/seen; sleep 0.2; done")
    )  # fmt: skip
    space.until_ready("web")
    space.until_ready("client")
    until(lambda: "web" in space.out("exec", "client", "--", "cat", "/tmp/seen"))
    before = {
        one["metadata"]["name"]: one["status"]["containerStatuses"][0]
        for one in space.json("get", "pods")["items"]
    }
    space.kubectl("exec", "client", "--", "sh", "-c", "echo MARK > /tmp/seen")
    nodes.machine("srv").kill()
    socket = nodes.machine("one").record()["containerdSocket"]
    client = before["client"]["containerID"].partition("//")[2]

    def seen() -> str:
        command = (
            "ctr",
            "--address",
            socket,
            "-n",
            "k8s.io",
            "tasks",
            "exec",
            "--exec-id",
            secrets.token_hex(4),
            client,
            "cat",
            "/tmp/seen",
        )
        return nodes.machine("one").run(*command).stdout

    until(lambda: seen().count("web") > 10, 30)
    nodes.up()
    for node in NODES:
        until(lambda node=node: nodes.condition(node) == "True", 60)
    assert "FAILED" not in seen()
    after = {
        one["metadata"]["name"]: one["status"]["containerStatuses"][0]
        for one in space.json("get", "pods")["items"]
    }
    assert {name: one["containerID"] for name, one in after.items()} == {
        name: one["containerID"] for name, one in before.items()
    }
    space.apply(on("two", "later"))
    space.until_ready("later")


def test_an_agent_that_is_killed_and_started_adopts_its_containers_without_a_token(
    nodes: Nodes, space: Space
) -> None:
    space.apply(on("two", "p"))
    space.until_ready("p")
    before = space.json("get", "pod", "p")["status"]["containerStatuses"][0]
    nodes.machine("two").kill()
    nodes.start_agent("two")
    space.apply(on("two", "later"))
    space.until_ready("later")
    after = space.json("get", "pod", "p")["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)


@pytest.mark.full  # tests/integration/test_node_join.py states the core
def test_what_keeps_a_machine_from_joining_is_said_with_what_to_type(nodes: Nodes, tmp_path: Path) -> None:
    machine, server = nodes.machine("one"), f"https://{nodes.machine('srv').address}:6443"
    good = dict(zip(nodes.join[::2], nodes.join[1::2], strict=True))

    def refused(name: str, **changed: str) -> str:
        flags = {
            **good,
            "--node-name": name,
            **{f"--{key.replace('_', '-')}": value for key, value in changed.items()},
        }
        command = [part for pair in flags.items() for part in pair]
        done = machine.pinnace(
            "agent",
            "--name",
            "other",
            "--data-dir",
            str(machine.directory / f"d{name}"),
            *command,
            check=False,
        )
        assert done.returncode == 1, done
        return done.stderr

    assert "knows no token 'aaaaaa'" in refused("a", token="aaaaaa.0123456789abcdef")
    assert "not signed with this token" in refused("b", token=good["--token"][:7] + "0123456789abcdef")
    assert "this is another cluster" in refused("c", discovery_token_ca_cert_hash=f"sha256:{'0' * 64}")
    assert 'a Node with name "two" and status "Ready" already exists' in refused("two")
    assert f"{server}".startswith("https")
    assert nodes.cluster.kubectl("get", "nodes", "-o", "name").stdout.split() == [
        f"node/{name}" for name in sorted(NODES)
    ]


def test_draining_and_deleting_a_node_moves_its_pods_and_another_join_brings_it_back(
    nodes: Nodes, space: Space
) -> None:
    space.apply(deployment("web", 3, "sleep 3600"))
    space.until_rolled_out("web")
    nodes.cluster.kubectl(
        "drain", "two", "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s"
    )
    space.until_rolled_out("web")
    assert "two" not in {one["spec"]["nodeName"] for one in space.pods("app=web")}
    machine = nodes.machine("two")
    machine.pinnace("agent", "down", "--purge", *nodes.flags(machine))
    nodes.cluster.kubectl("delete", "node", "two")
    until(lambda: "two" not in nodes.cluster.out("get", "nodes"))
    for family in ("-4", "-6"):
        assert machine.run("ip", family, "route", "show", "proto", "142").stdout == ""
    links = [line.split()[1] for line in machine.run("ip", "-o", "link").stdout.splitlines()]
    assert {link.partition("@")[0].rstrip(":") for link in links} == {"lo", "eth0"}
    until(lambda: "onlink" not in nodes.machine("one").run("ip", "route").stdout)
    flags = (*nodes.flags(machine), "--node-name", "two", "--node-lease-duration-seconds", "4")
    said = machine.pinnace("agent", *nodes.join, *flags, "--background").stdout
    assert "Node 'two' is Ready" in said
    until(lambda: nodes.condition("two") == "True")
    assert (
        json.loads(nodes.cluster.out("get", "node", "two", "-o", "json"))["spec"].get("unschedulable") is None
    )
