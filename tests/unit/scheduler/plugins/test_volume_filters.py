"""What the volume plugins make of nodes: which are refused, in whose words, and what does not concern them."""

from typing import Any

import numpy as np
import pytest

from pinnace.scheduler.node_table import NodeTable
from pinnace.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from pinnace.scheduler.plugins.volume_binding import VolumeBinding
from pinnace.scheduler.plugins.volume_restrictions import VolumeRestrictions
from pinnace.scheduler.plugins.volume_zone import VolumeZone
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.storage import Storage
from unit.controllers.volumes.settling import claim, storage_class, volume
from unit.scheduler.objects import Object, node, pod

COMPLETED = "pv.kubernetes.io/bind-completed"


def table(*nodes: Object, pods: tuple[Object, ...] = ()) -> NodeTable:
    made = NodeTable()
    for one in nodes:
        made.set_node(one)
    for one in pods:
        made.add_pod(one["spec"]["nodeName"], parse_pod(one))
    return made


def stored(*objects: Object) -> Storage:
    storage = Storage()
    for obj in objects:
        storage.changed(obj["kind"], None, obj)
    return storage


def mounting(*names: str, name: str = "p", **more: Any) -> Object:
    return pod(
        name, volumes=[{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in names], **more
    )


def bound(name: str = "data", to: str = "disk", **spec: Any) -> Object:
    return claim(name, volumeName=to, annotations={COMPLETED: "yes"}, phase="Bound", **spec)


def fitting(plugin: Any, wish: Object, nodes: NodeTable) -> list[str]:
    parsed = parse_pod(wish)
    if not plugin.applies(parsed, nodes):
        return sorted(nodes.row_of)
    mask = plugin.filter(parsed, nodes)
    return [name for name, row in sorted(nodes.row_of.items()) if mask[row]]


def reasons(plugin: Any, wish: Object, nodes: NodeTable) -> list[tuple[str, tuple[str, ...], bool]]:
    """Node, reasons, and whether preemption may help, of every refused node."""
    parsed = parse_pod(wish)
    mask = plugin.filter(parsed, nodes)
    refused = [(name, row) for name, row in sorted(nodes.row_of.items()) if not mask[row]]
    found = plugin.refusals(parsed, nodes, np.array([row for _, row in refused]))
    return [
        (name, refusal.reasons, refusal.preemption_may_help)
        for (name, _), refusal in zip(refused, found, strict=True)
    ]


ZONES = [
    node("a", labels={"topology.kubernetes.io/zone": "z1"}),
    node("b", labels={"topology.kubernetes.io/zone": "z2"}),
    node("c"),
]


@pytest.mark.parametrize("kind", [VolumeBinding, VolumeZone, VolumeRestrictions, NodeVolumeLimits])
def test_pods_without_claims_are_nobodys_concern(kind: Any) -> None:
    wish = parse_pod(pod("p", volumes=[{"name": "e", "emptyDir": {}}, {"name": "t", "projected": {}}]))
    assert wish.volumes == ()
    assert not kind(Storage()).applies(wish, table(node()))


# --- VolumeBinding


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([claim()], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim(storage_class="gone")], "pod has unbound immediate PersistentVolumeClaims"),
        (
            [claim(phase="Lost", volumeName="disk")],
            'persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"',
        ),
        ([storage_class("late", "WaitForFirstConsumer"), claim(storage_class="late")], ""),
        ([bound(), volume()], ""),
    ],
)
def test_some_claims_refuse_the_pod_before_any_node_is_looked_at(objects: list[Object], why: str) -> None:
    assert VolumeBinding(stored(*objects)).rejects(parse_pod(mounting("data"))) == why


def test_a_claim_that_goes_away_and_one_to_come_are_waited_for() -> None:
    going = claim()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert (
        VolumeBinding(stored(going)).rejects(parse_pod(mounting("data")))
        == 'persistentvolumeclaim "data" is being deleted'
    )
    scratch = pod("p", volumes=[{"name": "s", "ephemeral": {"volumeClaimTemplate": {}}}])
    text = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-s"'
    assert VolumeBinding(Storage()).rejects(parse_pod(scratch)) == text


def affinity(**expression: Any) -> Object:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def test_a_bound_volume_is_reached_from_its_nodes_only() -> None:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["z2", "z9"]}
    plugin = VolumeBinding(stored(bound(), volume(nodeAffinity=affinity(**zone))))
    assert fitting(plugin, mounting("data"), table(*ZONES)) == ["b"]
    assert reasons(plugin, mounting("data"), table(*ZONES)) == [
        (name, ("node(s) didn't match PersistentVolume's node affinity",), False) for name in ("a", "c")
    ]
    zone = {"key": "topology.kubernetes.io/zone", "operator": "DoesNotExist"}
    plugin = VolumeBinding(stored(bound(), volume(nodeAffinity=affinity(**zone))))
    assert fitting(plugin, mounting("data"), table(*ZONES)) == ["c"]


