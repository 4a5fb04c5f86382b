"""What `valueFrom` of an environment variable leads to: config maps, secrets, fields of the pod, resources of a container."""

import base64
import re
from decimal import ROUND_CEILING
from typing import Any

from pinnace.apimachinery import quantity
from pinnace.cli.errors import CliError
from pinnace.cli.session import Session

Object = dict[str, Any]


def reference_text(source: Object) -> str:
    if ref := source.get("configMapKeyRef"):
        return f"configmap {ref['name']}, key {ref['key']}"
    if ref := source.get("secretKeyRef"):
        return f"secret {ref['name']}, key {ref['key']}"
    if ref := source.get("resourceFieldRef"):
        prefix = f"{ref['containerName']}/" if ref.get("containerName") else ""
        return f"resource field {prefix}{ref['resource']}"
    if ref := source.get("fieldRef"):
        return f"field path {ref['fieldPath']}"
    return "invalid valueFrom"


class EnvValues:
    """Each config map and secret is asked for once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._read: dict[tuple[str, str], Object] = {}

    def of(self, source: Object, obj: Object, container: Object) -> str:
        """Raises CliError when it leads nowhere."""
        if ref := source.get("configMapKeyRef"):
            return self._value("configmaps", ref)
        if ref := source.get("secretKeyRef"):
            return base64.b64decode(self._value("secrets", ref)).decode(errors="replace")
        if ref := source.get("resourceFieldRef"):
            return _resource(ref, obj, container)
        if ref := source.get("fieldRef"):
            return _field(ref["fieldPath"], obj)
        raise CliError("invalid valueFrom")

    def _value(self, kind: str, ref: Object) -> str:
        where = kind, ref["name"]
        if where not in self._read:
            path = f"/api/v1/namespaces/{self._session.namespace}/{kind}/{ref['name']}"
            self._read[where] = self._session.http.get(path).get("data") or {}
        data = self._read[where]
        if ref["key"] not in data:
            raise CliError(f"key {ref['key']} not found in {kind.removesuffix('s')} {ref['name']}")
        return str(data[ref["key"]])


def _field(path: str, obj: Object) -> str:
    """`metadata.name`, `metadata.labels['a']`, `metadata.labels` (all, a line each), `spec.nodeName`, `status.podIP`."""
    match = re.fullmatch(r"(\w+)\.(\w+)(?:\['(.*)'\])?", path)
    if match is None:
        raise CliError(f"unsupported fieldPath: {path}")
    value = (obj.get(match[1]) or {}).get(match[2])
    if match[3] is not None:
        return str((value or {}).get(match[3], ""))
    if isinstance(value, dict):
        return "\n".join(f'{key}="{value[key]}"' for key in sorted(value))
    return "" if value is None else str(value)


def _resource(ref: Object, obj: Object, container: Object) -> str:
    """`limits.cpu` and so on, in units of the divisor, rounded up."""
    if name := ref.get("containerName"):
        spec = obj.get("spec") or {}
        spec = spec if "containers" in spec else (spec.get("template") or {}).get("spec") or {}
        found = [
            c for part in ("containers", "initContainers") for c in spec.get(part) or () if c["name"] == name
        ]
        if not found:
            raise CliError(f"container {name} not found")
        container = found[0]
    part, _, resource = ref["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(part) or {}).get(resource, "0")
    divisor = quantity.parse(ref.get("divisor") or "1") or quantity.parse("1")
    return str(int((quantity.parse(amount) / divisor).to_integral_value(rounding=ROUND_CEILING)))
