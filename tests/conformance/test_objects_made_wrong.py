"""What controllers do with objects that somebody made wrong by hand: it ends as upstream ends it. Not part of upstream's suite."""

import pytest

from conformance.workloads import Object, Workload, lone_pod, workload
from pinnace.api import meta
from pinnace.api.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    EVENTS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from pinnace.apimachinery.errors import Invalid
from pinnace.testing.simulated_cluster import SimulatedCluster

KINDS = ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet")
every_kind = pytest.mark.parametrize("kind", KINDS)
SIZE = 2  # as many as there are nodes, so that daemons are as many as replicas


async def start(cluster: SimulatedCluster, kind: str, name: str = "web", **spec: object) -> Workload:
    replicas = None if kind == "DaemonSet" else SIZE
    return await Workload(cluster, workload(kind, name, replicas, **spec)).start()


async def owner_of(cluster: SimulatedCluster, pod: str) -> Object:
    return meta.controller_of(await cluster.get(PODS, pod)) or {}


async def reasons(cluster: SimulatedCluster, kind: str, name: str = "web") -> set[str]:
    return {
        event["reason"]
        for event in await cluster.list(EVENTS)
        if (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (kind, name)
    }


@every_kind
async def test_a_selector_that_matches_nothing_of_the_template_is_refused(
    cluster: SimulatedCluster, kind: str
) -> None:
    selector = {"matchLabels": {"app": "somebody-else"}}
    with pytest.raises(Invalid, match="`selector` does not match template `labels`"):
        await start(cluster, kind, selector=selector)
    with pytest.raises(Invalid, match="empty selector is invalid for"):
        await start(cluster, kind, selector={})


@every_kind
async def test_a_label_taken_from_a_running_pod_releases_it_and_another_comes(
    cluster: SimulatedCluster, kind: str
) -> None:
    made = await start(cluster, kind)
    robbed = (await made.until_ready(SIZE))[0]
    await cluster.client.patch(PODS, meta.name(robbed), {"metadata": {"labels": {"app": None}}}, "default")

    async def released() -> bool:
        return not await owner_of(cluster, meta.name(robbed))

    await cluster.until(released)
    if (
        kind == "StatefulSet"
    ):  # its name is taken: the set cannot fill the place, and waits until the pod is gone
        await cluster.holds(lambda: lacks_one(made), seconds=60)
        await cluster.client.delete(PODS, meta.name(robbed), "default")
    after = await made.until_ready(SIZE)
    assert meta.uid(robbed) not in {meta.uid(pod) for pod in after}
    if kind != "StatefulSet":
        assert not meta.is_terminating(await cluster.get(PODS, meta.name(robbed)))


async def lacks_one(made: Workload) -> bool:
    return len(await made.pods()) == SIZE - 1


@every_kind
async def test_a_label_put_back_gives_the_pod_its_owner_again(cluster: SimulatedCluster, kind: str) -> None:
    """It is adopted again; what is then too much goes."""
    made = await start(cluster, kind)
    robbed = (await made.until_ready(SIZE))[0]
    await cluster.advance(2)  # of two daemons on a node the older stays: its replacement must be younger
    for value in (None, "web"):
        await cluster.client.patch(
            PODS, meta.name(robbed), {"metadata": {"labels": {"app": value}}}, "default"
        )
        await cluster.advance(1)
    found = await made.until_ready(SIZE)
    assert all(meta.controller_of(pod) for pod in found)
    if kind in ("StatefulSet", "DaemonSet"):
        assert meta.uid(robbed) in {meta.uid(pod) for pod in found}


@every_kind
async def test_pods_of_an_owner_that_never_was_are_collected(cluster: SimulatedCluster, kind: str) -> None:
    """Neither adopted (they have a controller) nor left: the garbage collector knows that nobody owns them."""
    made = await start(cluster, kind)
    await made.until_ready(SIZE)
    ghost = {"apiVersion": "apps/v1", "kind": kind, "name": "ghost", "uid": "0000-none", "controller": True}
    orphan = lone_pod("web-7", app="web")
    orphan["metadata"]["ownerReferences"] = [ghost]
    await cluster.create(orphan)
    await cluster.until(lambda: cluster.is_gone(PODS, "web-7"))
    await made.until_ready(SIZE)


@every_kind
async def test_a_reference_by_name_to_an_earlier_owner_does_not_count(
    cluster: SimulatedCluster, kind: str
) -> None:
    """The name is right, the uid is not: the pod belongs to an object that is gone."""
    made = await start(cluster, kind)
    await made.until_ready(SIZE)
    stale = lone_pod("web-9", app="web")
    stale["metadata"]["ownerReferences"] = [
        {**meta.owner_reference(await made.read()), "uid": "0000-earlier"}
    ]
    await cluster.create(stale)
    await cluster.until(lambda: cluster.is_gone(PODS, "web-9"))
    assert len(await made.until_ready(SIZE)) == SIZE


@every_kind
async def test_two_controllers_are_refused(cluster: SimulatedCluster, kind: str) -> None:
    made = await start(cluster, kind)
    pod = (await made.until_ready(SIZE))[0]
    second = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "other",
        "uid": "0000-other",
        "controller": True,
    }
    references = [*pod["metadata"]["ownerReferences"], second]
    with pytest.raises(Invalid, match="Only one reference can have Controller set to true"):
        await cluster.client.patch(
            PODS, meta.name(pod), {"metadata": {"ownerReferences": references}}, "default"
        )