def test_a_volume_that_is_gone_refuses_every_node() -> None:
    text = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
    assert reasons(VolumeBinding(stored(bound())), mounting("data"), table(node("a"))) == [
        ("a", (text,), False)
    ]


LATE = storage_class("late", "WaitForFirstConsumer", "kubernetes.io/no-provisioner")


def on(name: str, host: str, size: str = "1Gi", **more: Any) -> Object:
    host_name = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return volume(name, size, storageClassName="late", nodeAffinity=affinity(**host_name), **more)


def test_two_claims_need_two_volumes_on_one_node() -> None:
    wishes = [claim("x", storage_class="late"), claim("y", storage_class="late")]
    disks = [on("a1", "a"), on("b1", "b"), on("b2", "b", "3Gi"), on("c1", "c"), on("c2", "c", "1Mi")]
    plugin = VolumeBinding(stored(LATE, *wishes, *disks))
    nodes = table(node("a"), node("b"), node("c"))
    assert fitting(plugin, mounting("x", "y"), nodes) == ["b"]
    text = "node(s) didn't find available persistent volumes to bind"
    assert reasons(plugin, mounting("x", "y"), nodes)[0] == ("a", (text,), False)
    plan = plugin.plan(parse_pod(mounting("x", "y")), "b", {"kubernetes.io/hostname": "b"})
    assert {(v["metadata"]["name"], c["metadata"]["name"]) for v, c in plan.bindings} == {
        ("b1", "x"),
        ("b2", "y"),
    }
    assert plan.provisions == []


def test_what_is_assumed_for_one_pod_is_not_there_for_the_next() -> None:
    storage = stored(LATE, claim("x", storage_class="late"), claim("y", storage_class="late"), on("a1", "a"))
    plugin, nodes = VolumeBinding(storage), table(node("a"))
    assert fitting(plugin, mounting("x"), nodes) == ["a"]
    taken = on("a1", "a", claimRef={"namespace": "default", "name": "y", "uid": "uid-y"})
    storage.assume("PersistentVolume", taken)
    assert fitting(plugin, mounting("x"), nodes) == []
    storage.forget("PersistentVolume", taken)
    assert fitting(plugin, mounting("x"), nodes) == ["a"]
    storage.assume("PersistentVolume", taken)
    storage.changed("PersistentVolume", on("a1", "a"), on("a1", "a", labels={"new": "yes"}))
    assert fitting(plugin, mounting("x"), nodes) == ["a"], "the API's word counts again"


def test_a_claim_that_has_a_node_goes_nowhere_else() -> None:
    made = storage_class("made", "WaitForFirstConsumer")
    wish = claim(storage_class="made", annotations={"volume.kubernetes.io/selected-node": "b"})
    plugin = VolumeBinding(stored(made, wish))
    assert fitting(plugin, mounting("data"), table(node("a"), node("b"))) == ["b"]
    assert plugin.plan(parse_pod(mounting("data")), "b", {}).provisions == [wish]


def test_room_for_a_volume_counts_where_the_driver_says_so() -> None:
    made = storage_class("made", "WaitForFirstConsumer", "disks.example")
    driver = {"kind": "CSIDriver", "metadata": {"name": "disks.example"}, "spec": {"storageCapacity": True}}

    def room(zone: str, **amounts: str) -> Object:
        topology = {"matchLabels": {"topology.kubernetes.io/zone": zone}}
        metadata = {"name": f"room-{zone}", "namespace": "kube-system"}
        return {
            "kind": "CSIStorageCapacity",
            "metadata": metadata,
            "storageClassName": "made",
            "nodeTopology": topology,
            **amounts,
        }

    rooms = [room("z1", capacity="5Gi"), room("z2", capacity="5Gi", maximumVolumeSize="1Gi")]
    plugin = VolumeBinding(stored(made, driver, claim(size="2Gi", storage_class="made"), *rooms))
    assert fitting(plugin, mounting("data"), table(*ZONES)) == ["a"]
    text = "node(s) did not have enough free storage"
    assert reasons(plugin, mounting("data"), table(*ZONES)) == [("b", (text,), False), ("c", (text,), False)]
    careless = {**driver, "spec": {"storageCapacity": False}}
    plugin = VolumeBinding(stored(made, careless, claim(size="2Gi", storage_class="made")))
    assert fitting(plugin, mounting("data"), table(*ZONES)) == ["a", "b", "c"]


# --- VolumeZone


@pytest.mark.parametrize(
    ("label", "value", "expected"),
    [
        ("topology.kubernetes.io/zone", "z1", ["a", "c"]),
        ("topology.kubernetes.io/zone", "z1__z2", ["a", "b", "c"]),
        ("failure-domain.beta.kubernetes.io/zone", "z2", ["b", "c"]),
        ("topology.kubernetes.io/region", "r1", ["c"]),
        ("disktype", "z1", ["a", "b", "c"]),
    ],
)
def test_the_zone_of_a_volume_is_that_of_its_pod(label: str, value: str, expected: list[str]) -> None:
    """A node without any zone takes everything."""
    plugin = VolumeZone(stored(bound(), volume(labels={label: value})))
    assert fitting(plugin, mounting("data"), table(*ZONES)) == expected


