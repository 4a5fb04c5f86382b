"""Objects that somebody made wrong: owners that are not there or cannot be, circles, finalizers that nobody removes."""

from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.resources import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
HOLD = "example.com/hold"


def ref(owner: Object, **changes: Any) -> Object:
    """The right reference, and what is changed in it to make it wrong."""
    right = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta.name(owner),
        "uid": meta.uid(owner),
    }
    return {**right, **changes}  # fmt: skip


def config_map(name: str, *references: Object, namespace: str = "default", **metadata: Any) -> Object:
    fields = {"name": name, "namespace": namespace, "ownerReferences": list(references), **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": fields}


def cluster_role(name: str, *references: Object) -> Object:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "ownerReferences": list(references)}, "rules": []}  # fmt: skip


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def held_pod(name: str, *finalizers: str) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "finalizers": list(finalizers)},
            "spec": {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}}  # fmt: skip


async def left(cluster: SimulatedCluster, space: str = "default") -> set[str]:
    return {meta.name(obj) for obj in await cluster.list(CONFIG_MAPS, space)} - {"kube-root-ca.crt"}


async def warnings(cluster: SimulatedCluster, reason: str) -> list[Object]:
    events = (await cluster.client.list(EVENTS))["items"]
    return [event for event in events if event["reason"] == reason]


async def leave(cluster: SimulatedCluster, *names: str, space: str = "default") -> None:
    """These ConfigMaps are what is left, and that stays so."""

    async def are() -> bool:
        return await left(cluster, space) == set(names)

    await cluster.until(are)
    await cluster.holds(are, seconds=120)


# --- garbage collector


async def test_what_names_an_owner_that_never_was_is_collected(simulated_cluster: SimulatedCluster) -> None:
    ghost = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "ghost",
        "uid": "11111111-1111-1111-1111-111111111111",
    }
    await simulated_cluster.create(config_map("child", ghost))
    await leave(simulated_cluster)


