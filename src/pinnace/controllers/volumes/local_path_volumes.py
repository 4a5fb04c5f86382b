"""What a local-path volume is: a directory of one node, as a PersistentVolume in the form that rancher's provisioner gives it."""

from pathlib import Path

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

PROVISIONER = "rancher.io/local-path"
NODE_ANNOTATION = "local.path.provisioner/selected-node"
FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
HOST_NAME = "kubernetes.io/hostname"
LONGEST_FILE_NAME = 255
SIMULATED = "simulated://"  # how simulated nodes name their runtime
_MODES = {"ReadWriteOnce", "ReadWriteOncePod"}


def is_wanted(claim: Object) -> bool:
    """A claim without a volume that this provisioner was asked to serve, on a node that is chosen."""
    annotations = meta.annotations(claim)
    return (
        not claim["spec"].get("volumeName")
        and not meta.is_terminating(claim)
        and annotations.get(binding.PROVISIONER) == PROVISIONER
    )


def is_ours(volume: Object) -> bool:
    return meta.annotations(volume).get(binding.PROVISIONED_BY) == PROVISIONER


def is_to_be_deleted(volume: Object) -> bool:
    """Released with its data to go, or deleted by hand while no claim uses it."""
    phase = (volume.get("status") or {}).get("phase")
    going = phase in ("Released", "Failed") or (meta.is_terminating(volume) and phase != "Bound")
    return is_ours(volume) and going and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"


def keeps_finalizer(volume: Object) -> bool:
    """A retained volume that is deleted by hand only has to be let go."""
    held = FINALIZER in (volume["metadata"].get("finalizers") or ())
    retained = volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete"
    return is_ours(volume) and held and retained and meta.is_terminating(volume)


def refusal(claim: Object, storage_class: Object) -> str:
    """Why no directory serves this claim; "" when one does."""
    spec = claim["spec"]
    if spec.get("volumeMode") == "Block":
        return f"{PROVISIONER} does not support block volume provisioning"
    start = failed(storage_class)
    if spec.get("selector"):
        return f"{start}claim.Spec.Selector is not supported"
    if not set(spec.get("accessModes") or ()) <= _MODES:
        return f"{start}NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        return f"{start}dataSource is not supported"
    if storage_class.get("parameters"):
        return f"{start}parameters are not supported: {', '.join(sorted(storage_class['parameters']))}"
    if not meta.annotations(claim).get(binding.SELECTED_NODE):
        return f"{start}configuration error, no node was specified"
    return ""


def failed(storage_class: Object) -> str:
    """The beginning of what is said about a claim that could not be served."""
    return f'failed to provision volume with StorageClass "{meta.name(storage_class)}": '


def name_of(claim: Object) -> str:
    return f"pvc-{meta.uid(claim)}"


def directory_of(claim: Object, root: Path) -> Path:
    name = f"{name_of(claim)}_{meta.namespace(claim)}_{meta.name(claim)}"
    return root / name[:LONGEST_FILE_NAME]


def volume_for(claim: Object, storage_class: Object, node: Object, directory: Path) -> Object:
    host_name = meta.labels(node).get(HOST_NAME) or meta.name(node)
    expression = {"key": HOST_NAME, "operator": "In", "values": [host_name]}
    spec: Object = {
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": meta.name(storage_class),
        "hostPath": {"path": str(directory), "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        "claimRef": binding.reference_to(claim),
    }
    if claim["spec"].get("volumeAttributesClassName"):
        spec["volumeAttributesClassName"] = claim["spec"]["volumeAttributesClassName"]
    annotations = {binding.PROVISIONED_BY: PROVISIONER, NODE_ANNOTATION: meta.name(node)}
    metadata = {"name": name_of(claim), "annotations": annotations, "finalizers": [FINALIZER]}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def is_simulated(node: Object) -> bool:
    """Its volumes have no directory anywhere: there is no kubelet."""
    runtime = ((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion") or ""
    return runtime.startswith(SIMULATED) or meta.annotations(node).get("kwok.x-k8s.io/node") == "fake"


def missing_size(claim: Object, volume: Object) -> str:
    """The size that the claim has grown to and the volume does not have yet; "" for none."""
    grew = binding.requested(claim) > binding.capacity(volume)
    return quantity.canonical(claim["spec"]["resources"]["requests"]["storage"]) if grew else ""
