"""What services, claims of volumes and of devices use, beyond being there."""

from collections.abc import Iterator
from decimal import Decimal

from pinnace.api.meta import Object
from pinnace.api.quota import scopes
from pinnace.api.quota.amounts import ONE, ZERO, Amounts
from pinnace.apimachinery import quantity

SERVICE_NAMES = frozenset(("count/services", "services", "services.nodeports", "services.loadbalancers"))
_CLAIMS, _STORAGE = "persistentvolumeclaims", "requests.storage"
CLAIM_NAMES = frozenset((f"count/{_CLAIMS}", _CLAIMS, _STORAGE))
_OF_CLASS = ".storageclass.storage.k8s.io/"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
DEVICE_CLAIMS = "count/resourceclaims.resource.k8s.io"
_OF_DEVICE_CLASS = ".deviceclass.resource.k8s.io/devices"
_MOST_DEVICES = 32  # of one request: what a request for all may get


def service_usage(service: Object) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or ()
    node_ports, balancers = 0, 0
    match spec.get("type"):
        case "NodePort":
            node_ports = len(ports)
        case "LoadBalancer":
            balancers, node_ports = 1, len(ports)
            if spec.get("allocateLoadBalancerNodePorts") is False:
                node_ports = sum(bool(port.get("nodePort")) for port in ports)
    return {
        "count/services": ONE,
        "services": ONE,
        "services.nodeports": Decimal(node_ports),
        "services.loadbalancers": Decimal(balancers),
    }


def measures_claims(name: str) -> bool:
    return name in CLAIM_NAMES or any(name.endswith(_OF_CLASS + counted) for counted in (_CLAIMS, _STORAGE))


def claim_usage(claim: Object) -> Amounts:
    found: Amounts = {f"count/{_CLAIMS}": ONE, _CLAIMS: ONE}
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    storage_class = (claim["metadata"].get("annotations") or {}).get(_OLD_CLASS) or spec.get(
        "storageClassName"
    )
    if storage_class:
        found[f"{storage_class}{_OF_CLASS}{_CLAIMS}"] = ONE
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        allocated = (status.get("allocatedResources") or {}).get("storage")
        size = max(quantity.parse(asked), quantity.parse(allocated) if allocated is not None else ZERO)
        found[_STORAGE] = size
        if storage_class:
            found[f"{storage_class}{_OF_CLASS}{_STORAGE}"] = size
    return found


def claim_in_scope(requirement: scopes.Requirement, claim: Object) -> bool:
    if requirement.get("scopeName") != "VolumeAttributesClass":
        return False
    return scopes.meets_any(requirement, _attributes_classes(claim))


def _attributes_classes(claim: Object) -> Iterator[str]:
    """The one asked for, the one in force, and the one under way."""
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    for name in (
        spec.get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    ):
        if name:
            yield name


def measures_device_claims(name: str) -> bool:
    return name == DEVICE_CLAIMS or name.endswith(_OF_DEVICE_CLASS)


def device_claim_usage(claim: Object) -> Amounts:
    """Devices by class, each as many as the claim could get at most."""
    found: Amounts = {DEVICE_CLAIMS: ONE}
    devices = (claim.get("spec") or {}).get("devices") or {}
    for request in devices.get("requests") or ():
        most: Amounts = {}
        exact = request.get("exactly") or (request if "deviceClassName" in request else None)
        for wanted in [exact] if exact else request.get("firstAvailable") or ():
            name = f"{wanted.get('deviceClassName') or ''}{_OF_DEVICE_CLASS}"
            is_all = wanted.get("allocationMode") == "All"
            count = Decimal(_MOST_DEVICES if is_all else wanted.get("count") or 1)
            most[name] = max(most.get(name, ZERO), count)
        for name, count in most.items():
            found[name] = found.get(name, ZERO) + count
    return found
