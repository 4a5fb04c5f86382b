"""PersistentVolumeClaims that are not bound: no class, a class that nobody serves, no volume that fits, a consumer that is waited for."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core.volume_binding import (
    capacity,
    class_name,
    has_access_modes,
    requested,
    waits_for_consumer,
)
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    NOTE,
    Finding,
    Object,
    event,
    field,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.whatif.obstacles import amount
from pinnace.insight.world import World

_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def unbound(claim: Object, world: World) -> Iterator[Finding]:
    phase = (claim.get("status") or {}).get("phase", "Pending")
    if phase == "Lost":
        yield finding(
            claim, f"its volume {claim['spec'].get('volumeName')} is gone, and the data with it",
            evidence=[field(claim, "status.phase", "Lost"), field(claim, "spec.volumeName", claim["spec"].get("volumeName"))],
            commands=[ready_to_type("delete", claim)],
        )  # fmt: skip
    if phase != "Pending":
        return
    failed = world.events(claim, "ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound")
    name, spec = class_name(claim), claim["spec"]
    if spec.get("volumeName"):
        yield from _of_volume(claim, world)
        return
    if not name:
        yield from _without_class(claim, failed, world)
        return
    storage_class = world.get("StorageClass", "", name)
    where = field(claim, "spec.storageClassName", name)
    if storage_class is None:
        if world.is_missing("StorageClass", "", name):
            have = ", ".join(sorted(meta.name(one) for one in world.every("StorageClass"))) or "none"
            yield finding(
                claim, f"there is no storage class {name}; the cluster has: {have}", evidence=[where, *map(event, failed[:1])],
                commands=[*_anew(claim), "kubectl get storageclasses"],
            )  # fmt: skip
    elif bad := [one for one in failed if one.get("reason") == "ProvisioningFailed"]:
        yield finding(
            claim, f"{storage_class['provisioner']} failed to make a volume: {' '.join((bad[0].get('message') or '').split())}",
            evidence=[where, event(bad[0])], commands=[ready_to_type("describe", claim)],
        )  # fmt: skip
    elif waits_for_consumer(storage_class) and not _users(claim, world):
        yield finding(
            claim, "it waits for a pod that uses it, and there is none: that is as its storage class wants it", rank=NOTE,
            evidence=[where, field(storage_class, "volumeBindingMode", "WaitForFirstConsumer")],
        )  # fmt: skip
    elif storage_class["provisioner"] == "kubernetes.io/no-provisioner":
        yield _no_volume(claim, name, world)
    elif waits_for_consumer(storage_class) and "volume.kubernetes.io/selected-node" not in meta.annotations(
        claim
    ):
        yield finding(
            claim, "it is made once its pod can be scheduled", rank=NOTE,
            evidence=[where, field(storage_class, "volumeBindingMode", "WaitForFirstConsumer")],
        )  # fmt: skip
    else:
        seen = world.events(claim, "ExternalProvisioning", "Provisioning")
        provisioner = storage_class["provisioner"]
        if (
            "csi" in provisioner
            and world.can_list("CSIDriver")
            and world.is_missing("CSIDriver", "", provisioner)
        ):
            yield finding(
                claim, f"the CSI driver {provisioner} of class {name} is not installed", rank=CAUSE,
                evidence=[field(storage_class, "provisioner", provisioner), field(claim, "(CSIDrivers)", sorted(map(meta.name, world.every("CSIDriver"))))],
                commands=["kubectl get csidrivers", "kubectl get storageclasses"],
            )  # fmt: skip
            return
        yield finding(
            claim, f"nobody makes its volume: is {storage_class['provisioner']} (the provisioner of class {name}) running?", rank=LIKELY,
            evidence=[field(storage_class, "provisioner", storage_class["provisioner"]), *map(event, seen[:1])],
            commands=["kubectl get pods -A", ready_to_type("describe", claim)],
        )  # fmt: skip


def _without_class(claim: Object, failed: list[Object], world: World) -> Iterator[Finding]:
    defaults = [one for one in world.every("StorageClass") if meta.annotations(one).get(_DEFAULT) == "true"]
    if claim["spec"].get("storageClassName") is None and not defaults and world.can_list("StorageClass"):
        have = ", ".join(sorted(meta.name(one) for one in world.every("StorageClass")))
        text = f"it names no storage class, and none is the default{f'; the cluster has: {have}' if have else ' (there is none at all)'}"
        yield finding(
            claim, text, evidence=[field(claim, "spec.storageClassName", None), *map(event, failed[:1])],
            commands=[*[f"kubectl annotate storageclass {one} {_DEFAULT}=true --overwrite" for one in have.split(", ")[:1] if one],
                      "kubectl get storageclasses"],
        )  # fmt: skip
    else:
        yield _no_volume(claim, "", world)


def _anew(claim: Object) -> list[str]:
    """The class of a claim cannot be changed."""
    return [ready_to_type("get", claim, "-o yaml > YOUR_FILE"), "kubectl replace --force -f YOUR_FILE"]


def _no_volume(claim: Object, name: str, world: World) -> Finding:
    """Why each free volume does not do."""
    evidence = [
        field(claim, "spec.resources.requests.storage", amount(requested(claim))),
        field(claim, "spec.accessModes", claim["spec"].get("accessModes")),
    ]
    for volume in world.every("PersistentVolume")[:5]:
        phase = (volume.get("status") or {}).get("phase", "")
        why = (
            f"of class {class_name(volume) or '(none)'}" if class_name(volume) != name
            else f"{phase}" if phase not in ("Available", "")
            else f"only {amount(capacity(volume))}" if capacity(volume) < requested(claim)
            else f"access modes {', '.join(volume['spec'].get('accessModes') or ())}" if not has_access_modes(volume, claim)
            else "does not match its selector or node"
        )  # fmt: skip
        evidence.append(field(volume, "does not do", why))
    return finding(
        claim, f"no volume {f'of class {name}' if name else 'without a class'} fits, and nobody makes one", rank=CAUSE, evidence=evidence,
        commands=["kubectl get pv", ready_to_type("describe", claim)],
    )  # fmt: skip


def _of_volume(claim: Object, world: World) -> Iterator[Finding]:
    name = claim["spec"]["volumeName"]
    volume = world.get("PersistentVolume", "", name)
    where = field(claim, "spec.volumeName", name)
    if volume is None:
        if world.is_missing("PersistentVolume", "", name):
            yield finding(
                claim,
                f"it asks for volume {name}, which is not there",
                evidence=[where],
                commands=["kubectl get pv"],
            )
        return
    other = volume["spec"].get("claimRef") or {}
    if other and (other.get("namespace"), other.get("name")) != meta.key(claim):
        yield finding(
            claim, f"volume {name} belongs to claim {other.get('namespace')}/{other.get('name')}",
            evidence=[where, field(volume, "spec.claimRef.name", other.get("name")), field(volume, "status.phase", (volume.get("status") or {}).get("phase"))],
            commands=[f"kubectl describe pv {name}"],
        )  # fmt: skip


def _users(claim: Object, world: World) -> list[Object]:
    return [
        pod
        for pod in world.every("Pod", meta.namespace(claim))
        if any((volume.get("persistentVolumeClaim") or {}).get("claimName") == meta.name(claim) for volume in pod["spec"].get("volumes") or ())
        or any(f"{meta.name(pod)}-{volume['name']}" == meta.name(claim) for volume in pod["spec"].get("volumes") or () if "ephemeral" in volume)
    ]  # fmt: skip


def resize(claim: Object, world: World) -> Iterator[Finding]:
    """A bound claim that should be larger."""
    status = claim.get("status") or {}
    want, have = requested(claim), capacity({"spec": {"capacity": status.get("capacity")}})
    if status.get("phase") == "Bound" and have and want > have:
        seen = world.events(claim, "VolumeResizeFailed", "ExternalExpanding", "FileSystemResizeRequired")
        yield finding(
            claim, f"it should be {amount(want)} and is still {amount(have)}", rank=LIKELY,
            evidence=[field(claim, "status.capacity.storage", amount(have)), *map(event, seen[:1])],
            commands=[f"kubectl describe pvc {meta.name(claim)}{in_namespace(claim)}"],
        )  # fmt: skip
