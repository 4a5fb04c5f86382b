import pytest

from pinnace.kubelet.server.attributes import subresources_of, verb_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/stats/summary", ["stats"]),
        ("/metrics", ["metrics"]),
        ("/metrics/resource", ["metrics"]),
        ("/pods", ["pods", "proxy"]),
        ("/healthz", ["healthz", "proxy"]),
        ("/exec/ns/pod/c", ["proxy"]),
        ("/metricsx", ["proxy"]),
    ],
)
def test_the_path_names_the_subresource(path: str, expected: list[str]) -> None:
    assert subresources_of(path) == expected


def test_the_method_names_the_verb() -> None:
    assert [verb_of(method) for method in ("GET", "HEAD", "POST", "DELETE")] == [
        "get",
        "get",
        "create",
        "delete",
    ]
