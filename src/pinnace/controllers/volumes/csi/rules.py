"""What external-provisioner makes of a claim and its class: requests to the driver, and the volume. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.net.csi.messages import ControllerCapability, access_mode

FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
DELETE_SECRET_NAME = "volume.kubernetes.io/provisioner-deletion-secret-name"
DELETE_SECRET_SPACE = "volume.kubernetes.io/provisioner-deletion-secret-namespace"
PREFIX = "csi.storage.k8s.io/"
FS_TYPE = f"{PREFIX}fstype"
SECRETS = {  # parameter's stem -> field of the volume
    "controller-publish": "controllerPublishSecretRef",
    "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef",
    "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}
_HOLE = re.compile(r"\$\{([^}]*)\}")
Topology = Mapping[str, str]


class Refused(Exception):
    """The claim cannot be served as it is; told as ProvisioningFailed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim, its class, and what the driver can."""

    claim: Object
    storage_class: Object
    driver: str
    can: frozenset[int]
    requisite: tuple[Topology, ...] = ()
    preferred: tuple[Topology, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"pvc-{meta.uid(self.claim)}"

    @property
    def parameters(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.storage_class.get("parameters") or {}
        return found

    @property
    def is_block(self) -> bool:
        return bool(self.claim["spec"].get("volumeMode") == "Block")

    @property
    def fs_type(self) -> str:
        return self.parameters.get(FS_TYPE) or ""


def refusal(claim: Object) -> str:
    """Why no driver serves this claim here; "" when one may."""
    spec = claim["spec"]
    if spec.get("selector"):
        return "claim Selector is not supported"
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        return "claims with a data source are not supported: snapshots and clones need the driver's own external-provisioner"
    if spec.get("volumeAttributesClassName"):
        return "VolumeAttributesClass is not supported: it needs the driver's own external-provisioner"
    return ""


def capabilities(
    spec: Object, fs_type: str, can: frozenset[int], options: Iterable[str]
) -> list[dict[str, Any]]:
    """VolumeCapability for each access mode of a claim's or volume's spec."""
    finer = ControllerCapability.SINGLE_NODE_MULTI_WRITER in can
    kind: dict[str, Any] = {"mount": {"fs_type": fs_type, "mount_flags": list(options)}}
    if spec.get("volumeMode") == "Block":
        kind = {"block": {}}
    modes = spec.get("accessModes") or ("ReadWriteOnce",)
    return [{**kind, "access_mode": {"mode": access_mode(mode, knows_multi_writer=finer)}} for mode in modes]


def volume_capability(volume: Object, can: frozenset[int]) -> dict[str, Any]:
    spec = volume["spec"]
    return capabilities(spec, spec["csi"].get("fsType") or "", can, spec.get("mountOptions") or ())[0]


def create_request(wish: Wish, secrets: Mapping[str, str]) -> dict[str, Any]:
    resources = wish.claim["spec"].get("resources") or {}
    size = {"required_bytes": quantity.whole((resources.get("requests") or {}).get("storage", "0"))}
    if limit := (resources.get("limits") or {}).get("storage"):
        size["limit_bytes"] = quantity.whole(limit)
    options = wish.storage_class.get("mountOptions") or ()
    request: dict[str, Any] = {
        "name": wish.name,
        "capacity_range": size,
        "parameters": {key: value for key, value in wish.parameters.items() if not key.startswith(PREFIX)},
        "volume_capabilities": capabilities(wish.claim["spec"], wish.fs_type, wish.can, options),
        "secrets": dict(secrets),
    }
    if wish.requisite:
        request["accessibility_requirements"] = {
            "requisite": [{"segments": one} for one in wish.requisite],
            "preferred": [{"segments": one} for one in wish.preferred],
        }
    return request


def secret_of(wish: Wish, stem: str) -> tuple[str, str] | None:
    """Namespace and name of the secret for a kind of call, with the claim's facts put in; None for none."""
    name = wish.parameters.get(f"{PREFIX}{stem}-secret-name")
    space = wish.parameters.get(f"{PREFIX}{stem}-secret-namespace")
    if not name and not space:
        return None
    if not name or not space:
        raise Refused(f"only name or namespace found for {stem} secret, both must be specified")
    claim = wish.claim
    facts = {"pv.name": wish.name, "pvc.namespace": meta.namespace(claim)}
    by_claim = {**facts, "pvc.name": meta.name(claim)}
    if stem != "provisioner":
        notes = meta.annotations(claim)
        by_claim |= {f"pvc.annotations['{key}']": value for key, value in notes.items()}
    return _filled(space, facts), _filled(name, by_claim)


