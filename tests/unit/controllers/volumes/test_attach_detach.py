"""Attachments: which a node's pods need, when one may go, and what pods are told."""

from datetime import timedelta
from typing import Any

from pinnace.api import meta
from pinnace.controllers.runtime import Action, Create, Delete, Emit, Patch, RequeueAfter, World
from pinnace.controllers.volumes.attach_detach import CONTROLLER, absent, attachment_name, reconcile
from unit.controllers.builders import NOW
from unit.controllers.volumes.settling import claim, names, volume

Object = dict[str, Any]
COMPLETED = "pv.kubernetes.io/bind-completed"
UNIQUE = "kubernetes.io/csi/disks.example^handle-1"


def disk(**spec: Any) -> Object:
    csi = {"driver": "disks.example", "volumeHandle": "handle-1"}
    return volume(phase="Bound", claimRef=names(claim(), "uid-data"), hostPath=None, csi=csi, **spec)


def bound() -> Object:
    return claim(volumeName="disk", annotations={COMPLETED: "yes"}, phase="Bound")


def pod(name: str = "p", node: str = "n1", phase: str = "Pending") -> Object:
    spec = {"nodeName": node, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name},
            "spec": spec, "status": {"phase": phase}}  # fmt: skip


def node(name: str = "n1", *, managed: bool = True, ready: bool = True, **status: Any) -> Object:
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"} if managed else {}
    status["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "annotations": annotations},
            "spec": {}, "status": status}  # fmt: skip


def attachment(node: str = "n1", name: str = "", **status: Any) -> Object:
    spec = {"attacher": "disks.example", "nodeName": node, "source": {"persistentVolumeName": "disk"}}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "status": status, "spec": spec,
            "metadata": {"name": name or attachment_name(disk(), node), "uid": f"va-{node}"}}  # fmt: skip


def decide(about: Object, *objects: Object, memory: Any = None, later: float = 0) -> list[Action]:
    world = World.of(objects, NOW + timedelta(seconds=later), memory=memory if memory is not None else {})
    return list(reconcile(about, world))


def test_a_pod_with_a_node_has_its_volume_attached() -> None:
    (action,) = decide(node(), pod(), bound(), disk())
    assert isinstance(action, Create)
    assert action.obj["spec"] == attachment()["spec"]
    # sha256 of handle, driver and node, as upstream names it
    assert meta.name(action.obj).startswith("csi-")
    assert len(meta.name(action.obj)) == len("csi-") + 64


def test_nothing_is_attached_for_who_does_not_need_it() -> None:
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "disks.example"},
              "spec": {"attachRequired": False}}  # fmt: skip
    assert not decide(node(), pod(), bound(), disk(), driver)
    assert not decide(node(), pod(phase="Succeeded"), bound(), disk())
    assert not decide(node(), pod(), claim(), disk()), "not bound"
    assert not decide(node(), pod(node="n2"), bound(), disk())
    assert not decide(node(managed=False), pod(), bound(), disk())
    assert not decide(node(), pod(), bound(), volume(phase="Bound", claimRef=names(claim(), "uid-data")))


def test_what_is_attached_stands_in_the_nodes_status_and_pods_hear_of_it_once() -> None:
    there = attachment(attached=True)
    report, event = decide(node(), pod(), bound(), disk(), there)
    assert isinstance(report, Patch)
    assert report.body == {"status": {"volumesAttached": [{"name": UNIQUE, "devicePath": ""}]}}
    assert event == Emit(
        pod(), "Normal", "SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "disk" '
    )
    assert not decide(
        node(volumesAttached=[{"name": UNIQUE, "devicePath": ""}]), pod(), bound(), disk(), there
    )


def test_an_attacher_that_fails_is_quoted() -> None:
    (event,) = decide(
        node(), pod(), bound(), disk(), attachment(attached=False, attachError={"message": "no such disk"})
    )
    assert event == Emit(
        pod(), "Warning", "FailedAttachVolume", 'AttachVolume.Attach failed for volume "disk" : no such disk'
    )


