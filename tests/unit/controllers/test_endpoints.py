from pinnace.controllers.endpoints import absent, reconcile
from pinnace.controllers.runtime import Create, Delete, Update, World
from unit.controllers.builders import NOW, Object, ago, pod, service


def made(svc: Object, *objects: Object) -> Object:
    (action,) = reconcile(svc, World.of([svc, *objects], NOW))
    assert isinstance(action, Create | Update)
    return action.obj


def test_ready_and_unready_pods_share_a_subset() -> None:
    endpoints = made(service(), pod("a", ip="10.42.0.2"), pod("b", ip="10.42.0.3", ready=False))
    (subset,) = endpoints["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.42.0.2"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.42.0.3"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert subset["addresses"][0]["targetRef"]["name"] == "a"
    assert endpoints["metadata"]["labels"] == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert "endpoints.kubernetes.io/last-change-trigger-time" in endpoints["metadata"]["annotations"]


def test_terminating_and_finished_pods_are_left_out() -> None:
    leaving = pod("a", ip="10.42.0.2", deletionTimestamp=ago(1))
    assert "subsets" not in made(service(), leaving, pod("b", ip="10.42.0.3", phase="Succeeded"))


def test_a_named_target_port_may_differ_between_pods() -> None:
    svc = service(ports=[{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}])
    a, b = pod("a", ip="10.42.0.2"), pod("b", ip="10.42.0.3")
    a["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 8000}]
    b["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 9000}]
    ports = [(s["ports"][0]["port"], s["addresses"][0]["ip"]) for s in made(svc, a, b)["subsets"]]
    assert ports == [(8000, "10.42.0.2"), (9000, "10.42.0.3")]


def test_nothing_changes_without_a_change() -> None:
    svc, a = service(), pod("a", ip="10.42.0.2")
    assert list(reconcile(svc, World.of([svc, a, made(svc, a)], NOW))) == []


def test_services_without_selector_are_left_alone() -> None:
    svc = service(selector=None)
    assert list(reconcile(svc, World.of([svc, pod("a", ip="10.42.0.2")], NOW))) == []


def test_endpoints_go_with_their_service() -> None:
    own = made(service(), pod("a", ip="10.42.0.2"))
    assert [type(a) for a in absent(("default", "web"), World.of([own], NOW))] == [Delete]
    own["metadata"]["labels"] = {}
    assert list(absent(("default", "web"), World.of([own], NOW))) == []