def _filled(template: str, facts: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in facts:
            raise Refused(f"invalid tokens: {match[1]!r} in {template!r}")
        return facts[match[1]]

    return _HOLE.sub(value, template)


def volume_for(wish: Wish, made: Any, identity: str) -> Object:
    """The PersistentVolume of what the driver made (`csi.v1.Volume`)."""
    claim, storage_class = wish.claim, wish.storage_class
    size = made.capacity_bytes
    csi: Object = {
        "driver": wish.driver,
        "volumeHandle": made.volume_id,
        "volumeAttributes": {**made.volume_context, "storage.kubernetes.io/csiProvisionerIdentity": identity},
    }
    if wish.fs_type and not wish.is_block:
        csi["fsType"] = wish.fs_type
    for stem, target in SECRETS.items():
        if (reference := secret_of(wish, stem)) is not None:
            csi[target] = {"namespace": reference[0], "name": reference[1]}
    spec: Object = {
        "capacity": {
            "storage": quantity.format_quantity(size, "binary")
            if size
            else claim["spec"]["resources"]["requests"]["storage"]
        },
        "accessModes": claim["spec"]["accessModes"],
        "volumeMode": claim["spec"].get("volumeMode") or "Filesystem",
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": meta.name(storage_class),
        "claimRef": binding.reference_to(claim),
        "csi": csi,
    }
    if storage_class.get("mountOptions") and not wish.is_block:
        spec["mountOptions"] = storage_class["mountOptions"]
    if made.accessible_topology:
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": _terms(made.accessible_topology)}}
    annotations = {binding.PROVISIONED_BY: wish.driver}
    if (reference := secret_of(wish, "provisioner")) is not None:
        annotations |= {DELETE_SECRET_SPACE: reference[0], DELETE_SECRET_NAME: reference[1]}
    metadata = {"name": wish.name, "annotations": annotations, "finalizers": [FINALIZER]}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def _terms(topologies: Iterable[Any]) -> list[Object]:
    return [
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]}
                for key, value in sorted(one.segments.items())
            ]
        }
        for one in topologies
        if one.segments
    ]


def topologies(driver: str, csi_nodes: Iterable[Object], nodes: Mapping[str, Object]) -> dict[str, Topology]:
    """Where the driver's nodes are, by node."""
    found: dict[str, Topology] = {}
    for csi_node in csi_nodes:
        node = nodes.get(meta.name(csi_node))
        for entry in csi_node["spec"].get("drivers") or ():
            if entry["name"] == driver and node is not None:
                labels, keys = meta.labels(node), entry.get("topologyKeys") or ()
                if keys and all(key in labels for key in keys):
                    found[meta.name(node)] = {key: labels[key] for key in keys}
    return found


def requirement(
    there: Mapping[str, Topology], selected: str, storage_class: Object
) -> tuple[tuple[Topology, ...], tuple[Topology, ...]]:
    """Requisite and preferred: the chosen node's own place first, of all that the class allows."""
    allowed = storage_class.get("allowedTopologies") or ()
    places = {tuple(sorted(one.items())): one for one in there.values() if _is_allowed(one, allowed)}
    requisite = tuple(places[key] for key in sorted(places))
    if selected not in there:
        return requisite, requisite
    first = there[selected]
    if first not in requisite:
        raise Refused(
            f"topology {dict(first)} from selected node {selected!r} is not in requisite: {list(requisite)}"
        )
    at = requisite.index(first)
    return requisite, (*requisite[at:], *requisite[:at])


def _is_allowed(topology: Topology, allowed: Iterable[Object]) -> bool:
    terms = [one.get("matchLabelExpressions") or () for one in allowed]
    return not terms or any(
        all(topology.get(each["key"]) in each["values"] for each in expressions) for expressions in terms
    )


def is_to_be_deleted(volume: Object, driver: str) -> bool:
    """Released with its data to go, or deleted by hand while no claim uses it."""
    phase = (volume.get("status") or {}).get("phase")
    going = phase in ("Released", "Failed") or (meta.is_terminating(volume) and phase != "Bound")
    return (
        meta.annotations(volume).get(binding.PROVISIONED_BY) == driver
        and volume["spec"].get("csi") is not None
        and going
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    )
