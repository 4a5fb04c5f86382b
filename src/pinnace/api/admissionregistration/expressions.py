"""The environments in which the expressions of policies and match conditions are compiled, here and where they are evaluated.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/cel/compile.go
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery import cel
from pinnace.apimachinery.cel import Field, Type
from pinnace.apimachinery.cel.library import json_patch_functions
from pinnace.apimachinery.cel.library.authorization import ResourceCheck
from pinnace.apimachinery.errors import Cause

_TEXTS = cel.map_of(cel.STRING, cel.STRING)
_NAMES = cel.list_of(cel.STRING)


def _struct(name: str, members: Mapping[str, Type]) -> Type:
    return cel.object_type(name, {key: Field(kind, key) for key, kind in members.items()})


@cache
def request_type() -> Type:
    """`request`: the AdmissionRequest without the object."""
    kind = _struct("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), cel.STRING))
    resource = _struct(
        "kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), cel.STRING)
    )
    user = _struct(
        "kubernetes.UserInfo",
        {
            "username": cel.STRING,
            "uid": cel.STRING,
            "groups": _NAMES,
            "extra": cel.map_of(cel.STRING, _NAMES),
        },
    )
    texts = dict.fromkeys(("subResource", "requestSubResource", "name", "namespace", "operation"), cel.STRING)
    members = {
        **texts, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource, "userInfo": user,
        "dryRun": cel.BOOL, "options": cel.DYN,
    }  # fmt: skip
    return _struct("kubernetes.AdmissionRequest", members)


@cache
def namespace_type() -> Type:
    """`namespaceObject`: what of a Namespace expressions may see."""
    metadata = _struct(
        "kubernetes.NamespaceMetadata",
        {
            **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), cel.STRING),
            "labels": _TEXTS, "annotations": _TEXTS, "finalizers": _NAMES, "generation": cel.INT,
            "deletionGracePeriodSeconds": cel.INT, "creationTimestamp": cel.TIMESTAMP, "deletionTimestamp": cel.TIMESTAMP,
        },
    )  # fmt: skip
    spec = _struct("kubernetes.NamespaceSpec", {"finalizers": _NAMES})
    status = _struct("kubernetes.NamespaceStatus", {"phase": cel.STRING})
    return _struct("kubernetes.Namespace", {"metadata": metadata, "spec": spec, "status": status})


JSON_PATCH = cel.object_type(
    "JSONPatch",
    {
        name: Field(cel.DYN if name == "value" else cel.STRING, name)
        for name in ("op", "path", "from", "value")
    },
    creatable=True,
)
JSON_PATCHES = cel.list_of(JSON_PATCH)


def _mutation_type(name: str) -> Type | None:
    """`JSONPatch`, `Object`, and `Object.spec.template` for each path of fields: their fields are checked on application."""
    if name == "JSONPatch":
        return JSON_PATCH
    if name == "Object" or name.startswith("Object."):
        return cel.object_type(name, lambda key: Field(cel.DYN, cel.unescape(key)), creatable=True)
    return None


APPLY_CONFIGURATION = cel.object_type("Object", {})


@dataclass(slots=True)
class Scope:
    """What the expressions of one policy may name. `variables` grows as they are compiled, one after the other."""

    has_params: bool = False
    is_mutation: bool = False
    object: Type = cel.DYN
    params: Type = cel.DYN
    variables: dict[str, Type] = field(default_factory=dict)

    def environment(self, *, authorizer: bool = True, composed: bool = True) -> cel.Environment:
        """`composed`: whether `variables` may be named, which match conditions may not."""
        known: dict[str, Type] = {
            "object": self.object, "oldObject": self.object, "request": request_type(), "namespaceObject": namespace_type(),
        }  # fmt: skip
        if self.has_params:
            known["params"] = self.params
        if authorizer:
            known["authorizer"] = cel.Authorizer.cel_type
            known["authorizer.requestResource"] = ResourceCheck.cel_type
        if composed and self.variables:
            known["variables"] = _struct("kubernetes.variables", self.variables)
        if not self.is_mutation:
            return cel.Environment(known)
        return cel.Environment(known, find_type=_mutation_type, extra_functions=json_patch_functions())

    def add_variable(self, name: str, source: str) -> cel.Program:
        """Raises CompileError; the variable is known to later expressions either way."""
        self.variables.setdefault(name, cel.DYN)
        visible = {key: kind for key, kind in self.variables.items() if key != name}
        program = (
            Scope(self.has_params, self.is_mutation, self.object, self.params, visible)
            .environment()
            .compile(source)
        )
        self.variables[name] = program.type
        return program


def validate(
    env: cel.Environment,
    source: str,
    path: str,
    result: Type | tuple[Type, ...] | None,
    *,
    shown: str | None = None,
) -> Iterator[Cause]:
    """A finding in upstream's words when the expression does not compile."""
    try:
        env.compile(source, result)
    except cel.CompileError as error:
        yield fields.invalid(path, source if shown is None else shown, explained(error))


def explained(error: cel.CompileError) -> str:
    return str(error) if isinstance(error, cel.ResultTypeError) else f"compilation failed: {error}"


def validate_match_condition(source: str, path: str, *, has_params: bool = False) -> Iterator[Cause]:
    """An expression of `matchConditions`, of a webhook or (with params) of a policy."""
    yield from validate(Scope(has_params).environment(composed=False), source, path, cel.BOOL)


def validate_variable(scope: Scope, variable: Mapping[str, Any], path: str) -> Iterator[Cause]:
    source = variable.get("expression") or ""
    try:
        scope.add_variable(variable.get("name") or "", source)
    except cel.CompileError as error:
        yield fields.invalid(path, source, explained(error))
