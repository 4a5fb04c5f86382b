"""A container's environment: literal values, references, whole config maps and secrets, service links, `$(VAR)`. Pure.

What a reference needs (config maps, secrets) is handed in; a missing one raises `ConfigError` in upstream's words.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\)?|)")

GetObject = Callable[[str, str], Object | None]  # (kind, name) -> ConfigMap or Secret of the pod's namespace


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`facts` holds what only the node knows (addresses), `allocatable` the node's resources, `links` the service links."""

    get: GetObject
    facts: Mapping[str, str]
    allocatable: Mapping[str, Any]
    links: Mapping[str, str]


class ConfigError(Exception):
    """The container cannot be configured: CreateContainerConfigError."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value if it has one; `$$` is a dollar sign; anything else stays."""

    def replace(match: re.Match[str]) -> str:
        whole, name = match[0], match[2]
        if whole == "$$":
            return "$"
        if name is None or not whole.endswith(")"):
            return whole
        return values.get(name, whole)

    return _REFERENCE.sub(replace, text)


def field_value(pod: Object, path: str, facts: Mapping[str, str]) -> str:
    """The value of a `fieldRef`; `facts` holds what only the node knows: pod and host addresses."""
    subscript = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if subscript:
        return (pod["metadata"].get(subscript[1]) or {}).get(subscript[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(pod["metadata"].get(path.removeprefix("metadata.")) or {})
    if path in facts:
        return facts[path]
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return pod["metadata"].get(path.removeprefix("metadata."), "")
    if path in ("spec.nodeName", "spec.serviceAccountName"):
        return pod["spec"].get(path.removeprefix("spec."), "")
    raise ConfigError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations as the downward API writes them: `key="escaped value"`, sorted."""
    return "\n".join(f"{key}={_go_quoted(values[key])}" for key in sorted(values))


def _go_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped.replace(chr(13), chr(92) + "r")}"'


def resource_value(
    pod: Object, reference: Mapping[str, Any], own: str, allocatable: Mapping[str, Any]
) -> str:
    """The value of a `resourceFieldRef`, rounded up to the divisor; limits that are not set are the node's allocatable."""
    container = pods.find_container(pod, reference.get("containerName") or own)
    if container is None:
        raise ConfigError(f"container {reference.get('containerName')} not found")
    side, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(side) or {}).get(name)
    if amount is None and side == "limits":
        amount = allocatable.get(name)
    value = quantity.parse(amount or "0")
    divisor = quantity.parse(reference.get("divisor") or "0")
    if not divisor:
        divisor = quantity.parse("1")
    return str(math.ceil(value / divisor))


def service_links(services: Iterable[Object], namespace: str) -> dict[str, str]:
    """HOST/PORT variables of the services in the pod's namespace, in the manner of Docker links."""
    env: dict[str, str] = {}
    for service in services:
        if meta.namespace(service) != namespace:
            continue
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
        if not address or address == "None" or not ports:
            continue
        prefix = meta.name(service).upper().replace("-", "_")
        env[f"{prefix}_SERVICE_HOST"] = address
        env[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                suffix = port["name"].upper().replace("-", "_")
                env[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
        host = f"[{address}]" if ":" in address else address
        for position, port in enumerate(ports):
            protocol = port.get("protocol") or "TCP"
            url = f"{protocol.lower()}://{host}:{port['port']}"
            if position == 0:
                env[f"{prefix}_PORT"] = url
            base = f"{prefix}_PORT_{port['port']}_{protocol}"
            env[base] = url
            env[f"{base}_PROTO"] = protocol.lower()
            env[f"{base}_PORT"] = str(port["port"])
            env[f"{base}_ADDR"] = address
    return env


def api_server_links(services: Iterable[Object]) -> dict[str, str]:
    """Every container finds the API server, whatever its namespace and `enableServiceLinks`."""
    master = [one for one in services if meta.key(one) == ("default", "kubernetes")]
    return service_links(master, "default")


def build(
    pod: Object,
    container: dict[str, Any],
    given: Surroundings,
) -> dict[str, str]:
    """The variables in the order in which they were decided; explicit ones win over `envFrom`, those over links."""
    links = given.links
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result.update(_from_whole(source, given.get))
    seen: dict[str, str] = {**links, **result}
    for entry in container.get("env") or ():
        value = _value(pod, container, entry, seen, given)
        if value is not None:
            result[entry["name"]] = seen[entry["name"]] = value
    return {**{name: value for name, value in links.items() if name not in result}, **result}


def _from_whole(source: dict[str, Any], get: GetObject) -> dict[str, str]:
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        reference = source.get(field)
        if reference is None:
            continue
        found = get(kind, reference["name"])
        if found is None:
            if reference.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        return {f"{source.get('prefix') or ''}{key}": text for key, text in _texts(found).items()}
    return {}


def _texts(found: Object) -> dict[str, str]:
    data = found.get("data") or {}
    if found.get("kind") == "Secret":
        import base64

        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def _value(
    pod: Object,
    container: dict[str, Any],
    entry: dict[str, Any],
    seen: Mapping[str, str],
    given: Surroundings,
) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value") or "", seen)
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"], given.facts)
    if "resourceFieldRef" in source:
        return resource_value(pod, source["resourceFieldRef"], container["name"], given.allocatable)
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if field in source:
            return _key_value(pod, source[field], kind, given.get)
    raise ConfigError(f"env {entry['name']} has an unsupported source")


def _key_value(pod: Object, reference: dict[str, Any], kind: str, get: GetObject) -> str | None:
    name, key, optional = reference["name"], reference["key"], reference.get("optional")
    found = get(kind, name)
    if found is None:
        if optional:
            return None
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    texts = _texts(found)
    if key not in texts:
        if optional:
            return None
        raise ConfigError(f"couldn't find key {key} in {kind} {meta.namespace(pod)}/{name}")
    return texts[key]
