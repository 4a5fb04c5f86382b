"""How claims and volumes find each other: annotations, who is bound to whom, and which volume fits a claim best.

Used by the binder, the scheduler and the kubelet, which must not disagree.
Upstream: https://github.com/kubernetes/component-helpers/blob/master/storage/volume/pv_helpers.go
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from pinnace.api import meta
from pinnace.api.core.node_affinity import matches_terms
from pinnace.api.core.volume_rules import class_of
from pinnace.api.meta import Object
from pinnace.api.storage.storageclasses import WAIT_FOR_FIRST_CONSUMER
from pinnace.apimachinery import quantity
from pinnace.apimachinery.selectors import SelectorError, from_label_selector

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


def class_name(obj: Object) -> str:
    """The class of a volume or claim; "" for none."""
    return class_of(obj) or ""


def requested(claim: Object) -> Decimal:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return quantity.parse(requests.get("storage", "0"))


def capacity(volume: Object) -> Decimal:
    return quantity.parse((volume["spec"].get("capacity") or {}).get("storage", "0"))


def claim_ref_key(volume: Object) -> tuple[str, str] | None:
    """Namespace and name of the claim that the volume is for."""
    reference = volume["spec"].get("claimRef")
    return (reference.get("namespace", ""), reference.get("name", "")) if reference else None


def is_for_claim(volume: Object, claim: Object) -> bool:
    """The volume names this claim; one without a uid is meant for whoever has the name."""
    reference = volume["spec"].get("claimRef")
    if not reference or claim_ref_key(volume) != meta.key(claim):
        return False
    return reference.get("uid", "") in ("", meta.uid(claim))


def is_fully_bound(claim: Object) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in meta.annotations(claim)


def waits_for_consumer(storage_class: Object | None) -> bool:
    return storage_class is not None and storage_class.get("volumeBindingMode") == WAIT_FOR_FIRST_CONSUMER


def claim_names(pod: Object) -> Iterator[tuple[Object, str]]:
    """Each volume of the pod that stands for a claim, and the claim's name."""
    for volume in pod["spec"].get("volumes") or ():
        if (source := volume.get("persistentVolumeClaim")) is not None:
            yield volume, source.get("claimName", "")
        elif volume.get("ephemeral") is not None:
            yield volume, ephemeral_claim_name(pod, volume)


def ephemeral_claim_name(pod: Object, volume: Object) -> str:
    return f"{meta.name(pod)}-{volume['name']}"


def not_for_pod(claim: Object, pod: Object) -> str:
    """Why an ephemeral volume's claim is not this pod's; "" when it is."""
    owner = meta.controller_of(claim)
    if owner is not None and owner.get("uid") == meta.uid(pod):
        return ""
    return f"PVC {meta.key_text(claim)} was not created for pod {meta.key_text(pod)} (pod is not owner)"


def allows_node(volume: Object, node_labels: Mapping[str, str], node_name: str = "") -> bool:
    """The volume can be reached from a node with these labels."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return required is None or matches_terms(required.get("nodeSelectorTerms"), node_labels, node_name)


def has_access_modes(volume: Object, claim: Object) -> bool:
    return set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ())


def same_volume_mode(volume: Object, claim: Object) -> bool:
    default = "Filesystem"
    return (volume["spec"].get("volumeMode") or default) == (claim["spec"].get("volumeMode") or default)


def same_attributes_class(volume: Object, claim: Object) -> bool:
    field = "volumeAttributesClassName"
    return (volume["spec"].get(field) or "") == (claim["spec"].get(field) or "")


def mismatch(volume: Object, claim: Object) -> str:
    """Why a volume that the claim (or that itself) names cannot be bound; "" when it can."""
    if meta.is_terminating(volume):
        return f'the volume is marked for deletion "{meta.name(volume)}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_name(volume) != class_name(claim):
        return "storageClassName does not match"
    if not same_attributes_class(volume, claim):
        return "volumeAttributesClassName does not match"
    if not same_volume_mode(volume, claim):
        return "incompatible volumeMode"
    return "" if has_access_modes(volume, claim) else "incompatible accessMode"


def _could_hold(volume: Object, claim: Object) -> bool:
    return (
        not meta.is_terminating(volume)
        and capacity(volume) >= requested(claim)
        and same_volume_mode(volume, claim)
        and same_attributes_class(volume, claim)
    )


def reserved_volume(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The volume that names this claim already, as far as it can hold it."""
    return next((one for one in volumes if is_for_claim(one, claim) and _could_hold(one, claim)), None)


def smallest_match(claim: Object, free: Iterable[Object]) -> Object | None:
    return next(iter(matches(claim, free)), None)


def matches(claim: Object, free: Iterable[Object]) -> list[Object]:
    """Available volumes of the claim's class that offer what the claim asks for, the smallest first."""
    try:
        selector = from_label_selector(claim["spec"]["selector"]) if claim["spec"].get("selector") else None
    except SelectorError:
        return []
    wanted = class_name(claim)
    fitting = [
        volume
        for volume in free
        if not volume["spec"].get("claimRef")
        and (volume.get("status") or {}).get("phase") == "Available"
        and class_name(volume) == wanted
        and (selector is None or selector.matches(meta.labels(volume)))
        and has_access_modes(volume, claim)
        and _could_hold(volume, claim)
    ]
    return sorted(fitting, key=lambda volume: (capacity(volume), _rank(volume)))


def _rank(volume: Object) -> tuple[int, str]:
    """Of equal sizes: the one with the fewest access modes, then by name."""
    return len(volume["spec"].get("accessModes") or ()), meta.name(volume)


def reference_to(claim: Object) -> Object:
    """`spec.claimRef` of a volume that is bound to the claim."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta.namespace(claim),
        "name": meta.name(claim),
        "uid": meta.uid(claim),
        "resourceVersion": meta.resource_version(claim),
    }
