"""persistentvolume-attach-detach: VolumeAttachments for CSI volumes of pods that have a node, and their end.

The CSI driver's attacher does the work that an attachment asks for; what is attached stands in the node's status, where its
kubelet looks. Attachments that this controller did not make (their names tell) are left alone.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.core import nodes, pods
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CSI_DRIVERS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
)
from pinnace.client.informer import Key
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Create,
    Delete,
    Emit,
    Patch,
    RequeueAfter,
    World,
    indexes,
)

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
UNMOUNT_SECONDS = 360.0  # after which a broken node no longer holds its volumes


@dataclass(slots=True)
class Wanted:
    volume: Object
    pods: list[Object] = field(default_factory=list)


def attachment_name(volume: Object, node: str) -> str:
    csi = volume["spec"]["csi"]
    digest = hashlib.sha256(f"{csi['volumeHandle']}{csi['driver']}{node}".encode()).hexdigest()
    return f"csi-{digest}"


def unique_name(volume: Object) -> str:
    """As the node's status names it."""
    csi = volume["spec"]["csi"]
    return f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"


def reconcile(node: Object, world: World) -> Iterator[Action]:
    name = meta.name(node)
    if meta.annotations(node).get(MANAGED) != "true":
        return
    wanted = _wanted(name, world)
    there = {meta.name(one): (one, volume) for one, volume in _ours(name, world)}
    if not wanted and not there and not (node.get("status") or {}).get("volumesAttached"):
        return
    leaving, holding = [], False
    for key, (attachment, volume) in there.items():
        if key in wanted:
            world.forget(_mounted(node, volume))  # a later end gets its time anew
            continue
        if meta.is_terminating(attachment):
            continue
        wait = _still_mounted(node, volume, world)
        holding |= wait is not None
        if wait is None:
            leaving.append(attachment)
        elif wait:
            yield RequeueAfter(wait)
    gone = {meta.name(one) for one in leaving}
    attached = [
        (one, volume)
        for key, (one, volume) in there.items()
        if key not in gone and (one.get("status") or {}).get("attached") and not meta.is_terminating(one)
    ]
    yield from _report(node, attached, wanted)
    for attachment in leaving:
        yield Delete(attachment)
    for key, wish in wanted.items():
        if key not in there:
            yield from _attach(key, wish, name, world)
        elif error := (there[key][0].get("status") or {}).get("attachError"):
            yield from _tell(wish, "AttachVolume.Attach failed", f": {error.get('message', '')}")


def _wanted(node: str, world: World) -> dict[str, Wanted]:
    """Attachments that the node's pods need, by name."""
    found: dict[str, Wanted] = {}
    for pod in world.by_index(PODS, indexes.CLAIMING_ON, node):
        if pods.is_terminal(pod):
            continue
        for _, claim_name in binding.claim_names(pod):
            claim = world.get(PERSISTENT_VOLUME_CLAIMS, claim_name, meta.namespace(pod))
            volume = _volume_of(claim, world)
            if volume is not None and _is_attachable(volume, world):
                found.setdefault(attachment_name(volume, node), Wanted(volume)).pods.append(pod)
    return found


def _volume_of(claim: Object | None, world: World) -> Object | None:
    """The volume, once claim and volume agree that they are bound."""
    if claim is None or not binding.is_fully_bound(claim):
        return None
    volume = world.get(PERSISTENT_VOLUMES, claim["spec"]["volumeName"])
    reference = (volume["spec"].get("claimRef") or {}) if volume is not None else {}
    return volume if reference.get("uid") == meta.uid(claim) else None


def _is_attachable(volume: Object, world: World) -> bool:
    csi = volume["spec"].get("csi")
    if csi is None:
        return False
    driver = world.get(CSI_DRIVERS, csi["driver"])
    return driver is None or driver["spec"].get("attachRequired") is not False


def _ours(node: str, world: World) -> Iterator[tuple[Object, Object]]:
    """Attachments of this controller, with their volumes."""
    for attachment in world.by_index(VOLUME_ATTACHMENTS, indexes.ATTACHED_TO, node):
        name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
        volume = world.get(PERSISTENT_VOLUMES, name) if name else None
        if volume is None or volume["spec"].get("csi") is None:
            continue
        if meta.name(attachment) == attachment_name(volume, node):
            yield attachment, volume


def _mounted(node: Object, volume: Object) -> tuple[str, str, str]:
    """The fact that the volume is not wanted there any more and yet in use."""
    return "mounted", meta.name(node), meta.name(volume)


def _still_mounted(node: Object, volume: Object, world: World) -> float | None:
    """None: may be detached. Else seconds after which to look again; 0 where only the kubelet's word helps."""
    fact, name = _mounted(node, volume), unique_name(volume)
    if name not in ((node.get("status") or {}).get("volumesInUse") or ()):
        world.forget(fact)
        return None
    if any(taint.get("key") == OUT_OF_SERVICE for taint in node["spec"].get("taints") or ()):
        return None
    left = UNMOUNT_SECONDS - world.age(fact).total_seconds()
    if left <= 0:
        return None if not nodes.is_ready(node) else 0.0
    return left