@every_kind
async def test_a_second_owner_that_does_not_control_keeps_the_pod(
    cluster: SimulatedCluster, kind: str
) -> None:
    """The workload goes; its pods that somebody else owns too stay, and lose only the reference."""
    keeper = await cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keeper"}})
    made = await start(cluster, kind)
    kept = meta.name((await made.until_ready(SIZE))[0])
    other = meta.owner_reference(keeper, controller=False, block_owner_deletion=False)
    references = [*(await cluster.get(PODS, kept))["metadata"]["ownerReferences"], other]
    await cluster.client.patch(PODS, kept, {"metadata": {"ownerReferences": references}}, "default")
    await cluster.settle()
    await cluster.client.delete(made.gvr, "web", "default")

    async def only_kept() -> bool:
        pods = await cluster.list(PODS)
        return [(meta.name(p), [o["name"] for o in p["metadata"]["ownerReferences"]]) for p in pods] == [
            (kept, ["keeper"])
        ]

    await cluster.until(only_kept)
    await cluster.holds(only_kept, seconds=60)


async def test_two_sets_with_one_selector_keep_to_their_own_pods(cluster: SimulatedCluster) -> None:
    made = [
        await Workload(cluster, {**workload("ReplicaSet", "web", 2), "metadata": {"name": name}}).start()
        for name in ("first", "second")
    ]

    async def counted() -> bool:
        return all([(await one.status()).get("readyReplicas") == 2 for one in made])

    await cluster.until(counted)
    owners = sorted((meta.controller_of(p) or {})["name"] for p in await cluster.list(PODS))
    assert owners == ["first", "first", "second", "second"]
    await cluster.holds(counted, seconds=60)


async def test_deployments_that_overlap_do_not_fight(cluster: SimulatedCluster) -> None:
    for name in ("first", "second"):
        body = workload("Deployment", "web", 2, image=name)
        body["metadata"]["name"] = name
        await cluster.create(body)

    async def calm() -> bool:
        return await cluster.is_rolled_out("first") and await cluster.is_rolled_out("second")

    await cluster.until(calm)
    await cluster.holds(calm, seconds=120)
    assert len(await cluster.list(REPLICA_SETS)) == 2


@every_kind
async def test_an_orphaned_deletion_and_a_new_object_adopt(cluster: SimulatedCluster, kind: str) -> None:
    made = await start(cluster, kind)
    before = {meta.uid(pod) for pod in await made.until_ready(SIZE)}
    await cluster.client.delete(made.gvr, "web", "default", propagation_policy="Orphan")
    await cluster.until(lambda: cluster.is_gone(made.gvr, "web"))
    again = await start(cluster, kind)
    after = await again.until_ready(SIZE)
    assert {meta.uid(pod) for pod in after} == before
    if kind in ("StatefulSet", "DaemonSet"):
        assert len(await cluster.list(CONTROLLER_REVISIONS)) == 1


