"""The kubelet of a whole cluster: what it serves on its port, and to whom; probes with everything that they can say."""

import http.client
import json
import ssl
from decimal import Decimal
from urllib.parse import urlsplit

from e2e_support import Space, TestCluster, pod, until
from pinnace.apimachinery import quantity


def told(space: Space, name: str, text: str) -> bool:
    events = space.json("get", "events", "--field-selector", f"involvedObject.name={name}")["items"]
    return any(text in event["message"] for event in events)


def restarts(space: Space, name: str) -> int:
    return int(space.json("get", "pod", name)["status"]["containerStatuses"][0]["restartCount"])


def test_what_the_kubelet_serves_and_to_whom(cluster: TestCluster, space: Space) -> None:
    """Through the API server's proxy as an administrator; the port itself asks who comes and what he may."""
    space.apply(pod("seen", "while true; do :; done", terminationGracePeriodSeconds=0))
    space.until_ready("seen")
    node = cluster.json("get", "nodes")["items"][0]
    name = node["metadata"]["name"]

    def proxied(path: str) -> str:
        return cluster.out("get", "--raw", f"/api/v1/nodes/{name}/proxy/{path}")

    def used() -> float:
        pods = json.loads(proxied("stats/summary"))["pods"]
        mine = next(one for one in pods if one["podRef"]["name"] == "seen")
        return float(mine["containers"][0]["cpu"]["usageCoreNanoSeconds"])

    until(lambda: used() > 0)
    assert (
        f'container_cpu_usage_seconds_total{{container="main",namespace="{space.name}",pod="seen"}}'
        in proxied("metrics/resource")
    )
    assert f'namespace="{space.name}",pod="seen"' in proxied("metrics/cadvisor")
    assert "kubelet_running_pods" in proxied("metrics")
    assert proxied("healthz") == "ok"
    assert "seen" in [one["metadata"]["name"] for one in json.loads(proxied("pods"))["items"]]
    address = node["status"]["addresses"][0]["address"]
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    space.kubectl("create", "serviceaccount", "nobody")
    token = space.out("create", "token", "nobody").strip()
    admin = (cluster.data / "token").read_text().strip()
    assert [answer(address, port, "/pods", one) for one in ("", "wrong", token, admin)] == [
        401,
        401,
        403,
        200,
    ]
    run = f"/run/{space.name}/seen/main?cmd=echo%20hello"
    assert answer(address, port, run, token, "POST") == 403
    assert cluster.out("create", "--raw", f"/api/v1/nodes/{name}/proxy{run}", "-f", "/dev/null") == "hello\n"


def test_top_shows_what_each_container_uses(cluster: TestCluster, space: Space) -> None:
    """`metrics.k8s.io` and `kubectl top`: one container burns, the other one holds memory."""
    both = pod("both", "while :; do :; done", terminationGracePeriodSeconds=0)
    holder = {**both["spec"]["containers"][0], "name": "holder"}
    # `sleep` must not be the last command: the shell would become it, and what it holds would be gone.
    holder["command"] = [
        "sh",
        "-c",
        "held=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 3600; echo ${#held}",
    ]
    both["spec"]["containers"].append(holder)
    space.apply(both)
    space.until_ready("both")
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{space.name}/pods/both"

    def used() -> dict[str, tuple[Decimal, Decimal]] | None:
        metrics = json.loads(cluster.out("get", "--raw", path))
        assert metrics["kind"] == "PodMetrics"
        found = {
            one["name"]: (quantity.parse(one["usage"]["cpu"]), quantity.parse(one["usage"]["memory"]))
            for one in metrics["containers"]
        }
        return found if found["holder"][1] > 45_000_000 and found["main"][0] > 0.02 else None

    found = until(used, 60)
    assert found is not None
    assert set(found) == {"main", "holder"}
    assert found["main"][1] < 40_000_000
    header, *lines = [line.split() for line in space.out("top", "pod", "both", "--containers").splitlines()]
    assert header == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    shown = {name: (cpu, memory) for _, name, cpu, memory in lines}
    assert int(shown["holder"][1].removesuffix("Mi")) >= 40
    assert int(shown["main"][0].removesuffix("m")) > 0
    (whole,) = space.out("top", "pod", "both", "--no-headers").splitlines()
    assert int(whole.split()[2].removesuffix("Mi")) >= 40
    until(lambda: int(cluster.out("top", "node", "--no-headers").split()[1].removesuffix("m")) > 0)


def answer(address: str, port: int, path: str, token: str, method: str = "GET") -> int:
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(address, port, context=context, timeout=30)
    connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
    status = connection.getresponse().status
    connection.close()
    return status


# A server that is content with those who send its header.
PICKY = r"""cat > /tmp/answer <<'EOF'
status='403 Forbidden'
while read line && [ "$(echo "$line" | tr -d '\r')" ]; do case "$line" in X-Probe:*yes*) status='200 OK';; esac; done
printf "HTTP/1.1 $status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
EOF
exec nc -ll -p 8080 -e sh /tmp/answer"""


def test_probes_speak_https_send_headers_and_end_a_container_with_a_grace_period_of_their_own(
    cluster: TestCluster, space: Space
) -> None:
    server = urlsplit(cluster.record()["server"])
    secure = {"host": server.hostname, "port": server.port, "path": "/livez", "scheme": "HTTPS"}
    header = {"port": 8080, "httpHeaders": [{"name": "X-Probe", "value": "yes"}]}
    quick = {"periodSeconds": 1, "failureThreshold": 1}
    stubborn = {"command": ["sh", "-c", "trap '' TERM; touch /tmp/alive; while true; do sleep 1; done"]}
    alive = {
        "exec": {"command": ["cat", "/tmp/alive"]},
        "initialDelaySeconds": 1,
        **quick,
        "terminationGracePeriodSeconds": 1,
    }
    probes = {
        "secure": secure,
        "plain": {**secure, "scheme": "HTTP"},
        "header": header,
        "no-header": {"port": 8080},
    }
    pods = [
        pod(name, PICKY, container={"readinessProbe": {"httpGet": probe, **quick}}, terminationGracePeriodSeconds=0)
        for name, probe in probes.items()
    ]  # fmt: skip
    space.apply(
        *pods,
        pod("stubborn", container={**stubborn, "livenessProbe": alive}, terminationGracePeriodSeconds=3600),
    )
    space.until_ready("secure")
    space.until_ready("header")
    until(lambda: told(space, "plain", "Readiness probe failed"))
    until(lambda: told(space, "no-header", "HTTP probe failed with statuscode: 403"))
    space.until_ready("stubborn")
    space.kubectl("exec", "stubborn", "--", "rm", "/tmp/alive")
    until(lambda: restarts(space, "stubborn") == 1)