def _report(
    node: Object, attached: list[tuple[Object, Object]], wanted: dict[str, Wanted]
) -> Iterator[Action]:
    """`status.volumesAttached`; a volume that is new there is told to its pods."""
    before = (node.get("status") or {}).get("volumesAttached") or []
    names = {one["name"] for one in before}
    now = sorted(
        ({"name": unique_name(v), "devicePath": ""} for _, v in attached), key=lambda one: one["name"]
    )
    if now != before:
        yield Patch(node, {"status": {"volumesAttached": now or None}}, subresource="status")
    for attachment, volume in attached:
        wish = wanted.get(meta.name(attachment))
        if wish is not None and unique_name(volume) not in names:
            yield from _tell(wish, "AttachVolume.Attach succeeded", "", kind="Normal")


def _tell(wish: Wanted, what: str, more: str, *, kind: str = "Warning") -> Iterator[Action]:
    reason = "SuccessfulAttachVolume" if kind == "Normal" else "FailedAttachVolume"
    for pod in wish.pods:
        yield Emit(pod, kind, reason, f'{what} for volume "{meta.name(wish.volume)}" {more}')


def _attach(name: str, wish: Wanted, node: str, world: World) -> Iterator[Action]:
    if elsewhere := _exclusive_users(wish.volume, node, world):
        yield from _tell(wish, "Multi-Attach error", _multi_attach(wish.volume, elsewhere, world))
        return
    csi = wish.volume["spec"]["csi"]
    spec = {
        "attacher": csi["driver"],
        "nodeName": node,
        "source": {"persistentVolumeName": meta.name(wish.volume)},
    }
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": name},
        "spec": spec,
    }
    yield Create(body, may_exist=True)


def _exclusive_users(volume: Object, node: str, world: World) -> list[Object]:
    """Attachments to other nodes that stand in the way."""
    if set(volume["spec"].get("accessModes") or ()) & {"ReadWriteMany", "ReadOnlyMany"}:
        return []
    found = world.by_index(VOLUME_ATTACHMENTS, indexes.ATTACHMENT_OF, meta.name(volume))
    return [one for one in found if one["spec"]["nodeName"] != node]


def _multi_attach(volume: Object, elsewhere: list[Object], world: World) -> str:
    there = {one["spec"]["nodeName"] for one in elsewhere}
    users = world.by_index(PODS, indexes.CLAIM, binding.claim_ref_key(volume))
    names = [meta.name(pod) for pod in users if pods.node_name(pod) in there and not pods.is_terminal(pod)]
    if names:
        return f"Volume is already used by pod(s) {', '.join(names)}"
    return "Volume is already exclusively attached to one node and can't be attached to another"


# --- who is woken


def _nodes_of_pod(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    pod = new if new is not None else old
    if pod is None or not any(True for _ in binding.claim_names(pod)):
        return
    if old is not None and new is not None and _place(old) == _place(new):
        return
    for one in (old, new):
        if one is not None and pods.node_name(one):
            yield "", pods.node_name(one)


def _place(pod: Object) -> tuple[str, bool]:
    return pods.node_name(pod), pods.is_terminal(pod)


def _nodes_of_attachment(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Its own node, and those where pods wait for the volume."""
    attachment = new if new is not None else old
    assert attachment is not None
    yield "", attachment["spec"]["nodeName"]
    volume = world.get(
        PERSISTENT_VOLUMES, (attachment["spec"].get("source") or {}).get("persistentVolumeName") or ""
    )
    key = binding.claim_ref_key(volume) if volume is not None else None
    if key is not None and new is None:
        yield from _nodes_of_users(key, world)


def _nodes_of_claim(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    if new is not None and binding.is_fully_bound(new) and (old is None or not binding.is_fully_bound(old)):
        yield from _nodes_of_users(meta.key(new), world)


def _nodes_of_users(claim: Key, world: World) -> Iterator[Key]:
    for pod in world.by_index(PODS, indexes.CLAIM, claim):
        if pods.node_name(pod):
            yield "", pods.node_name(pod)


def _volumes_changed(old: Object | None, new: Object) -> bool:
    def facts(node: Object) -> list[object]:
        status = node.get("status") or {}
        return [status.get("volumesInUse"), status.get("volumesAttached"), node["spec"].get("taints")]

    return old is None or facts(old) != facts(new)


def absent(key: Key, world: World) -> Iterator[Action]:
    """The node is gone, and its mounts with it."""
    for attachment, _ in _ours(key[1], world):
        if not meta.is_terminating(attachment):
            yield Delete(attachment)


CONTROLLER = Controller(
    name="persistentvolume-attach-detach",
    source="attachdetach-controller",
    primary=NODES,
    reconcile=reconcile,
    absent=absent,
    watches={
        PODS: _nodes_of_pod,
        VOLUME_ATTACHMENTS: _nodes_of_attachment,
        PERSISTENT_VOLUME_CLAIMS: _nodes_of_claim,
    },
    reads=(PERSISTENT_VOLUMES, CSI_DRIVERS),
    concerns=_volumes_changed,
)
