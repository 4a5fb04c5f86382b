"""Defaults of containers: pull policy, termination message, ports, probes, hooks, environment, quantities."""

from typing import Any

from pinnace.apimachinery import quantity
from pinnace.apimachinery.short_cache import short_cache

Container = dict[str, Any]
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def set_container_defaults(container: Container) -> None:
    _set_common_defaults(container)
    for name in _PROBES:
        if probe := container.get(name):
            _set_probe_defaults(probe)
    if lifecycle := container.get("lifecycle"):
        for hook in ("postStart", "preStop"):
            _set_http_defaults((lifecycle.get(hook) or {}).get("httpGet"))


def set_ephemeral_container_defaults(container: Container) -> None:
    _set_common_defaults(container)


def _set_common_defaults(container: Container) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    resources = container.setdefault("resources", {})
    if resources:
        round_amounts(resources.get("limits"))
        round_amounts(resources.get("requests"))
    for port in container.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
    for entry in container.get("env") or ():
        if source := entry.get("valueFrom"):
            set_field_source_defaults(source)


def set_field_source_defaults(source: dict[str, Any]) -> None:
    """`fieldRef` and `resourceFieldRef`, in an environment variable or a downward API file."""
    if reference := source.get("fieldRef"):
        reference["apiVersion"] = reference.get("apiVersion") or "v1"
    if (resource := source.get("resourceFieldRef")) is not None:
        resource["divisor"] = canonical(resource.get("divisor") or "0")
    if (file := source.get("fileKeyRef")) is not None:
        file.setdefault("optional", False)


@short_cache(1024)
def pull_policy(image: str) -> str:
    """Always for the tag `latest` (or no tag and no digest), else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if image and tag in ("", "latest") else "IfNotPresent"


def _set_probe_defaults(probe: dict[str, Any]) -> None:
    for field, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1)):
        if not probe.get(field):
            probe[field] = value
    if not probe.get("failureThreshold"):
        probe["failureThreshold"] = 3
    _set_http_defaults(probe.get("httpGet"))
    if (grpc := probe.get("grpc")) is not None:
        grpc.setdefault("service", "")


def _set_http_defaults(action: dict[str, Any] | None) -> None:
    if action is not None:
        action["path"] = action.get("path") or "/"
        action["scheme"] = action.get("scheme") or "HTTP"


def round_amounts(amounts: dict[str, Any] | None) -> None:
    """Canonical quantities, rounded up to thousandths: what upstream does to every resource list."""
    for name, amount in (amounts or {}).items():
        amounts[name] = canonical(amount)  # type: ignore[index]  # not None: it has items


@short_cache(4096)
def canonical(amount: str | int | float) -> str:
    """Raises ValueError for text that is no quantity."""
    text = quantity.canonical(amount)
    if text[-1] in "nu":
        return quantity.format_quantity(quantity.parse(quantity.milli(text)).scaleb(-3))
    return text