def test_a_volume_for_one_node_waits_until_the_other_has_let_go() -> None:
    other = pod("old", "n2", "Running")
    (event,) = decide(node(), pod(), other, bound(), disk(), attachment("n2", attached=True))
    text = 'Multi-Attach error for volume "disk" Volume is already used by pod(s) old'
    assert event == Emit(pod(), "Warning", "FailedAttachVolume", text)
    (event,) = decide(node(), pod(), bound(), disk(), attachment("n2", attached=True))
    assert isinstance(event, Emit)
    assert event.message.endswith(
        "Volume is already exclusively attached to one node and can't be attached to another"
    )
    (action,) = decide(
        node(), pod(), bound(), disk(accessModes=["ReadWriteMany"]), attachment("n2", attached=True)
    )
    assert isinstance(action, Create)


def test_a_volume_without_pods_is_detached_when_the_kubelet_has_unmounted_it() -> None:
    attached, there = [{"name": UNIQUE, "devicePath": ""}], attachment(attached=True)
    memory: Any = {}
    in_use = node(volumesInUse=[UNIQUE], volumesAttached=attached)
    assert decide(in_use, bound(), disk(), there, memory=memory) == [RequeueAfter(360.0)]
    report, action = decide(node(volumesAttached=attached), bound(), disk(), there, memory=memory)
    assert isinstance(report, Patch)
    assert report.body == {"status": {"volumesAttached": None}}, "the kubelet must not mount it any more"
    assert action == Delete(there)


def test_a_broken_node_keeps_a_volume_for_six_minutes_a_sound_one_until_it_says_so() -> None:
    there, memory = attachment(attached=True), {}  # type: ignore[var-annotated]
    broken, sound = node(ready=False, volumesInUse=[UNIQUE]), node(volumesInUse=[UNIQUE])
    decide(broken, bound(), disk(), there, memory=memory)
    assert Delete(there) not in decide(sound, bound(), disk(), there, memory=memory, later=400)
    assert Delete(there) in decide(broken, bound(), disk(), there, memory=memory, later=400)
    tainted = {
        **broken,
        "spec": {"taints": [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]},
    }
    assert Delete(there) in decide(tainted, bound(), disk(), there)


def test_attachments_of_others_are_left_alone() -> None:
    assert not decide(node(), bound(), disk(), attachment(name="by-hand"))
    assert not list(absent(("", "n1"), World.of([disk(), attachment(name="by-hand")], NOW)))


def test_a_node_that_is_gone_has_nothing_attached() -> None:
    there = attachment(attached=True)
    assert list(absent(("", "n1"), World.of([disk(), there], NOW))) == [Delete(there)]


def test_who_wakes_which_node() -> None:
    world = World.of([pod(), bound(), disk()], NOW)
    keys = {gvr.resource: keys_of for gvr, keys_of in CONTROLLER.watches.items()}
    assert list(keys["pods"](None, pod(), world)) == [("", "n1")]
    assert list(keys["pods"](pod(), pod(), world)) == []
    assert list(keys["pods"](pod(), pod(phase="Failed"), world)) == [("", "n1"), ("", "n1")]
    assert list(keys["persistentvolumeclaims"](claim(), bound(), world)) == [("", "n1")]
    assert list(keys["volumeattachments"](attachment("n2"), None, world)) == [("", "n2"), ("", "n1")], (
        "waiting for it"
    )


def test_a_volume_that_was_wanted_again_meanwhile_gets_its_six_minutes_anew() -> None:
    there, memory = attachment(attached=True), {}  # type: ignore[var-annotated]
    broken = node(ready=False, volumesInUse=[UNIQUE])
    decide(broken, bound(), disk(), there, memory=memory)
    decide(broken, pod(), bound(), disk(), there, memory=memory, later=100)
    assert Delete(there) not in decide(broken, bound(), disk(), there, memory=memory, later=400)
    assert Delete(there) in decide(broken, bound(), disk(), there, memory=memory, later=800)