@every_kind
async def test_a_pod_made_by_hand_that_fits_is_adopted_and_what_is_too_much_goes(
    cluster: SimulatedCluster, kind: str
) -> None:
    """A Deployment's sets have a label more, so they do not; neither does a set whose pods have other names."""
    made = await start(cluster, kind)
    await made.until_ready(SIZE)
    await cluster.create(lone_pod("by-hand", app="web"))
    if kind in ("ReplicaSet", "DaemonSet"):
        await made.until_ready(SIZE)
    else:
        await cluster.advance(30)
        assert await owner_of(cluster, "by-hand") == {}


async def test_a_name_in_the_way_of_a_stateful_pod_is_told_and_waited_for(cluster: SimulatedCluster) -> None:
    await cluster.create(lone_pod("web-0", app="stranger"))
    made = await start(cluster, "StatefulSet")
    await cluster.advance(60)
    assert await made.pods() == []
    assert (await made.status())["replicas"] == 0
    await cluster.client.delete(PODS, "web-0", "default")
    await cluster.until(lambda: made.has_ready(SIZE), within=1200)


async def test_a_replica_set_with_a_deployments_hash_that_is_not_its_own_counts_as_a_collision(
    cluster: SimulatedCluster,
) -> None:
    probe = await start(cluster, "Deployment", "probe")
    await probe.until_ready(SIZE)
    (rs,) = await cluster.list(REPLICA_SETS)
    digest = meta.labels(rs)["pod-template-hash"]
    await cluster.client.delete(DEPLOYMENTS, "probe", "default")
    await probe.until_gone()
    await cluster.until(lambda: cluster.is_gone(REPLICA_SETS, meta.name(rs)))
    squatter = workload("ReplicaSet", "squatter", 0)
    squatter["metadata"]["name"] = f"probe-{digest}"
    await cluster.create(squatter)
    again = await start(cluster, "Deployment", "probe")
    await again.until_ready(SIZE)
    assert (await again.status())["collisionCount"] == 1


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_a_revision_that_is_not_its_own_counts_as_a_collision(
    cluster: SimulatedCluster, kind: str
) -> None:
    probe = await start(cluster, kind)
    await probe.until_ready(SIZE)
    (revision,) = await cluster.list(CONTROLLER_REVISIONS)
    await cluster.client.delete(probe.gvr, "web", "default")
    await probe.until_gone()
    await cluster.until(lambda: cluster.is_gone(CONTROLLER_REVISIONS, meta.name(revision)))
    squatter = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"other": True},
                "metadata": {"name": meta.name(revision)}}  # fmt: skip
    await cluster.create(squatter)
    again = await start(cluster, kind)
    await again.until_ready(SIZE)
    assert (await again.status())["collisionCount"] == 1


async def test_a_stateful_set_whose_pods_cannot_be_made_says_so(cluster: SimulatedCluster) -> None:
    template = workload("StatefulSet", "web", 1)["spec"]["template"]
    template["spec"]["serviceAccountName"] = "nobody"
    made = await start(cluster, "StatefulSet", template=template)
    await cluster.until(lambda: has_reason(cluster, "FailedCreate"))
    (event,) = [e for e in await cluster.list(EVENTS) if e["reason"] == "FailedCreate"]
    assert event["message"] == (
        'create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: '
        'error looking up service account default/nobody: serviceaccount "nobody" not found'
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    await cluster.create(account)
    await cluster.until(lambda: made.has_ready(SIZE), within=1200)
    assert await cluster.get(STATEFUL_SETS, "web")


async def has_reason(cluster: SimulatedCluster, reason: str) -> bool:
    return reason in await reasons(cluster, "StatefulSet")
