"""The strategy of services. Addresses and node ports are allocated by the API server; what was allocated survives updates."""

from collections.abc import Sequence
from typing import Any

from pinnace.api import names
from pinnace.api.core import services
from pinnace.api.core.service_exposure import service_warnings, validate_exposure_update
from pinnace.api.core.service_validation import (
    validate_kept_addresses,
    validate_service,
    validate_service_status,
)
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class ServiceStrategy(Strategy):
    allows_create_on_update = True
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"))

    def check_name(self, name: str) -> Sequence[str]:
        return names.dns_1035_label(name)

    def set_defaults(self, obj: Object) -> None:
        _set_defaults(obj)
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"loadBalancer": {}}
        _sync_cluster_ips(obj["spec"])

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _drop_what_the_type_lost(new, old)
        _follow_cluster_ip(new["spec"], old["spec"])
        _keep_allocated(new, old)
        _sync_cluster_ips(new["spec"])

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + validate_service(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        if services.needs_cluster_ip(old) and services.needs_cluster_ip(new):
            found += validate_kept_addresses(new["spec"], old["spec"])
        found += validate_exposure_update(new, old)
        return found + validate_service(new)

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(validate_service_status(new))

    def warnings(self, obj: Object) -> list[str]:
        return super().warnings(obj) + list(service_warnings(obj))

    def field_labels(self, obj: Object) -> dict[str, str]:
        spec = obj.get("spec") or {}
        own = {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}
        return {**super().field_labels(obj), **own}


def _set_defaults(service: Object) -> None:
    spec = service.setdefault("spec", {})
    spec["type"] = kind = spec.get("type") or services.CLUSTER_IP
    spec["sessionAffinity"] = affinity = spec.get("sessionAffinity") or "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", services.DEFAULT_AFFINITY_SECONDS)
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if not port.get("targetPort") and "port" in port:
            port["targetPort"] = port["port"]
    if services.is_external(service) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind != services.EXTERNAL_NAME and not spec.get("internalTrafficPolicy"):
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == services.LOAD_BALANCER:
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _sync_cluster_ips(spec: dict[str, Any]) -> None:
    """`clusterIP` is the first of `clusterIPs`: what is given on one side appears on the other."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]


def _follow_cluster_ip(after: dict[str, Any], before: dict[str, Any]) -> None:
    """A client that knows only `clusterIP` changed (or cleared) it: `clusterIPs` follows."""
    if after.get("clusterIP") != before.get("clusterIP") and after.get("clusterIPs") == before.get(
        "clusterIPs"
    ):
        after.pop("clusterIPs", None)


def _drop_what_the_type_lost(new: Object, old: Object) -> None:
    """A change of type takes along what only the old type had, unless the user set it anew."""
    after, before = new["spec"], old["spec"]
    if services.needs_cluster_ip(old) and not services.needs_cluster_ip(new):
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if after.get(field) == before.get(field):
                after.pop(field, None)
    if services.needs_node_port(old) and not services.needs_node_port(new):
        before_ports = services.node_ports(old)
        for port in services.ports(new):
            if port.get("nodePort") in before_ports:
                port.pop("nodePort", None)
    if services.is_external(old) and not services.is_external(new):
        after.pop("externalTrafficPolicy", None)
    asks_health = services.service_type(new) == services.LOAD_BALANCER and after.get("externalTrafficPolicy") == "Local"  # fmt: skip
    if not asks_health and after.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
        after.pop("healthCheckNodePort", None)
    if services.service_type(new) != services.LOAD_BALANCER:
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if after.get(field) == before.get(field):
                after.pop(field, None)


def _keep_allocated(new: Object, old: Object) -> None:
    """An update that leaves allocated values out means to keep them."""
    after, before = new["spec"], old["spec"]
    if services.needs_cluster_ip(old) and services.needs_cluster_ip(new):
        if not after.get("clusterIP") and not after.get("clusterIPs") and before.get("clusterIP"):
            after["clusterIP"] = before["clusterIP"]
        if (
            before.get("clusterIP")
            and after.get("clusterIP") == before["clusterIP"]
            and not after.get("clusterIPs")
        ):
            after["clusterIPs"] = services.cluster_ips(old)
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if not after.get(field) and before.get(field):
                after[field] = before[field]
    if services.needs_node_port(old) and services.needs_node_port(new):
        _keep_node_ports(new, old)
        is_local = after.get("externalTrafficPolicy") == "Local"
        if is_local and before.get("healthCheckNodePort") and not after.get("healthCheckNodePort"):
            after["healthCheckNodePort"] = before["healthCheckNodePort"]


def _keep_node_ports(new: Object, old: Object) -> None:
    by_name = {port.get("name", ""): port.get("nodePort") for port in services.ports(old)}
    taken = set(services.node_ports(new))
    for port in services.ports(new):
        known = by_name.get(port.get("name", ""))
        if not port.get("nodePort") and known and known not in taken:
            port["nodePort"] = known
            taken.add(known)
