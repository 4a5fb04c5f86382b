"""Definitions of custom resources: their structural schemas in the dialect of OpenAPI v2 or v3.

v2 cannot say everything: there a nullable field has no type, a field of unknown content no properties, and junctors that
speak of forbidden things go. https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/controller/openapi/builder
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema_definitions import REF_PREFIX

Raw = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TYPE_META = {
    "apiVersion": {
        "type": "string",
        "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
    },
    "kind": {
        "type": "string",
        "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
    },
}
_NESTED = ("properties", "items", "additionalProperties")
_NOT_IN_V2 = ("nullable", "oneOf", "anyOf", "allOf", "not", "x-kubernetes-validations")


@dataclass(frozen=True, slots=True)
class CustomKind:
    """One served version of a custom resource."""

    gvk: GVK
    list_kind: str
    schema: Raw


def definition_name(gvk: GVK) -> str:
    """`com.example.v1.Foo`: the group's parts reversed."""
    return ".".join([*reversed(gvk.group.split(".")), gvk.version, gvk.kind])


@dataclass(slots=True)
class CustomDefinitions:
    kinds: dict[str, CustomKind] = field(default_factory=dict)  # by name of the definition
    lists: dict[str, CustomKind] = field(default_factory=dict)

    @classmethod
    def of(cls, kinds: Iterable[CustomKind]) -> "CustomDefinitions":
        made = cls()
        for kind in kinds:
            made.kinds[definition_name(kind.gvk)] = kind
            made.lists[definition_name(kind.gvk._replace(kind=kind.list_kind))] = kind
        return made

    def name_of(self, gvk: GVK) -> str | None:
        name = definition_name(gvk)
        return name if name in self.kinds or name in self.lists else None

    def get(self, name: str, dialect: str) -> Raw | None:
        """With references as the release's definitions have them; None for a name that is none of ours."""
        if name in self.lists:
            return _list_schema(name, self.lists[name])
        kind = self.kinds.get(name)
        return None if kind is None else _root(kind, dialect)


def _gvk(gvk: GVK) -> list[Raw]:
    return [{"group": gvk.group, "kind": gvk.kind, "version": gvk.version}]


def _reference(name: str, description: str) -> Raw:
    return {"$ref": f"{REF_PREFIX}{_META}{name}", "description": description}


def _object_meta() -> Raw:
    more = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
    return _reference("ObjectMeta", f"Standard object's metadata. More info: {more}")


def _root(kind: CustomKind, dialect: str) -> Raw:
    schema = kind.schema
    if dialect == "v2" and schema.get("x-kubernetes-preserve-unknown-fields"):
        said: Raw = {"type": "object"}
    else:
        said = _said(schema, dialect)
        said["properties"] = {**said.get("properties", {}), **_TYPE_META, "metadata": _object_meta()}
    said["x-kubernetes-group-version-kind"] = _gvk(kind.gvk)
    return said


def _list_schema(name: str, kind: CustomKind) -> Raw:
    listed = kind.gvk._replace(kind=kind.list_kind)
    return {
        "type": "object",
        "description": f"{kind.list_kind} is a list of {kind.gvk.kind}",
        "required": ["items"],
        "properties": {
            **_TYPE_META,
            "items": {
                "type": "array",
                "description": f"List of {kind.gvk.kind.lower()}s. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                "items": {"$ref": REF_PREFIX + definition_name(kind.gvk)},
            },
            "metadata": _reference("ListMeta", "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"),
        },
        "x-kubernetes-group-version-kind": _gvk(listed),
    }  # fmt: skip


def _said(schema: Raw, dialect: str) -> Raw:
    said = {name: value for name, value in schema.items() if name not in _NESTED}
    if dialect == "v2":
        said = {name: value for name, value in said.items() if name not in _NOT_IN_V2}
        if schema.get("nullable"):
            said.pop("type", None)
            return said
        if schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields"):
            if schema.get("x-kubernetes-int-or-string"):
                said.pop("type", None)
            return said
    elif schema.get("x-kubernetes-int-or-string"):
        said.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    for name in ("items", "additionalProperties"):
        value = schema.get(name)
        if value is not None:
            said[name] = _said(value, dialect) if isinstance(value, dict) else value
    properties = schema.get("properties")
    if properties is not None:
        said["properties"] = {name: _said(value, dialect) for name, value in properties.items()}
    if schema.get("x-kubernetes-embedded-resource"):
        said["properties"] = {**said.get("properties", {}), **_TYPE_META, "metadata": _object_meta()}
    return said
