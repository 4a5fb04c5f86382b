"""Which Services of type LoadBalancer get which addresses of nodes, and what they are told."""

from datetime import UTC, datetime

from pinnace.controllers.runtime import Emit, RequeueAfter, SetStatus, World
from pinnace.controllers.service_balancer import CLASS, EXCLUDED, ServiceBalancerConfig, controller

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING_RESERVED = ServiceBalancerConfig()


def node(name: str, *addresses: str, ready: str = "True", kind: str = "InternalIP", **labels: str) -> dict:
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": labels}, "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": kind, "address": address} for address in addresses],
        },
    }  # fmt: skip


def service(name: str = "web", *held: str, port: int = 80, age: int = 0, **spec: object) -> dict:
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": f"2026-01-01T00:00:0{9 - age}Z"},
        "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": [{"port": port, "protocol": "TCP"}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in held]} if held else {}},
    }  # fmt: skip


def decide(subject: dict, *others: dict, config: ServiceBalancerConfig = NOTHING_RESERVED) -> list:
    return list(controller(config).reconcile(subject, World.of([subject, *others], NOW)))


def given(actions: list) -> list[str] | None:
    """The addresses that the status gets; None when it stays."""
    for action in actions:
        if isinstance(action, SetStatus):
            ingress = action.status["loadBalancer"].get("ingress", [])
            assert all(entry["ipMode"] == "VIP" for entry in ingress)
            return [entry["ip"] for entry in ingress]
    return None


def reasons(actions: list) -> list[str]:
    return [action.reason for action in actions if isinstance(action, Emit)]


def test_a_service_gets_the_addresses_of_ready_nodes() -> None:
    actions = decide(
        service(), node("b", "192.0.2.2"), node("a", "192.0.2.1", "fd00::1"), node("c", "192.0.2.3", ready="False"),
        node("d", "192.0.2.4", **{EXCLUDED: ""}),
    )  # fmt: skip
    assert given(actions) == ["192.0.2.1", "192.0.2.2"]
    assert reasons(actions) == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]
    assert decide(service("web", "192.0.2.1"), node("a", "192.0.2.1")) == []


def test_addresses_of_both_families_in_the_order_of_the_service() -> None:
    both = service(ipFamilies=["IPv6", "IPv4"])
    assert given(decide(both, node("a", "192.0.2.1", "fd00::1"))) == ["fd00::1", "192.0.2.1"]


def test_an_external_address_is_better_than_an_internal_one() -> None:
    outside = node("a", "192.0.2.1")
    outside["status"]["addresses"].append({"type": "ExternalIP", "address": "198.51.100.1"})
    assert given(decide(service(), outside)) == ["198.51.100.1"]


def test_a_class_of_somebody_else_is_left_alone() -> None:
    assert decide(service(loadBalancerClass="example.com/vip"), node("a", "192.0.2.1")) == []
    assert given(decide(service(loadBalancerClass=CLASS), node("a", "192.0.2.1"))) == ["192.0.2.1"]


def test_the_status_is_cleared_when_the_type_changes() -> None:
    actions = decide(service("web", "192.0.2.1", type="ClusterIP"), node("a", "192.0.2.1"))
    assert given(actions) == []
    assert reasons(actions) == ["DeletingLoadBalancer", "DeletedLoadBalancer"]
    assert decide(service(type="NodePort"), node("a", "192.0.2.1")) == []


def test_a_node_that_comes_or_goes_changes_the_status() -> None:
    actions = decide(service("web", "192.0.2.1"), node("a", "192.0.2.1"), node("b", "192.0.2.2"))
    assert (given(actions), reasons(actions)) == (["192.0.2.1", "192.0.2.2"], ["UpdatedLoadBalancer"])
    gone = decide(service("web", "192.0.2.1"), node("a", "192.0.2.1", ready="Unknown"))
    assert (given(gone), reasons(gone)) == ([], ["UnAvailableLoadBalancer"])


