"""Validation of services. Left out: topology annotations."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.core import services
from pinnace.api.core.service_exposure import validate_exposure
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
MAX_AFFINITY_SECONDS = 86400
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")


def validate_service(service: Object) -> list[Cause]:
    spec = service.get("spec") or {}
    kind = spec.get("type", "")
    found: list[Cause] = []
    if kind not in TYPES:
        found.append(fields.not_supported("spec.type", kind, TYPES))
    found += _validate_type(spec, kind)
    found += _validate_ports(spec, kind)
    found += metadata.validate_labels(spec.get("selector"), "spec.selector")
    found += _validate_affinity(spec)
    found += _validate_cluster_ips(spec, kind)
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        found += fields.all_invalid(f"spec.externalIPs[{index}]", ip, names.ip_address(ip))
    found += _validate_policies(service)
    found += _validate_load_balancer(spec, kind)
    found += validate_exposure(spec)
    return found


def _validate_type(spec: Mapping[str, Any], kind: str) -> Iterator[Cause]:
    if kind == services.EXTERNAL_NAME:
        if spec.get("clusterIP"):
            yield fields.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        target = (spec.get("externalName") or "").removesuffix(".")
        if not target:
            yield fields.required("spec.externalName")
        else:
            yield from fields.all_invalid("spec.externalName", target, names.dns_subdomain(target))
    elif spec.get("clusterIP") == services.HEADLESS and kind in (services.NODE_PORT, services.LOAD_BALANCER):
        why = f"may not be set to 'None' for {kind} services"
        yield fields.invalid("spec.clusterIPs[0]", services.HEADLESS, why)


def _validate_ports(spec: Mapping[str, Any], kind: str) -> Iterator[Cause]:
    ports = spec.get("ports") or ()
    headless = spec.get("clusterIP") == services.HEADLESS
    if not ports and not headless and kind != services.EXTERNAL_NAME:
        yield fields.required("spec.ports")
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    seen_nodes: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        yield from _validate_port(port, len(ports) > 1, headless, path)
        yield from _validate_unique_name(port, seen_names, path)
        protocol, node_port = port.get("protocol", ""), port.get("nodePort")
        if (protocol, port.get("port")) in seen:
            same = {"protocol": protocol, "port": port.get("port")}
            yield fields.duplicate(path, same)
        seen.add((protocol, port.get("port", 0)))
        if not node_port:
            continue
        if kind in (services.CLUSTER_IP, services.EXTERNAL_NAME):
            yield fields.forbidden(f"{path}.nodePort", f"may not be used when `type` is '{kind}'")
        if (protocol, node_port) in seen_nodes:
            yield fields.duplicate(f"{path}.nodePort", node_port)
        seen_nodes.add((protocol, node_port))


def _validate_unique_name(port: Mapping[str, Any], seen: set[str], path: str) -> Iterator[Cause]:
    name = port.get("name") or ""
    if name and name in seen:
        yield fields.duplicate(f"{path}.name", name)
    seen.add(name)


def _validate_port(port: Mapping[str, Any], needs_name: bool, headless: bool, path: str) -> Iterator[Cause]:
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol", "")
    if needs_name and not name:
        yield fields.required(f"{path}.name")
    elif name:
        yield from fields.all_invalid(f"{path}.name", name, names.dns_label(name))
    yield from fields.all_invalid(f"{path}.port", number, names.port_number(number))
    if not protocol:
        yield fields.required(f"{path}.protocol")
    elif protocol not in names.PROTOCOLS:
        yield fields.not_supported(f"{path}.protocol", protocol, names.PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, int):
        yield from fields.all_invalid(f"{path}.targetPort", target, names.port_number(target))
    elif target is not None:
        yield from fields.all_invalid(f"{path}.targetPort", target, names.port_name(target))
    if app_protocol := port.get("appProtocol"):
        yield from fields.all_invalid(f"{path}.appProtocol", app_protocol, names.qualified_name(app_protocol))
    if headless and port.get("nodePort"):
        yield fields.invalid(
            f"{path}.nodePort", port["nodePort"], "may not be set when `clusterIP` is 'None'"
        )


def _validate_affinity(spec: Mapping[str, Any]) -> Iterator[Cause]:
    affinity = spec.get("sessionAffinity") or ""
    if not affinity:
        yield fields.required("spec.sessionAffinity")
    elif affinity not in ("ClientIP", "None"):
        yield fields.not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    elif affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        seconds = client.get("timeoutSeconds", services.DEFAULT_AFFINITY_SECONDS)
        if not 0 < seconds <= MAX_AFFINITY_SECONDS:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield fields.invalid(
                path, seconds, f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"
            )


def _validate_cluster_ips(spec: Mapping[str, Any], kind: str) -> Iterator[Cause]:
    listed = spec.get("clusterIPs") or ()
    if kind == services.EXTERNAL_NAME:
        return
    if spec.get("clusterIP") and listed and listed[0] != spec["clusterIP"]:
        yield fields.invalid("spec.clusterIPs", listed, "first value must match `clusterIP`")
    for index, ip in enumerate(listed):
        if ip == services.HEADLESS and len(listed) == 1:
            continue
        path = f"spec.clusterIPs[{index}]"
        if ip == services.HEADLESS:
            yield fields.invalid(path, ip, "'None' must be the first and only value")
        else:
            yield from fields.all_invalid(path, ip, names.ip_address(ip))
    if len(listed) > 2:
        yield fields.invalid("spec.clusterIPs", listed, "may only hold up to 2 values")
    elif (
        len(listed) == 2
        and not any(map(names.ip_address, listed))
        and len(set(map(names.is_ipv4, listed))) == 1
    ):
        yield fields.invalid("spec.clusterIPs", listed, "may specify no more than one IP for each IP family")


def validate_kept_addresses(after: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Cause]:
    """Addresses and families stay once they are set; the second of each goes with a change to a single stack."""
    for field in ("clusterIPs", "ipFamilies"):
        now, then = after.get(field) or (), before.get(field) or ()
        for index, value in enumerate(then):
            path = f"spec.{field}[{index}]"
            if index >= len(now):
                if index == 0:
                    yield fields.invalid(path, list(now), "may not be unset")
                elif after.get("ipFamilyPolicy") != "SingleStack":
                    kind = "cluster IP" if field == "clusterIPs" else "ipFamily"
                    why = f"must be 'SingleStack' to release the secondary {kind}"
                    yield fields.invalid("spec.ipFamilyPolicy", after.get("ipFamilyPolicy"), why)
            elif now[index] != value:
                yield fields.invalid(path, list(now), "may not change once set")


def _validate_load_balancer(spec: Mapping[str, Any], kind: str) -> Iterator[Cause]:
    path = "spec.loadBalancerSourceRanges"
    ranges = spec.get("loadBalancerSourceRanges") or ()
    if ranges and kind != services.LOAD_BALANCER:
        yield fields.forbidden(path, "may only be used when `type` is 'LoadBalancer'")
    for index, text in enumerate(ranges):
        yield from fields.all_invalid(f"{path}[{index}]", text, names.cidr(text.strip()))
    name = spec.get("loadBalancerClass")
    if name is not None and kind != services.LOAD_BALANCER:
        yield fields.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")
    elif name is not None:
        yield from fields.all_invalid("spec.loadBalancerClass", name, names.qualified_name(name))
    if spec.get("allocateLoadBalancerNodePorts") is not None and kind != services.LOAD_BALANCER:
        why = "may only be used when `type` is 'LoadBalancer'"
        yield fields.forbidden("spec.allocateLoadBalancerNodePorts", why)
    if spec.get("healthCheckNodePort") and not (
        kind == services.LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"
    ):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield fields.invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], why)


def validate_service_status(service: Object) -> Iterator[Cause]:
    """Addresses that a load balancer reports: the proxy makes rules of them."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for index, entry in enumerate(ingress):
        path = f"status.loadBalancer.ingress[{index}]"
        if ip := entry.get("ip"):
            yield from fields.all_invalid(f"{path}.ip", ip, names.ip_address(ip))
        mode = entry.get("ipMode")
        if mode is not None and mode not in ("Proxy", "VIP"):
            yield fields.not_supported(f"{path}.ipMode", mode, ("Proxy", "VIP"))
        if hostname := entry.get("hostname"):
            yield from fields.all_invalid(f"{path}.hostname", hostname, names.dns_subdomain(hostname))
            if not names.ip_address(hostname):
                yield fields.invalid(f"{path}.hostname", hostname, "must be a DNS name, not an IP address")


def _validate_policies(service: Object) -> Iterator[Cause]:
    spec = service.get("spec") or {}
    external, internal = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    if external and not services.is_external(service):
        why = "may only be set for externally-accessible services"
        yield fields.invalid("spec.externalTrafficPolicy", external, why)
    elif external and external not in ("Cluster", "Local"):
        yield fields.not_supported("spec.externalTrafficPolicy", external, ("Cluster", "Local"))
    if internal and internal not in ("Cluster", "Local"):
        yield fields.not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local"))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        yield fields.not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS)
    policy = spec.get("ipFamilyPolicy")
    if policy and policy not in FAMILY_POLICIES:
        yield fields.not_supported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in ("IPv4", "IPv6"):
            yield fields.not_supported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        elif family in spec["ipFamilies"][:index]:
            yield fields.duplicate(f"spec.ipFamilies[{index}]", family)
