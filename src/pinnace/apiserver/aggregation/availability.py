"""Whether the server behind an APIService can be used: its Service, a ready endpoint, an answer to discovery.

Upstream: https://github.com/kubernetes/kube-aggregator/blob/master/pkg/controllers/status/remote/remote_available_controller.go
"""

from typing import Any

from pinnace.api import resources as r
from pinnace.api.apiregistration.apiservices import AVAILABLE
from pinnace.apimachinery import errors
from pinnace.apiserver.aggregation.registrations import Registered
from pinnace.apiserver.aggregation.transport import Transport, Unreachable, host_header
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.options import ListOptions
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.webhooks.services import SERVICE_NAME

Object = dict[str, Any]
_ATTEMPTS = 2


def condition(status: str, reason: str, message: str) -> Object:
    return {"type": AVAILABLE, "status": status, "reason": reason, "message": message}


PASSED = condition("True", "Passed", "all checks passed")


async def check(registries: Registries, transport: Transport, service: Registered) -> Object:
    """The condition Available of an APIService that names a Service."""
    namespace, name, port = service.service
    shown = f'service/{name} in "{namespace}"'
    try:
        found = (await registries.of(r.SERVICES).storage.get(name, namespace)).obj
    except errors.NotFound:
        return condition("False", "ServiceNotFound", f"{shown} is not present")
    spec = found.get("spec") or {}
    if spec.get("type") == "ClusterIP":
        entry = next((one for one in spec.get("ports") or () if one.get("port") == port), None)
        if entry is None:
            return condition("False", "ServicePortError", f"{shown} is not listening on port {port}")
        missing = await _missing_endpoints(registries, namespace, name, entry.get("name") or "")
        if missing is not None:
            return missing
    return await _ask(transport, service)


async def _missing_endpoints(
    registries: Registries, namespace: str, name: str, port_name: str
) -> Object | None:
    listed = await registries.of(r.ENDPOINT_SLICES).storage.list(ListOptions(Scope(namespace)))
    slices = [item.obj for item in listed.items if item.labels.get(SERVICE_NAME) == name]
    shown = f'service/{name} in "{namespace}"'
    if not slices:
        return condition("False", "EndpointsNotFound", f"cannot find endpointslices for {shown}")
    if not any(_serves(piece, port_name) for piece in slices):
        why = f'endpointslices for {shown} have no addresses with port name "{port_name}"'
        return condition("False", "MissingEndpoints", why)
    return None


def _serves(piece: Object, port_name: str) -> bool:
    is_ready = any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for endpoint in piece.get("endpoints") or ()
    )
    return is_ready and any(
        (port.get("name") or "") == port_name and port.get("port") for port in piece.get("ports") or ()
    )


async def _ask(transport: Transport, service: Registered) -> Object:
    """The server's certificate is not judged here, as upstream: requests that are passed on judge it."""
    shown = f"https://{host_header(service)}{service.path}"
    why = ""
    for _ in range(_ATTEMPTS):
        try:
            status, _, _ = await transport.get(service, service.path, verify=False)
        except Unreachable as error:
            why = str(error)
            continue
        if 200 <= status < 300:
            return PASSED
        why = f"bad status from {shown}: {status}"
    return condition("False", "FailedDiscoveryCheck", f"failing or missing response from {shown}: {why}")