def test_of_two_services_with_one_port_the_older_one_gets_it() -> None:
    old, young, here = service("old", age=5), service("young"), node("a", "192.0.2.1")
    assert given(decide(old, young, here)) == ["192.0.2.1"]
    actions = decide(young, old, here)
    assert given(actions) is None
    (event,) = actions
    assert (event.kind, event.reason) == ("Warning", "SyncLoadBalancerFailed")
    assert event.message == (
        "Error syncing load balancer: failed to ensure load balancer: "
        "port 80/TCP of the nodes is used by service shop/old"
    )
    assert given(decide(young, service("old", port=81, age=5), here)) == ["192.0.2.1"]


def test_who_has_an_address_keeps_it() -> None:
    here = node("a", "192.0.2.1")
    holder, older = service("holder", "192.0.2.1"), service("older", age=5)
    assert decide(holder, older, here) == []
    assert given(decide(older, holder, here)) is None


def test_with_local_traffic_only_nodes_with_endpoints_take_part() -> None:
    local = service(externalTrafficPolicy="Local")
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [
            {"addresses": ["10.42.0.5"], "nodeName": "b", "conditions": {"ready": True}},
            {"addresses": ["10.42.1.5"], "nodeName": "a", "conditions": {"ready": False}},
        ],
    }  # fmt: skip
    hosts = [node("a", "192.0.2.1"), node("b", "192.0.2.2")]
    assert given(decide(local, slice_, *hosts)) == ["192.0.2.2"]
    assert decide(local, *hosts) == []


def test_ports_of_the_node_itself_are_not_taken() -> None:
    reserved = ServiceBalancerConfig({("TCP", 80): "the ingress proxy"})
    (event,) = decide(service(), node("a", "192.0.2.1"), config=reserved)
    assert event.message.endswith("port 80/TCP of the nodes is used by the ingress proxy")


def test_a_wish_for_an_address_is_met_or_told() -> None:
    hosts = [node("a", "192.0.2.1"), node("b", "192.0.2.2")]
    assert given(decide(service(loadBalancerIP="192.0.2.2"), *hosts)) == ["192.0.2.2"]
    (event,) = decide(service(loadBalancerIP="192.0.2.9"), *hosts)
    assert event.message.endswith("loadBalancerIP 192.0.2.9 is not an address of a node")


def test_an_address_that_two_nodes_say_they_have_is_given_once() -> None:
    assert given(decide(service(), node("a", "192.0.2.1"), node("b", "192.0.2.1"))) == ["192.0.2.1"]


def test_addresses_that_are_none_are_passed_over() -> None:
    """Nodes write them, and nothing validates them, as upstream has it."""
    strange = node("a", "fe80::1%x", "a b")
    strange["status"]["addresses"] += [{}, {"type": "InternalIP"}, {"address": "192.0.2.9"}]
    assert given(decide(service(), strange, node("b", "192.0.2.1"))) == ["192.0.2.1"]


def test_a_port_that_a_program_of_the_machine_has_is_not_taken_from_it() -> None:
    config = ServiceBalancerConfig(
        listener=lambda protocol, port: "sshd (pid 7)" if (protocol, port) == ("TCP", 22) else ""
    )
    actions = decide(service(port=22), node("a", "192.0.2.1"), config=config)
    assert given(actions) is None
    assert reasons(actions) == ["SyncLoadBalancerFailed"]
    (told,) = (action.message for action in actions if isinstance(action, Emit))
    assert told.endswith("port 22/TCP of the nodes is used by sshd (pid 7)")
    assert any(isinstance(action, RequeueAfter) for action in actions)
    assert given(decide(service(port=23), node("a", "192.0.2.1"), config=config)) == ["192.0.2.1"]
    assert (
        decide(service("web", "192.0.2.1", port=22), node("a", "192.0.2.1"), config=config) == []
    )  # who has it keeps it
