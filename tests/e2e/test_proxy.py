"""test/e2e/network/proxy.go: pods and services answer through the API server, whatever the method."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest

from e2e_support import IMAGE, Space, until

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
# One request a connection: the head is read to its empty line, then method and path are given back.
ANSWER = r"""
read method path rest
while read line && [ "$(echo "$line" | tr -d '\r')" ]; do :; done
printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n'
[ "$method" = HEAD ] || printf '%s %s' "$method" "$path"
"""


def objects() -> list[dict[str, Any]]:
    serve = f"cat >/tmp/answer <<'E'\n{ANSWER}E\nexec nc -ll -p 8080 -e sh /tmp/answer"
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", serve],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "echo", "labels": {"app": "echo"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    ports = [
        {"name": "web", "port": 80, "targetPort": 8080},
        {"name": "second", "port": 81, "targetPort": 8080},
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "echo"},
        "spec": {"selector": {"app": "echo"}, "ports": ports},
    }
    return [pod, service]


@pytest.fixture
def echo(space: Space) -> Space:
    space.apply(*objects())
    space.until_ready("echo")
    return space


def ask(space: Space, method: str, path: str) -> tuple[int, str]:
    data = space.cluster.data
    server = space.cluster.record()["server"]
    request = urllib.request.Request(f"{server}/api/v1/namespaces/{space.name}/{path}", method=method)
    request.add_header("Authorization", f"Bearer {(data / 'token').read_text().strip()}")
    tls = ssl.create_default_context(cafile=str(data / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=tls, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.conformance(
    "[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service Proxy [Conformance]"
)
def test_every_method_reaches_pods_and_services(echo: Space) -> None:
    until(lambda: ask(echo, "GET", "services/echo:web/proxy/")[0] == 200)
    for place in ("pods/echo:8080/proxy", "services/echo:web/proxy"):
        for method in METHODS:
            code, text = ask(echo, method, f"{place}/?method={method}")
            assert (code, text) == (200, "" if method == "HEAD" else f"{method} /?method={method}"), place
        assert ask(echo, "GET", place)[0] == 200  # redirected to the path with a slash


@pytest.mark.conformance(
    "[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath [Conformance]"
)
def test_every_method_reaches_paths_of_pods_and_services(echo: Space) -> None:
    until(lambda: ask(echo, "GET", "services/echo:web/proxy/")[0] == 200)
    for place in ("pods/echo:8080/proxy", "services/echo:web/proxy"):
        for method in METHODS:
            code, text = ask(echo, method, f"{place}/some/path/with/{method}")
            assert (code, text) == (200, "" if method == "HEAD" else f"{method} /some/path/with/{method}"), (
                place
            )


@pytest.mark.conformance(
    "[sig-network] Proxy version v1 should proxy through a service and a pod [Conformance]"
)
def test_ports_are_chosen_by_name_and_number(echo: Space) -> None:
    until(lambda: ask(echo, "GET", "services/echo:web/proxy/")[0] == 200)
    for place in (
        "services/echo:web/proxy", "services/echo:second/proxy", "services/echo:80/proxy", "services/http:echo:web/proxy",
        "services/http:echo:81/proxy", "pods/echo/proxy", "pods/echo:8080/proxy", "pods/http:echo:8080/proxy",
    ):  # fmt: skip
        assert ask(echo, "GET", f"{place}/x") == (200, "GET /x"), place
    code, text = ask(echo, "GET", "services/echo:none/proxy/")
    assert (code, json.loads(text)["message"]) == (503, 'no service port "none" found for service "echo"')
