"""Pods, Services, DNS and Ingress, as seen from pods and from the machine."""

import http.client
import subprocess

import pytest

from e2e_support import IMAGE, Space, TestCluster, deployment, own_ports, pod, service, until
from pinnace.cluster import preflight

HOST_PORT = own_ports()[297]


@pytest.fixture
def web(space: Space) -> Space:
    space.apply(deployment("web", 2), service("web"), pod("client"))
    space.until_rolled_out("web")
    space.until_ready("client")
    return space


def fetch(space: Space, url: str, client: str = "client") -> str:
    return space.out("exec", client, "--", "wget", "-q", "-O-", url)


def cluster_ip(space: Space, name: str = "web") -> str:
    return space.out("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")


def test_a_pod_reaches_pods_and_services_by_address_and_name(web: Space) -> None:
    first = web.pods("app=web")[0]
    assert "Hello from Pinnace" in fetch(web, f"http://{first['status']['podIP']}:8080/")
    ip = cluster_ip(web)
    until(lambda: "Hello" in fetch(web, f"http://{ip}/"))
    for name in ("web", f"web.{web.name}", f"web.{web.name}.svc.cluster.local"):
        until(lambda name=name: "Hello" in fetch(web, f"http://{name}/"))


def test_the_machine_reaches_a_service(web: Space) -> None:
    ip = cluster_ip(web)

    def answers() -> bool:
        connection = http.client.HTTPConnection(ip, 80, timeout=3)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    until(answers)


def test_a_service_follows_its_pods(web: Space) -> None:
    web.kubectl("scale", "deploy/web", "--replicas=0")
    until(lambda: not web.pods("app=web"))
    ip = cluster_ip(web)
    until(
        lambda: (
            web.kubectl("exec", "client", "--", "wget", "-q", "-O-", f"http://{ip}/", check=False).returncode
            != 0
        )
    )
    web.kubectl("scale", "deploy/web", "--replicas=1")
    web.until_rolled_out("web")
    until(lambda: "Hello" in fetch(web, f"http://{ip}/"))


def test_a_pod_reaches_itself_through_its_service(space: Space) -> None:
    space.apply(deployment("web", 1), service("web"))
    space.until_rolled_out("web")
    (only,) = space.pods("app=web")
    until(lambda: "Hello" in fetch(space, "http://web/", only["metadata"]["name"]))


def test_node_port(web: Space) -> None:
    web.kubectl("patch", "service", "web", "-p", '{"spec":{"type":"NodePort"}}')
    port = web.out("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}")
    (node,) = web.json("get", "nodes")["items"]
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    until(
        lambda: (
            subprocess.run(
                ["curl", "-sf", "-m", "3", f"http://{address}:{port}/"], capture_output=True, check=False
            ).returncode
            == 0
        )
    )


def test_session_affinity_keeps_a_client_with_one_pod(space: Space) -> None:
    name_server = "mkdir /tmp/w; hostname > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
    space.apply(deployment("web", 3, name_server), service("web", sessionAffinity="ClientIP"), pod("client"))
    space.until_rolled_out("web")
    space.until_ready("client")
    ip = cluster_ip(space)
    first = until(lambda: fetch(space, f"http://{ip}/"))
    assert {fetch(space, f"http://{ip}/") for _ in range(6)} == {first}


def test_headless_service_names_each_pod(space: Space) -> None:
    space.apply(deployment("web", 2), service("web", clusterIP="None"), pod("client"))
    space.until_rolled_out("web")
    space.until_ready("client")
    ips = {p["status"]["podIP"] for p in space.pods("app=web")}

    def answered() -> bool:
        text = space.kubectl(
            "exec", "client", "--", "nslookup", f"web.{space.name}.svc.cluster.local", check=False
        ).stdout
        return all(ip in text for ip in ips)

    until(answered)


def test_ingress_routes_by_host_and_path(web: Space, cluster: TestCluster) -> None:
    host = f"{web.name}.test"
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    web.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "web"},
            "spec": {"rules": [rule]},
        }
    )
    port = cluster.http_port()

    def status(name: str, address: str = "127.0.0.1") -> int:
        connection = http.client.HTTPConnection(address, port, timeout=3)
        try:
            connection.request("GET", "/", headers={"Host": name})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    until(lambda: status(host) == 200)
    assert status("other.test") == 404
    if preflight.has_ipv6():
        until(lambda: status(host, "::1") == 200)
    until(lambda: web.out("get", "ingress", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"))
    assert host in web.out("get", "ingress", "web")


def test_host_port(space: Space, cluster: TestCluster) -> None:
    ports = {
        "command": ["httpd", "-f", "-p", "8080", "-h", "/www"],
        "ports": [{"containerPort": 8080, "hostPort": HOST_PORT}],
    }
    space.apply(pod("hosted", container=ports))
    space.until_ready("hosted")
    (node,) = cluster.json("get", "nodes")["items"]
    address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    until(
        lambda: (
            subprocess.run(
                ["curl", "-sf", "-m", "3", f"http://{address}:{HOST_PORT}/"], capture_output=True, check=False
            ).returncode
            == 0
        )
    )


def test_containers_of_a_pod_share_network_and_volumes(space: Space) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    server = {"name": "server", "image": IMAGE, "volumeMounts": mounts}
    space.apply(
        pod("pair", "sleep 3600", volumes=[{"name": "v", "emptyDir": {}}], container={"volumeMounts": mounts})
    )
    both = pod("both", volumes=[{"name": "v", "emptyDir": {}}], container={"volumeMounts": mounts})
    both["spec"]["containers"].append(server)
    space.apply(both)
    space.until_ready("both")
    until(
        lambda: (
            "Hello"
            in space.out("exec", "both", "-c", "main", "--", "wget", "-q", "-O-", "http://127.0.0.1:8080/")
        )
    )
    space.kubectl("exec", "both", "-c", "main", "--", "sh", "-c", "echo shared > /v/file")
    assert space.out("exec", "both", "-c", "server", "--", "cat", "/v/file") == "shared\n"
