"""What is allowed in a pod but probably a mistake: sentences for the Warning header.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/api/pod/warnings.go (the common ones of them)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.storage_sources import DEPRECATED
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

Warnings = Iterator[str]
_RENAMED_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_WHOLE_BYTES = ("memory", "ephemeral-storage")


HOSTNAME, POD_NAMES = "the Pod's hostname", "Pod names and hostnames"


def name_warnings(obj: Object, used_in: str) -> Warnings:
    """A name that is fine for the API but not for a host."""
    if messages := names.dns_label(obj["metadata"].get("name") or ""):
        why = "which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: this is used in {used_in}, {why}: [{' '.join(messages)}]"


def pod_warnings(spec: Mapping[str, Any], path: str) -> Warnings:
    if spec.get("schedulingGroup"):
        yield f"{path}.schedulingGroup: has no effect: pods are scheduled one by one in this cluster"
    for label in spec.get("nodeSelector") or ():
        if label in _RENAMED_LABELS:
            since, instead = _RENAMED_LABELS[label]
            yield f'{path}.nodeSelector[{label}]: deprecated since {since}; use "{instead}" instead'
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if constraint.get("labelSelector") is None:
            here = f"{path}.topologySpreadConstraints[{index}].labelSelector"
            yield f"{here}: a null labelSelector results in matching no pod"
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind in volume:
            if kind in DEPRECATED:
                yield f"{path}.volumes[{index}].{DEPRECATED[kind]}"
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        here = f"{path}.terminationGracePeriodSeconds"
        yield f"{here}: must be >= 0; negative values are invalid and will be treated as 1"
    for part in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(part) or ()):
            yield from _container_warnings(container, f"{path}.{part}[{index}]")


def _container_warnings(container: Mapping[str, Any], path: str) -> Warnings:
    resources = container.get("resources") or {}
    for field in ("limits", "requests"):
        for name in _WHOLE_BYTES:
            amount = (resources.get(field) or {}).get(name)
            if amount is None:
                continue
            value = quantity.parse(amount)
            if value != value.to_integral_value():
                here = f"{path}.resources.{field}[{name}]"
                yield f"{here}: fractional byte value {fields.text(amount)} is invalid, must be an integer"
    seen: set[str] = set()
    for index, entry in enumerate(container.get("env") or ()):
        name = entry.get("name", "")
        if name in seen:
            here = f"{path}.env[{index}]"
            yield f"{here}: hides previous definition of {fields.text(name)}, which may be dropped when using apply"
        seen.add(name)
    yield from _port_warnings(container, path)


def _port_warnings(container: Mapping[str, Any], path: str) -> Warnings:
    known: dict[tuple[Any, ...], int] = {}
    for index, port in enumerate(container.get("ports") or ()):
        same = tuple(port.get(field) for field in ("containerPort", "protocol", "hostPort", "hostIP"))
        if same in known:
            first = f"{path}.ports[{known[same]}]"
            yield f"{path}.ports[{index}]: duplicate port definition with {first}"
        known.setdefault(same, index)