def test_a_zone_that_does_not_fit_has_upstreams_words() -> None:
    plugin = VolumeZone(stored(bound(), volume(labels={"topology.kubernetes.io/zone": "z1"})))
    assert reasons(plugin, mounting("data"), table(*ZONES)) == [
        ("b", ("node(s) had no available volume zone",), False)
    ]


# --- VolumeRestrictions


def test_a_claim_for_one_pod_is_used_by_one_pod() -> None:
    plugin = VolumeRestrictions(stored(claim(accessModes=["ReadWriteOncePod"])))
    nodes = table(node("a"), node("b"), pods=(mounting("data", name="user", node="a"),))
    text = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
    assert reasons(plugin, mounting("data"), nodes) == [("a", (text,), True), ("b", (text,), True)]
    other = mounting("data", name="user", node="a", namespace="other")
    assert fitting(plugin, mounting("data"), table(node("a"), pods=(other,))) == ["a"]


GCE, EBS = {"gcePersistentDisk": {"pdName": "d"}}, {"awsElasticBlockStore": {"volumeID": "v"}}
RBD = {"rbd": {"monitors": ["m1", "m2"], "image": "i"}}
ISCSI = {"iscsi": {"iqn": "q"}}


def read_only(source: Object) -> Object:
    ((kind, fields),) = source.items()
    return {kind: {**fields, "readOnly": True}}


@pytest.mark.parametrize(
    ("mine", "other", "fits"),
    [
        (GCE, GCE, False),
        (read_only(GCE), read_only(GCE), True),
        (GCE, read_only(GCE), False),
        (GCE, {"gcePersistentDisk": {"pdName": "e"}}, True),
        (read_only(EBS), read_only(EBS), False),
        (ISCSI, ISCSI, False),
        (read_only(ISCSI), read_only(ISCSI), True),
        (RBD, {"rbd": {"monitors": ["m2"], "image": "i", "pool": "rbd"}}, False),
        (RBD, {"rbd": {"monitors": ["m2"], "image": "i", "pool": "p"}}, True),
        (RBD, {"rbd": {"monitors": ["m3"], "image": "i"}}, True),
    ],
)
def test_disks_of_old_kinds_are_not_shared_on_a_node(mine: Object, other: Object, fits: bool) -> None:
    plugin = VolumeRestrictions(Storage())
    user = pod("user", node="a", volumes=[{"name": "v", **other}])
    nodes, wish = table(node("a"), node("b"), pods=(user,)), pod("p", volumes=[{"name": "v", **mine}])
    assert fitting(plugin, wish, nodes) == (["a", "b"] if fits else ["b"])
    if not fits:
        assert reasons(plugin, wish, nodes) == [("a", ("node(s) had no available disk",), True)]


# --- NodeVolumeLimits


def limit(name: str, count: int | None) -> Object:
    driver: Object = {"name": "disks.example", "nodeID": name}
    if count is not None:
        driver["allocatable"] = {"count": count}
    return {"kind": "CSINode", "metadata": {"name": name}, "spec": {"drivers": [driver]}}


def csi(name: str, claim_name: str) -> tuple[Object, Object]:
    source = {"csi": {"driver": "disks.example", "volumeHandle": f"h-{name}"}}
    return volume(name, **source), bound(claim_name, name)


def test_a_driver_attaches_no_more_than_its_node_allows() -> None:
    objects = [*csi("d1", "one"), *csi("d2", "two"), *csi("d3", "three")]
    plugin = NodeVolumeLimits(stored(*objects, limit("a", 1), limit("b", 2), limit("c", None)))
    users = tuple(mounting("one", name=f"user-{name}", node=name) for name in ("a", "b", "c"))
    nodes = table(node("a"), node("b"), node("c"), node("d"), pods=users)
    assert fitting(plugin, mounting("two"), nodes) == ["b", "c", "d"]
    assert fitting(plugin, mounting("two", "three"), nodes) == ["c", "d"]
    assert fitting(plugin, mounting("one", name="again"), nodes) == ["a", "b", "c", "d"], (
        "it is there already"
    )
    assert reasons(plugin, mounting("two"), nodes) == [("a", ("node(s) exceed max volume count",), True)]


def test_claims_that_are_still_to_be_provisioned_and_volumes_still_attached_count() -> None:
    made = storage_class("made", "WaitForFirstConsumer", "disks.example")
    left = {"kind": "VolumeAttachment", "metadata": {"name": "x"},
            "spec": {"nodeName": "b", "attacher": "disks.example", "source": {"persistentVolumeName": "d1"}}}  # fmt: skip
    disk, _ = csi("d1", "one")
    plugin = NodeVolumeLimits(
        stored(made, claim(storage_class="made"), disk, left, limit("a", 0), limit("b", 1), limit("c", 1))
    )
    assert fitting(plugin, mounting("data"), table(node("a"), node("b"), node("c"))) == ["c"]
