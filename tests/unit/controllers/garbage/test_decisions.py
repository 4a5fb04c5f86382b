from pinnace.api.resources import CONFIG_MAPS, PODS, REPLICA_SETS
from pinnace.controllers.garbage.decisions import Keep, Remove, decide
from pinnace.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node
from unit.controllers.builders import Object, config_map, pod, replicaset


def ref(uid: str, **more: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, **more}


def item(finalizers: tuple[str, ...] = ()) -> Node:
    return Node("me", "me", "default", finalizers=frozenset(finalizers))


def test_an_object_with_a_living_owner_stays_and_drops_dead_ones() -> None:
    assert decide(item(), [(ref("a"), "solid"), (ref("b"), "dangling")]) == Keep(frozenset({"b"}))


def test_the_last_owner_takes_the_object_along() -> None:
    assert decide(item(), [(ref("a"), "dangling")]) == Remove("Background")
    assert decide(item((ORPHAN,)), [(ref("a"), "dangling")]) == Remove("Orphan")
    assert decide(item((FOREGROUND,)), [(ref("a"), "dangling")]) == Remove("Foreground")


def test_foreground_deletion_spreads_and_breaks_circles() -> None:
    middle, leaf = item(), Node("leaf", "leaf", "default")
    middle.dependents["leaf"] = leaf
    assert decide(middle, [(ref("a"), "waiting")]) == Remove("Foreground")
    leaf.is_terminating, leaf.finalizers = True, frozenset({FOREGROUND})
    assert decide(middle, [(ref("a"), "waiting")]) == Remove("Foreground", unblock=True)


def test_an_owner_that_nobody_has_seen_is_to_be_looked_up() -> None:
    graph, rs = Graph(), replicaset()
    (pointed,) = graph.put(pod("p", rs), PODS)
    assert pointed.is_virtual
    assert (pointed.kind, pointed.name, pointed.namespace) == ("ReplicaSet", "web", "default")
    assert list(graph.put(rs, REPLICA_SETS)) == []
    assert not graph.get(rs["metadata"]["uid"]).is_virtual  # type: ignore[union-attr]


def test_dependents_are_pointed_out_when_the_owner_goes() -> None:
    graph, rs = Graph(), replicaset()
    list(graph.put(rs, REPLICA_SETS))
    for name in "ab":
        list(graph.put(pod(name, rs), PODS))
    assert sorted(node.name for node in graph.remove(rs["metadata"]["uid"])) == ["a", "b"]
    assert graph.is_absent(rs["metadata"]["uid"])


def test_a_foreground_owner_waits_for_those_that_block_it() -> None:
    graph, rs = Graph(), replicaset()
    rs["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FOREGROUND]}
    list(graph.put(pod("p", rs), PODS))
    free = config_map("free", ownerReferences=[{**ref(rs["metadata"]["uid"]), "name": "web"}])
    list(graph.put(free, CONFIG_MAPS))
    assert {node.name for node in graph.put(rs, REPLICA_SETS)} == {"web", "p", "free"}
    owner = graph.get(rs["metadata"]["uid"])
    assert owner is not None
    assert [node.name for node in owner.blocking_dependents()] == ["p"]
    assert [node.name for node in graph.remove("uid-pod-p")] == ["web"]
    assert owner.blocking_dependents() == []
