from pinnace.controllers.endpointslice import reconcile
from pinnace.controllers.runtime import Create, Delete, Update, World
from unit.controllers.builders import NOW, Object, ago, node, pod, service


def run(svc: Object, *objects: Object) -> list:
    return list(reconcile(svc, World.of([svc, node(), *objects], NOW)))


def stored(action: Create | Update, name: str) -> Object:
    metadata = {k: v for k, v in action.obj["metadata"].items() if k != "generateName"}
    return {**action.obj, "metadata": {**metadata, "name": name, "uid": name, "resourceVersion": "1"}}


def test_an_endpoint_says_where_it_is_and_how_it_does() -> None:
    zoned = node("node-1", labels={"topology.kubernetes.io/zone": "a"})
    svc = service()
    (action,) = reconcile(svc, World.of([svc, zoned, pod("a", ip="10.42.0.2")], NOW))
    assert isinstance(action, Create)
    assert action.obj["endpoints"] == [
        {
            "addresses": ["10.42.0.2"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-pod-a"},
            "nodeName": "node-1",
            "zone": "a",
        }
    ]
    assert action.obj["metadata"]["generateName"] == "web-"
    assert action.obj["metadata"]["labels"] == {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    assert action.obj["metadata"]["ownerReferences"][0]["kind"] == "Service"


def test_a_terminating_pod_serves_but_is_not_ready() -> None:
    (action,) = run(service(), pod("a", ip="10.42.0.2", deletionTimestamp=ago(1)))
    conditions = action.obj["endpoints"][0]["conditions"]
    assert conditions == {"ready": False, "serving": True, "terminating": True}


def test_publish_not_ready_addresses_shows_all_as_ready() -> None:
    (action,) = run(service(publishNotReadyAddresses=True), pod("a", ip="10.42.0.2", ready=False))
    assert action.obj["endpoints"][0]["conditions"] == {"ready": True, "serving": False, "terminating": False}


def test_headless_services_are_labelled_and_hostnames_shown() -> None:
    svc, member = service(clusterIP="None", ports=None), pod("a", ip="10.42.0.2")
    member["spec"] |= {"hostname": "first", "subdomain": "web"}
    (action,) = run(svc, member)
    assert action.obj["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert action.obj["endpoints"][0]["hostname"] == "first"
    assert action.obj["ports"] == []


def test_a_service_without_pods_has_one_empty_slice() -> None:
    (action,) = run(service())
    assert isinstance(action, Create)
    assert action.obj["endpoints"] == []
    assert run(service(), stored(action, "web-1")) == []


def test_a_slice_holds_at_most_a_hundred() -> None:
    members = [pod(f"p{n:03}", ip=f"10.42.1.{n}") for n in range(230)]
    assert [len(a.obj["endpoints"]) for a in run(service(), *members)] == [100, 100, 30]


def test_a_change_touches_one_slice_only() -> None:
    members = [pod(f"p{n:03}", ip=f"10.42.1.{n}") for n in range(150)]
    slices = [stored(a, f"web-{n}") for n, a in enumerate(run(service(), *members))]
    assert run(service(), *members, *slices) == []
    (action,) = run(service(), *members[1:], *slices)
    assert isinstance(action, Update)
    assert action.obj["metadata"]["name"] == "web-0"
    (action,) = run(service(), *members, pod("new", ip="10.42.2.1"), *slices)
    assert isinstance(action, Update)
    assert action.obj["metadata"]["name"] == "web-1"


def test_slices_that_became_empty_go() -> None:
    members = [pod(f"p{n:03}", ip=f"10.42.1.{n}") for n in range(150)]
    slices = [stored(a, f"web-{n}") for n, a in enumerate(run(service(), *members))]
    actions = run(service(), *members[:100], *slices)
    assert [(type(a), a.obj["metadata"]["name"]) for a in actions] == [(Delete, "web-1")]


def test_hints_follow_the_traffic_distribution() -> None:
    zoned = node("node-1", labels={"topology.kubernetes.io/zone": "a"})

    def hints(distribution: str, *, ready: bool = True) -> Object | None:
        svc = service(trafficDistribution=distribution)
        member = pod("a", ip="10.42.0.2", ready=ready)
        (action,) = reconcile(svc, World.of([svc, zoned, member], NOW))
        return action.obj["endpoints"][0].get("hints")

    assert hints("PreferClose") == hints("PreferSameZone") == {"forZones": [{"name": "a"}]}
    assert hints("PreferSameNode") == {"forNodes": [{"name": "node-1"}], "forZones": [{"name": "a"}]}
    assert hints("PreferSameNode", ready=False) is None
