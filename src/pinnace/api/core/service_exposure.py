"""Validation of how a service is reached from outside, and advice about fields that mean nothing where they stand."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core import services
from pinnace.api.core.endpoints import validate_endpoint_ip
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

KUBELET_PORT = 10250
_ONCE = "may not change once set"


def validate_exposure(spec: Mapping[str, Any]) -> Iterator[Cause]:
    kind = spec.get("type")
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        if not names.ip_address(ip):  # said elsewhere
            yield from validate_endpoint_ip(ip, f"spec.externalIPs[{index}]")
    if kind == services.LOAD_BALANCER:
        for index, port in enumerate(spec.get("ports") or ()):
            if port.get("port") == KUBELET_PORT:
                why = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
                yield fields.invalid(f"spec.ports[{index}]", KUBELET_PORT, why)
    if kind == services.EXTERNAL_NAME:
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield fields.forbidden(f"spec.{field}", "may not be set for ExternalName services")


def validate_exposure_update(new: Object, old: Object) -> Iterator[Cause]:
    """What a load balancer was told once: which implementation it is, and where its health is asked."""
    after, before = new["spec"], old["spec"]
    if after.get("type") != services.LOAD_BALANCER or before.get("type") != services.LOAD_BALANCER:
        return
    if after.get("loadBalancerClass") != before.get("loadBalancerClass"):
        yield fields.invalid("spec.loadBalancerClass", after.get("loadBalancerClass"), _ONCE)
    asks_health = after.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
    if asks_health and after.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        yield fields.forbidden("spec.healthCheckNodePort", fields.IMMUTABLE)


def service_warnings(service: Object) -> Iterator[str]:
    spec = service.get("spec") or {}
    if spec.get("clusterIP") != services.HEADLESS:
        return
    for field in ("loadBalancerIP", "externalIPs"):
        if spec.get(field):
            yield f'spec.{field} is ignored when spec.clusterIP is "None"'
    if spec.get("sessionAffinity") not in (None, "None"):
        yield 'spec.SessionAffinity is ignored when spec.clusterIP is "None"'
