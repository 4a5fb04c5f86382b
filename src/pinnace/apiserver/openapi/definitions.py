"""The definitions behind a set of kinds, in the dialect of OpenAPI v2 or v3.

The package's definitions are JSON Schema: nullable types, references with siblings, unions of scalars. Both dialects say
these differently. The metrics kinds, which the package lacks, stand here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema_definitions import REF_PREFIX, Definitions
from pinnace.apiserver.openapi.custom import CustomDefinitions

Raw = dict[str, Any]
Dialect = Literal["v2", "v3"]

PLACES: dict[Dialect, str] = {"v2": "#/definitions/", "v3": "#/components/schemas/"}
_SCALAR_UNIONS: dict[Dialect, dict[str, Raw]] = {
    "v2": {"integer": {"type": "string", "format": "int-or-string"}, "number": {"type": "string"}},
    "v3": {
        "integer": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        "number": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    },
}

_METRICS = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TEXT: Raw = {"type": "string"}


def _ref(name: str, description: str) -> Raw:
    return {"$ref": REF_PREFIX + name, "description": description}


def _kind(name: str, properties: Raw, description: str) -> Raw:
    head = {"apiVersion": _TEXT, "kind": _TEXT}
    gvk = {"group": "metrics.k8s.io", "version": "v1beta1", "kind": name}
    return {
        "type": "object",
        "description": description,
        "properties": {**head, **properties},
        "x-kubernetes-group-version-kind": [gvk],
    }


def _metrics() -> dict[str, Raw]:
    usage: Raw = {
        "type": "object",
        "description": "Used amounts by resource: cpu in cores, memory as the working set in bytes.",
        "additionalProperties": {"$ref": REF_PREFIX + "io.k8s.apimachinery.pkg.api.resource.Quantity"},
    }
    measured: Raw = {
        "metadata": _ref(f"{_META}ObjectMeta", "Standard object's metadata."),
        "timestamp": _ref(f"{_META}Time", "The end of the interval that was measured."),
        "window": {"type": "string", "description": "The length of the interval that was measured."},
    }
    containers: Raw = {
        "type": "array",
        "description": "The metrics of each container.",
        "items": {"$ref": f"{REF_PREFIX}{_METRICS}ContainerMetrics"},
    }

    def listed(name: str) -> Raw:
        items: Raw = {"type": "array", "items": {"$ref": f"{REF_PREFIX}{_METRICS}{name}"}}
        metadata = _ref(f"{_META}ListMeta", "Standard list metadata.")
        return _kind(f"{name}List", {"metadata": metadata, "items": items}, f"A list of {name}.")

    return {
        f"{_METRICS}ContainerMetrics": {
            "type": "object",
            "description": "Resource usage of a container.",
            "properties": {"name": _TEXT, "usage": usage},
        },
        f"{_METRICS}NodeMetrics": _kind(
            "NodeMetrics", {**measured, "usage": usage}, "Resource usage of a node."
        ),
        f"{_METRICS}PodMetrics": _kind(
            "PodMetrics", {**measured, "containers": containers}, "Resource usage of a pod."
        ),
        f"{_METRICS}NodeMetricsList": listed("NodeMetrics"),
        f"{_METRICS}PodMetricsList": listed("PodMetrics"),
    }


class DialectDefinitions:
    """Definitions of the release in one dialect; nothing is kept."""

    def __init__(
        self, definitions: Definitions, dialect: Dialect, custom: CustomDefinitions | None = None
    ) -> None:
        self._definitions, self._dialect = definitions, dialect
        self._custom = custom or CustomDefinitions()
        self._extra = _metrics()

    def name_of(self, gvk: GVK) -> str | None:
        name = self._definitions.name_of(gvk)
        if name is None and f"{_METRICS}{gvk.kind}" in self._extra and gvk.group == "metrics.k8s.io":
            return f"{_METRICS}{gvk.kind}"
        return name or self._custom.name_of(gvk)

    def ref(self, name: str) -> Raw:
        return {"$ref": PLACES[self._dialect] + name}

    def closure(self, names: Iterable[str]) -> dict[str, Raw]:
        """These definitions and all that they refer to, sorted by name."""
        found: dict[str, Raw] = {}
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                own = self._custom.get(name, self._dialect)
                if own is not None:  # said in this dialect already, but for its references
                    pending += _references(own)
                    found[name] = self._referring(own)
                    continue
                raw = self._extra.get(name) or self._definitions.get(name)
                pending += _references(raw)
                found[name] = self._said(raw)
        return dict(sorted(found.items()))

    def _referring(self, raw: Any) -> Any:
        if isinstance(raw, list):
            return [self._referring(item) for item in raw]
        if not isinstance(raw, dict):
            return raw
        if isinstance(raw.get("$ref"), str):
            return self._reference(raw)
        return {key: self._referring(value) for key, value in raw.items()}

    def _said(self, raw: Raw) -> Raw:
        """One schema in this dialect."""
        if "$ref" in raw:
            return self._reference(raw)
        result: Raw = {}
        for key, value in raw.items():
            match key:
                case "type":
                    result["type"] = (
                        value if isinstance(value, str) else next(one for one in value if one != "null")
                    )
                case "properties":
                    result["properties"] = {name: self._property(name, item) for name, item in value.items()}
                case "items" | "additionalProperties" if isinstance(value, dict):
                    result[key] = self._said(value)
                case "oneOf":
                    kinds = {
                        one for option in value for one in option["type"] if one not in ("null", "string")
                    }
                    result.update(_SCALAR_UNIONS[self._dialect][kinds.pop()])
                case _:
                    result[key] = value
        return result

    def _property(self, name: str, raw: Raw) -> Raw:
        said = self._said(raw)
        if name in ("apiVersion", "kind"):
            said.pop("enum", None)  # the package's own addition
        return said

    def _reference(self, raw: Raw) -> Raw:
        """OpenAPI v3 ignores the siblings of a reference, so that they need a wrapper."""
        ref = self.ref(raw["$ref"].removeprefix(REF_PREFIX))
        siblings = {key: value for key, value in raw.items() if key != "$ref"}
        if self._dialect == "v2" or not siblings:
            return {**ref, **siblings}
        return {"allOf": [ref], **siblings}


def _references(raw: Any) -> Iterator[str]:
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REF_PREFIX)
            else:
                yield from _references(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from _references(item)