async def test_an_owner_in_another_namespace_is_no_owner(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(namespace("other"))
    owner = await cluster.create(config_map("owner", namespace="other"))
    child = await cluster.create(config_map("child", ref(owner)))
    await leave(cluster)
    assert "owner" in await left(cluster, "other")
    (event,) = await warnings(cluster, "OwnerRefInvalidNamespace")
    assert event["type"] == "Warning"
    assert event["involvedObject"]["uid"] == meta.uid(child)
    assert event["message"] == (
        f"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {meta.uid(owner)}]"
        ' does not exist in namespace "default"'
    )


async def test_a_namespaced_owner_of_something_without_a_namespace_moves_nothing(
    simulated_cluster: SimulatedCluster,
) -> None:
    """Upstream reports it and never deletes what refers to it, whether the owner is there or not."""
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    await cluster.create(cluster_role("child", ref(owner)))
    ghost = ref(owner, name="ghost", uid="11111111-1111-1111-1111-111111111111")
    await cluster.create(cluster_role("of-a-ghost", ghost))

    async def both_are_there() -> bool:
        await cluster.get(CLUSTER_ROLES, "of-a-ghost")
        return bool(await cluster.get(CLUSTER_ROLES, "child"))

    await cluster.holds(both_are_there, seconds=300)
    assert await warnings(cluster, "OwnerRefInvalidNamespace")
    await cluster.client.delete(CONFIG_MAPS, "owner", "default", propagation_policy="Foreground")
    await cluster.until(lambda: cluster.is_gone(CONFIG_MAPS, "owner"))


@pytest.mark.parametrize(
    "wrong", [{"name": "another"}, {"kind": "Secret"}, {"uid": "2" * 8 + "-2222-2222-2222-222222222222"}]
)
async def test_a_reference_must_be_right_in_kind_name_and_uid(
    simulated_cluster: SimulatedCluster, wrong: dict[str, str]
) -> None:  # fmt: skip
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    await cluster.create(config_map("child", ref(owner, **wrong)))
    await leave(cluster, "owner")


async def test_a_wrong_reference_does_no_harm_to_those_with_a_right_one(
    simulated_cluster: SimulatedCluster,
) -> None:
    """The wrong one names the owner's uid: what is found out about it must not be believed of the owner."""
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    await cluster.create(config_map("wrong", ref(owner, name="ghost")))
    for number in range(3):
        await cluster.create(config_map(f"right-{number}", ref(owner)))
    await leave(cluster, "owner", "right-0", "right-1", "right-2")


async def test_of_two_owners_the_one_that_is_gone_is_taken_off(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    one, two = [await cluster.create(config_map(name)) for name in ("one", "two")]
    await cluster.create(config_map("child", ref(one), ref(two)))
    await cluster.client.delete(CONFIG_MAPS, "one", "default")

    async def has_one_owner() -> bool:
        child = await cluster.get(CONFIG_MAPS, "child")
        return [owner["name"] for owner in child["metadata"]["ownerReferences"]] == ["two"]

    await cluster.until(has_one_owner)
    await leave(cluster, "child", "two")


async def test_a_kind_that_nobody_serves_keeps_what_it_owns(simulated_cluster: SimulatedCluster) -> None:
    """The definition of the owner's kind may only be gone for a while."""
    cluster = simulated_cluster
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "3" * 8 + "-3333-3333-3333-333333333333"}  # fmt: skip
    await cluster.create(config_map("child", owner))
    await cluster.holds(lambda: cluster.get(CONFIG_MAPS, "child"), seconds=3600)


async def test_in_the_foreground_a_circle_is_no_obstacle(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    first = await cluster.create(config_map("first"))
    second = await cluster.create(config_map("second", ref(first, blockOwnerDeletion=True)))
    third = await cluster.create(config_map("third", ref(second, blockOwnerDeletion=True)))
    owners = {"metadata": {"ownerReferences": [ref(third, blockOwnerDeletion=True)]}}
    await cluster.client.patch(CONFIG_MAPS, "first", owners, "default")
    await cluster.client.delete(CONFIG_MAPS, "first", "default", propagation_policy="Foreground")
    await leave(cluster)


async def test_an_object_that_owns_itself_can_be_deleted(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    for name, policy in (("a", "Foreground"), ("b", "Background"), ("c", "Orphan")):
        made = await cluster.create(config_map(name))
        owners = {"metadata": {"ownerReferences": [ref(made, blockOwnerDeletion=True)]}}
        await cluster.client.patch(CONFIG_MAPS, name, owners, "default")
        await cluster.client.delete(CONFIG_MAPS, name, "default", propagation_policy=policy)
    await leave(cluster)


async def test_a_finalizer_that_nobody_removes_holds_its_object_and_a_blocked_owner_only(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    await cluster.create(config_map("held", ref(owner, blockOwnerDeletion=True), finalizers=[HOLD]))
    await cluster.create(config_map("free", ref(owner, blockOwnerDeletion=True)))
    await cluster.client.delete(CONFIG_MAPS, "owner", "default", propagation_policy="Foreground")
    await leave(cluster, "owner", "held")
    assert meta.is_terminating(await cluster.get(CONFIG_MAPS, "held"))
    await cluster.client.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, "default")
    await leave(cluster)


async def test_a_held_dependent_that_does_not_block_lets_its_owner_go(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    await cluster.create(config_map("held", ref(owner, blockOwnerDeletion=False), finalizers=[HOLD]))
    await cluster.client.delete(CONFIG_MAPS, "owner", "default", propagation_policy="Foreground")
    await leave(cluster, "held")


async def test_a_dependent_that_was_to_be_orphaned_keeps_its_own_dependents(
    simulated_cluster: SimulatedCluster,
) -> None:
    """Its orphan finalizer was set before its owner was deleted: it is honoured."""
    cluster = simulated_cluster
    owner = await cluster.create(config_map("owner"))
    child = await cluster.create(config_map("child", ref(owner), finalizers=["orphan"]))
    await cluster.create(config_map("grandchild", ref(child)))
    await cluster.client.delete(CONFIG_MAPS, "owner", "default")
    await leave(cluster, "grandchild")


# --- namespaces


async def condition_of(cluster: SimulatedCluster, space: str, kind: str) -> tuple[str, str, str]:
    status = (await cluster.get(NAMESPACES, space)).get("status") or {}
    found = {condition["type"]: condition for condition in status.get("conditions") or ()}
    one = found.get(kind, {})
    return one.get("status", ""), one.get("reason", ""), one.get("message", "")


async def test_a_namespace_says_what_it_waits_for(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    await cluster.create(namespace("stuck"))
    await cluster.until(lambda: cluster.get(SERVICE_ACCOUNTS, "default", "stuck"))
    await cluster.create(held_pod("p", HOLD), "stuck")
    for name in ("a", "b"):
        await cluster.create(config_map(name, namespace="stuck", finalizers=[HOLD, "example.com/other"]))
    await cluster.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "finalizers": [HOLD]}}, "stuck"
    )
    await cluster.client.delete(NAMESPACES, "stuck")

    async def waits_for_pods() -> bool:
        content = await condition_of(cluster, "stuck", "NamespaceContentRemaining")
        finalizers = await condition_of(cluster, "stuck", "NamespaceFinalizersRemaining")
        assert content == (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: pods. has 1 resource instances",
        )
        assert finalizers == (
            "True", "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        )  # fmt: skip
        return True

    await cluster.until(waits_for_pods)
    await cluster.holds(waits_for_pods, seconds=60)
    assert not meta.is_terminating(await cluster.get(SECRETS, "s", "stuck"))  # pods go first
    await cluster.client.patch(PODS, "p", {"metadata": {"finalizers": None}}, "stuck")

    async def waits_for_the_rest() -> bool:
        content = await condition_of(cluster, "stuck", "NamespaceContentRemaining")
        finalizers = await condition_of(cluster, "stuck", "NamespaceFinalizersRemaining")
        assert content[2] == (
            "Some resources are remaining: configmaps. has 2 resource instances, secrets. has 1 resource instances"
        )
        assert finalizers[2] == (
            "Some content in the namespace has finalizers remaining: "
            "example.com/hold in 3 resource instances, example.com/other in 2 resource instances"
        )
        return True

    await cluster.until(waits_for_the_rest)
    for kind in ("NamespaceDeletionDiscoveryFailure", "NamespaceDeletionContentFailure"):
        assert (await condition_of(cluster, "stuck", kind))[0] == "False"
    for name in ("a", "b"):
        await cluster.client.patch(CONFIG_MAPS, name, {"metadata": {"finalizers": None}}, "stuck")
    await cluster.client.patch(SECRETS, "s", {"metadata": {"finalizers": None}}, "stuck")
    await cluster.until(lambda: cluster.is_gone(NAMESPACES, "stuck"))


# --- pod garbage collector


async def test_pods_of_a_node_that_was_deleted_by_hand_go_after_a_quarantine(
    simulated_cluster: SimulatedCluster,
) -> None:
    cluster = simulated_cluster
    await cluster.create({**held_pod("p"), "spec": {**held_pod("p")["spec"], "nodeName": "no-such-node"}})
    await cluster.holds(lambda: cluster.get(PODS, "p"), seconds=35)
    await cluster.until(lambda: cluster.is_gone(PODS, "p"), within=60)


async def test_a_set_whose_pod_cannot_go_replaces_it(simulated_cluster: SimulatedCluster) -> None:
    """A finalizer that nobody removes holds the pod, not the set."""
    cluster = simulated_cluster
    template = {"metadata": {"labels": {"app": "x"}, "finalizers": [HOLD]}, "spec": held_pod("p")["spec"]}
    await cluster.create({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "x"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template},
    })  # fmt: skip

    async def ready() -> bool:
        rs = await cluster.get(REPLICA_SETS, "x")
        return bool((rs.get("status") or {}).get("readyReplicas") == 1)

    await cluster.until(ready)
    (old,) = await cluster.list(PODS)
    await cluster.client.delete(PODS, meta.name(old), "default")

    async def replaced() -> bool:
        return len(await cluster.list(PODS)) == 2 and await ready()

    await cluster.until(replaced)
    await cluster.holds(replaced, seconds=60)
    assert len(await cluster.list(NODES)) == 2
