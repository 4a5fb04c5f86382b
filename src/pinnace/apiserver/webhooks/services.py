"""Where a Service answers: one of its ready endpoints, as the server's own connections to extension servers use it."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.storage.options import ListOptions
from pinnace.apiserver.storage.scope import Scope

if TYPE_CHECKING:
    from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"


class Unresolved(Exception):
    """In upstream's words: the Service is missing, has no such port, or nothing behind it is ready."""


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int


async def resolve(registries: "Registries", namespace: str, name: str, port: int) -> Target:
    """Address and port to connect to for port `port` of a Service. Raises Unresolved."""
    try:
        service = (await registries.of(r.SERVICES).storage.get(name, namespace)).obj
    except errors.NotFound as error:
        raise Unresolved(f'service "{name}" not found') from error
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            raise Unresolved(f'no external name for service "{name}"')
        return Target(spec["externalName"], port)
    wanted = next((entry for entry in spec.get("ports") or () if entry.get("port") == port), None)
    if wanted is None:
        raise Unresolved(f'no service port {port} found for service "{name}"')
    choices = await ready_targets(registries, namespace, name, wanted.get("name") or "")
    if not choices:
        raise Unresolved(f'no endpoints available for service "{name}"')
    return random.choice(choices)


async def ready_targets(registries: "Registries", namespace: str, name: str, port_name: str) -> list[Target]:
    """What the EndpointSlices of the Service list as ready; its Endpoints where it has no slices."""
    slices = await registries.of(r.ENDPOINT_SLICES).storage.list(ListOptions(Scope(namespace)))
    of_service = [item.obj for item in slices.items if item.labels.get(SERVICE_NAME) == name]
    if of_service:
        return list(dict.fromkeys(target for piece in of_service for target in _of_slice(piece, port_name)))
    try:
        endpoints = (await registries.of(r.ENDPOINTS).storage.get(name, namespace)).obj
    except errors.NotFound:
        return []
    return [
        Target(address["ip"], entry["port"])
        for subset in endpoints.get("subsets") or ()
        for entry in subset.get("ports") or ()
        if (entry.get("name") or "") == port_name
        for address in subset.get("addresses") or ()
    ]


def _of_slice(piece: Object, port_name: str) -> list[Target]:
    ports = [
        entry["port"]
        for entry in piece.get("ports") or ()
        if (entry.get("name") or "") == port_name and entry.get("port")
    ]
    return [
        Target(endpoint["addresses"][0], port)
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses")
        for port in ports
    ]
