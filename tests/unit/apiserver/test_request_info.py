import pytest

from pinnace.apiserver.request_info import resolve


@pytest.mark.parametrize(
    ("method", "path", "query", "wanted"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/pods", {"watch": ["true"]}, ("watch", "", "pods", "", "", "")),
        ("GET", "/api/v1/pods", {"watch": ["false"]}, ("list", "", "pods", "", "", "")),
        ("GET", "/api/v1/watch/pods", {}, ("watch", "", "pods", "", "", "")),
        ("POST", "/apis/apps/v1/namespaces/n/deployments", {}, ("create", "apps", "deployments", "n", "", "")),
        ("PATCH", "/api/v1/namespaces/n/pods/p/status", {}, ("patch", "", "pods", "n", "p", "status")),
        ("DELETE", "/api/v1/namespaces/n/pods", {}, ("deletecollection", "", "pods", "n", "", "")),
        ("GET", "/api/v1/namespaces", {}, ("list", "", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/n", {}, ("get", "", "namespaces", "n", "n", "")),
        ("PUT", "/api/v1/namespaces/n/finalize", {}, ("update", "", "namespaces", "n", "n", "finalize")),
        ("GET", "/api/v1/nodes/x/proxy/a/b", {}, ("get", "", "nodes", "", "x", "proxy")),
        ("GET", "/api/v1/pods", {"fieldSelector": ["metadata.name=p"]}, ("list", "", "pods", "", "p", "")),
    ],
)  # fmt: skip
def test_resource_requests(method: str, path: str, query: dict, wanted: tuple) -> None:
    info = resolve(method, path, query)
    assert (info.verb, info.group, info.resource, info.namespace, info.name, info.subresource) == wanted
    assert info.is_resource


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis/apps/v1", "/version", "/healthz/ping", ""])
def test_other_paths_name_no_resource(path: str) -> None:
    info = resolve("GET", path, {})
    assert not info.is_resource
    assert info.verb == "get"


def test_what_proxies_forward() -> None:
    assert resolve("GET", "/api/v1/namespaces/n/pods/p/proxy/a/b", {}).rest == ("a", "b")
