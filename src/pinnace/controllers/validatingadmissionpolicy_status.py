"""validatingadmissionpolicy-status: type-checks the expressions of policies against the kinds that they match.

A policy works on objects of any kind, so its expressions are compiled without types; what would fail on a kind that its rules
name is told in `status.typeChecking`. It never changes what the policy does. Upstream:
https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/validatingadmissionpolicystatus/controller.go
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS, TABLE, VALIDATING_ADMISSION_POLICIES
from pinnace.apimachinery.gvk import GVK, GVR, parse_api_version
from pinnace.controllers.runtime import Action, Controller, SetStatus, World

if TYPE_CHECKING:
    from pinnace.apimachinery.cel import Type

MOST_TYPES = 10  # of each rule


def reconcile(policy: Object, world: World) -> Iterator[Action]:
    if not is_unchecked(None, policy):
        return
    found = list(warnings(policy, world))
    status = dict(policy.get("status") or {})
    status["observedGeneration"] = policy["metadata"].get("generation", 0)
    status["typeChecking"] = {"expressionWarnings": found} if found else {}
    yield SetStatus(policy, status)


def is_unchecked(_: Object | None, policy: Object) -> bool:
    observed = (policy.get("status") or {}).get("observedGeneration") or 0
    return not meta.is_terminating(policy) and observed < policy["metadata"].get("generation", 0)


def warnings(policy: Object, world: World) -> Iterator[Object]:
    """ExpressionWarnings: for each expression the kinds on which it cannot work."""
    spec = policy["spec"]
    typed = [(gvk, kind) for gvk in kinds_of(spec, world) if (kind := type_of(gvk, world)) is not None]
    for index, validation in enumerate(spec.get("validations") or ()):
        for member in ("expression", "messageExpression"):
            if not (source := validation.get(member)):
                continue
            texts = [
                f"{gvk.api_version}, Kind={gvk.kind}: {problem}\n"
                for gvk, kind in typed
                if (problem := problem_of(source, spec, kind, world))
            ]
            if texts:
                yield {"fieldRef": f"spec.validations[{index}].{member}", "warning": "\n".join(texts)}


def problem_of(source: str, spec: Object, kind: "Type", world: World) -> str:
    """Why the expression does not fit objects of this type; "" when it does."""
    from pinnace.api.admissionregistration.expressions import Scope
    from pinnace.apimachinery import cel

    param = spec.get("paramKind")
    params: Type | None = None
    if param is not None:
        params = type_of(GVK(*parse_api_version(param["apiVersion"]), param["kind"]), world)
    scope = Scope(param is not None, object=kind, params=params or cel.DYN)
    for variable in spec.get("variables") or ():
        try:
            scope.add_variable(variable["name"], variable["expression"])
        except cel.CompileError:
            continue  # the variable is dynamic then
    try:
        scope.environment().compile(source)
    except cel.CompileError as error:
        return str(error)
    return ""


def kinds_of(spec: Object, world: World) -> list[GVK]:
    """The kinds that the policy's rules name; none for a rule with wildcards in groups or versions."""
    found: set[GVK] = set()
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = _plain(rule.get("apiGroups")), _plain(rule.get("apiVersions"))
        resources = sorted(name for name in rule.get("resources") or () if not set("*/") & set(name))
        named = [
            gvk
            for parts in product(groups, versions, resources)
            if (gvk := kind_of(GVR(*parts), world)) is not None
        ]
        found.update(named[:MOST_TYPES])
    return sorted(found)


def _plain(values: Sequence[str] | None) -> list[str]:
    return [] if any("*" in value for value in values or ()) else sorted(values or ())


def kind_of(gvr: GVR, world: World) -> GVK | None:
    for row in TABLE:
        if row.gvr == gvr:
            return row.gvk
    definition = world.get(CUSTOM_RESOURCE_DEFINITIONS, f"{gvr.resource}.{gvr.group}")
    if definition is not None and _version(definition, gvr.version) is not None:
        return GVK(gvr.group, gvr.version, definition["spec"]["names"]["kind"])
    return None


def type_of(gvk: GVK, world: World) -> "Type | None":
    """The type of a built-in kind or of a custom resource; None when its schema is not known."""
    from pinnace.apimachinery import cel
    from pinnace.apimachinery.schema import schemas

    schema = schemas.for_gvk(gvk)
    if schema is not None:
        return cel.type_of_schema(schema, gvk.kind)
    for definition in world.all(CUSTOM_RESOURCE_DEFINITIONS):
        spec = definition["spec"]
        if spec["group"] == gvk.group and spec["names"]["kind"] == gvk.kind:
            version = _version(definition, gvk.version)
            raw = ((version or {}).get("schema") or {}).get("openAPIV3Schema")
            return cel.type_of_structural(raw, is_root=True) if raw else None
    return None


def _version(definition: Object, name: str) -> dict[str, Any] | None:
    return next(
        (v for v in definition["spec"].get("versions") or () if v["name"] == name and v.get("served")), None
    )


CONTROLLER = Controller(
    name="validatingadmissionpolicy-status",
    source="validatingadmissionpolicy-status",
    primary=VALIDATING_ADMISSION_POLICIES,
    reconcile=reconcile,
    reads=(CUSTOM_RESOURCE_DEFINITIONS,),
    concerns=is_unchecked,
    workers=1,
)
