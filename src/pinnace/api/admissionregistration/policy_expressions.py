"""The expressions of policies: each is compiled where it stands. Imported only when a policy is written."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.admissionregistration import expressions
from pinnace.api.admissionregistration.expressions import Scope
from pinnace.apimachinery import cel
from pinnace.apimachinery.cel.lexer import RESERVED
from pinnace.apimachinery.errors import Cause

Part = Mapping[str, Any]
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_MOST_ANNOTATIONS = 20
_LONGEST_ANNOTATION = 5 * 1024
_PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
_EITHER = "validations or auditAnnotations must contain at least one item"


def check_validating(spec: Part, name: str) -> Iterator[Cause]:
    scope = Scope(has_params=spec.get("paramKind") is not None)
    yield from _check_variables(spec, scope)
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        yield fields.required("spec.validations", _EITHER)
        yield fields.required("spec.auditAnnotations", _EITHER)
        return
    for index, validation in enumerate(validations):
        yield from _check_validation(validation, scope, f"spec.validations[{index}]")
    if len(annotations) > _MOST_ANNOTATIONS:
        why = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        yield fields.invalid("spec.auditAnnotations", annotations, why)
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        path, key = f"spec.auditAnnotations[{index}]", annotation.get("key") or ""
        yield from _check_annotation(annotation, name, scope, path)
        if key in seen:
            yield fields.duplicate(f"{path}.key", key)
        seen.add(key)


def check_mutating(spec: Part) -> Iterator[Cause]:
    scope = Scope(has_params=spec.get("paramKind") is not None, is_mutation=True)
    yield from _check_variables(spec, scope)
    mutations = spec.get("mutations") or []
    if not mutations:
        yield fields.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        yield from _check_mutation(mutation, scope, f"spec.mutations[{index}]")


def _check_variables(spec: Part, scope: Scope) -> Iterator[Cause]:
    for index, variable in enumerate(spec.get("variables") or ()):
        path, name = f"spec.variables[{index}]", variable.get("name") or ""
        if not name.strip():
            yield fields.required(f"{path}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name) or name in RESERVED or name in ("true", "false", "null", "in"):
            yield fields.invalid(f"{path}.name", name, "name is not a valid CEL identifier")
        elif name in scope.variables:
            yield fields.duplicate(f"{path}.name", name)
        if not (variable.get("expression") or "").strip():
            yield fields.required(f"{path}.expression", "expression is not specified")
        else:
            yield from expressions.validate_variable(scope, variable, f"{path}.expression")


def _check_validation(validation: Part, scope: Scope, path: str) -> Iterator[Cause]:
    source = validation.get("expression") or ""
    if not source.strip():
        yield fields.required(f"{path}.expression", "expression is not specified")
    else:
        yield from expressions.validate(scope.environment(), source, f"{path}.expression", cel.BOOL)
    message_source = validation.get("messageExpression") or ""
    if message_source and not message_source.strip():
        yield fields.invalid(f"{path}.messageExpression", message_source, "must be non-empty if specified")
    elif message_source:
        env = scope.environment(authorizer=False)
        yield from expressions.validate(env, message_source, f"{path}.messageExpression", cel.STRING)
    message = validation.get("message") or ""
    if message and not message.strip():
        yield fields.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip() or "\r" in message.strip():
        yield fields.invalid(f"{path}.message", message, "message must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        yield fields.not_supported(f"{path}.reason", reason, _REASONS)


def _check_annotation(annotation: Part, name: str, scope: Scope, path: str) -> Iterator[Cause]:
    key, source = annotation.get("key") or "", (annotation.get("valueExpression") or "").strip()
    if name:
        whole = f"{name}/{key}"
        yield from fields.all_invalid(f"{path}.key", whole, names.qualified_name(whole))
    else:
        yield fields.invalid(f"{path}.key", key, "requires metadata.name be non-empty")
    if not source:
        yield fields.required(f"{path}.valueExpression", "valueExpression is not specified")
    elif len(source) > _LONGEST_ANNOTATION:
        why = f"must not exceed {_LONGEST_ANNOTATION} bytes in length"
        yield fields.required(f"{path}.valueExpression", why)
    else:
        yield from expressions.validate(
            scope.environment(), source, f"{path}.valueExpression", (cel.STRING, cel.NULL),
            shown=annotation["valueExpression"],
        )  # fmt: skip


def _check_mutation(mutation: Part, scope: Scope, path: str) -> Iterator[Cause]:
    kind = mutation.get("patchType") or ""
    if not kind:
        yield fields.required(f"{path}.patchType")
        return
    if kind not in _PATCH_TYPES:
        yield fields.not_supported(f"{path}.patchType", kind, _PATCH_TYPES)
        return
    for each, member, result in (
        ("ApplyConfiguration", "applyConfiguration", expressions.APPLY_CONFIGURATION),
        ("JSONPatch", "jsonPatch", expressions.JSON_PATCHES),
    ):
        given = mutation.get(member)
        if each != kind:
            if given is not None:
                yield fields.invalid(
                    f"{path}.{member}", given, f"must not be specified when patchType is {kind}"
                )
            continue
        if given is None:
            yield fields.required(f"{path}.{member}", f"must be specified when patchType is {kind}")
            continue
        source = given.get("expression") or ""
        if not source.strip():
            yield fields.required(f"{path}.{member}.expression", "expression is not specified")
        else:
            yield from expressions.validate(
                scope.environment(), source, f"{path}.{member}.expression", result
            )
