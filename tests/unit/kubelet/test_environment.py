import base64
from typing import Any

import pytest

from pinnace.kubelet.environment import ConfigError, Surroundings, build, expand, service_links
from unit.kubelet.runtime_builders import make_pod

MAP = {"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1", "b": "2"}}
SECRET = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"v").decode()}}


def environment(container: dict[str, Any], links: dict[str, str] | None = None) -> dict[str, str]:
    objects = {("ConfigMap", "m"): MAP, ("Secret", "s"): SECRET}
    full = {"name": "c", **container}
    given = Surroundings(
        get=lambda kind, name: objects.get((kind, name)),
        facts={"status.podIP": "10.0.0.5"},
        allocatable={"cpu": "2", "memory": "1Gi"},
        links=links or {},
    )
    return build(make_pod(full), full, given=given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B) $A $(", "$(B) $A $("),
        ("$$$(A)", "$1"),
        ("x$(A)y$(A)", "x1y1"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_sources_in_their_order() -> None:
    result = environment(
        {
            "envFrom": [{"configMapRef": {"name": "m"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
            "env": [
                {"name": "A", "value": "$(P_a)!"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "P_b", "value": "mine"},
            ],
        },
        links={"LINK": "x"},
    )
    assert result == {"LINK": "x", "P_a": "1", "P_b": "mine", "k": "v", "A": "1!", "IP": "10.0.0.5", "K": "v"}


def test_missing_references_in_upstream_words() -> None:
    def failing(source: dict[str, Any]) -> str:
        with pytest.raises(ConfigError) as caught:
            environment({"env": [{"name": "X", "valueFrom": source}]})
        return str(caught.value)

    assert failing({"configMapKeyRef": {"name": "none", "key": "k"}}) == 'configmap "none" not found'
    assert failing({"secretKeyRef": {"name": "none", "key": "k"}}) == 'secret "none" not found'
    missing = failing({"configMapKeyRef": {"name": "m", "key": "z"}})
    assert missing == "couldn't find key z in ConfigMap default/m"


def test_optional_references_are_left_out() -> None:
    source = {"configMapKeyRef": {"name": "none", "key": "k", "optional": True}}
    assert environment({"env": [{"name": "X", "valueFrom": source}]}) == {}


def test_resources_rounded_up_to_the_divisor() -> None:
    def value(resource: str, divisor: str = "") -> str:
        reference = {"resource": resource, **({"divisor": divisor} if divisor else {})}
        container = {
            "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "100Mi"}},
            "env": [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}],
        }
        return environment(container)["X"]

    assert value("limits.cpu") == "2"
    assert value("limits.cpu", "1m") == "1500"
    assert value("requests.memory", "1Mi") == "100"
    assert value("limits.memory", "1Mi") == "1024"


def test_service_links() -> None:
    service = {
        "metadata": {"name": "my-db", "namespace": "default"},
        "spec": {"clusterIP": "10.43.0.7", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]},
    }
    headless = {"metadata": {"name": "h", "namespace": "default"}, "spec": {"clusterIP": "None"}}
    links = service_links([service, headless], "default")
    assert links["MY_DB_SERVICE_HOST"] == "10.43.0.7"
    assert links["MY_DB_SERVICE_PORT"] == links["MY_DB_SERVICE_PORT_SQL"] == "5432"
    assert links["MY_DB_PORT_5432_TCP"] == "tcp://10.43.0.7:5432"
    assert not any(name.startswith("H_") for name in links)
    assert service_links([service], "other") == {}
