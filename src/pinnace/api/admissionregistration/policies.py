"""ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings: defaults and rules.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/admissionregistration/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, label_selectors, names
from pinnace.api.admissionregistration import rules
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

Part = Mapping[str, Any]
_FAILURE_POLICIES = ("Fail", "Ignore")
_MATCH_POLICIES = ("Equivalent", "Exact")
_REINVOCATION_POLICIES = ("IfNeeded", "Never")
_ACTIONS = ("Audit", "Deny", "Warn")
_MOST_CONDITIONS = 64


class PolicyStrategy(Strategy):
    """What both kinds of policy share."""

    allows_unconditional_update = False
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
        if (constraints := spec.get("matchConstraints")) is not None:
            _default_resources(constraints)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(self.check(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(self.check(new, old))

    def check(self, obj: Object, old: Object | None = None) -> Iterator[Cause]:
        raise NotImplementedError


class ValidatingAdmissionPolicyStrategy(PolicyStrategy):
    def check(self, obj: Object, old: Object | None = None) -> Iterator[Cause]:
        from pinnace.api.admissionregistration import policy_expressions as expressions

        spec = obj.get("spec") or {}
        yield from _check_common(spec, old)
        yield from expressions.check_validating(spec, obj["metadata"].get("name") or "")

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(_check_status(new.get("status") or {}))


class MutatingAdmissionPolicyStrategy(PolicyStrategy):
    def check(self, obj: Object, old: Object | None = None) -> Iterator[Cause]:
        from pinnace.api.admissionregistration import policy_expressions as expressions

        spec = obj.get("spec") or {}
        yield from _check_common(spec, old)
        yield from expressions.check_mutating(spec)
        reinvocation = spec.get("reinvocationPolicy")
        if not reinvocation:
            yield fields.required("spec.reinvocationPolicy")
        elif reinvocation not in _REINVOCATION_POLICIES:
            yield fields.not_supported("spec.reinvocationPolicy", reinvocation, _REINVOCATION_POLICIES)


class BindingStrategy(Strategy):
    """What both kinds of binding share."""

    allows_unconditional_update = False
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if (resources := spec.get("matchResources")) is not None:
            _default_resources(resources)
        if (reference := spec.get("paramRef")) is not None:
            reference["parameterNotFoundAction"] = reference.get("parameterNotFoundAction") or "Deny"

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(self.check(obj.get("spec") or {}))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(self.check(new.get("spec") or {}))

    def check(self, spec: Part) -> Iterator[Cause]:
        name = spec.get("policyName") or ""
        if not name:
            yield fields.required("spec.policyName")
        else:
            yield from fields.all_invalid("spec.policyName", name, names.dns_subdomain(name))
        if (reference := spec.get("paramRef")) is not None:
            yield from _check_param_ref(reference, "spec.paramRef")
        if (resources := spec.get("matchResources")) is not None:
            yield from _check_resources(resources, "spec.matchResources")


class ValidatingAdmissionPolicyBindingStrategy(BindingStrategy):
    def check(self, spec: Part) -> Iterator[Cause]:
        yield from super().check(spec)
        yield from _check_actions(spec.get("validationActions") or [], "spec.validationActions")


def _default_resources(resources: Object) -> None:
    resources["matchPolicy"] = resources.get("matchPolicy") or "Equivalent"
    for selector in ("namespaceSelector", "objectSelector"):
        resources.setdefault(selector, {})
    for kind in ("resourceRules", "excludeResourceRules"):
        for rule in resources.get(kind) or ():
            rules.set_defaults(rule)


def _check_common(spec: Part, old: Object | None) -> Iterator[Cause]:
    policy = spec.get("failurePolicy")
    if policy not in _FAILURE_POLICIES:
        yield fields.not_supported("spec.failurePolicy", policy, _FAILURE_POLICIES)
    if (kind := spec.get("paramKind")) is not None:
        yield from _check_param_kind(kind, "spec.paramKind")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield fields.required("spec.matchConstraints")
    else:
        yield from _check_resources(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield fields.required("spec.matchConstraints.resourceRules")
    conditions, before = spec.get("matchConditions") or [], ((old or {}).get("spec") or {})
    unchanged = (
        old is not None
        and conditions == (before.get("matchConditions") or [])
        and (spec.get("paramKind") is None) == (before.get("paramKind") is None)
    )
    if not unchanged:
        yield from _check_conditions(conditions, "spec.matchConditions", spec.get("paramKind") is not None)


def _check_param_kind(kind: Part, path: str) -> Iterator[Cause]:
    api_version = kind.get("apiVersion") or ""
    group, slash, version = api_version.rpartition("/")
    if not api_version:
        yield fields.required(f"{path}.apiVersion")
    elif "/" in group:
        yield fields.invalid(
            f"{path}.apiVersion", api_version, f"unexpected GroupVersion string: {api_version}"
        )
    else:
        if slash and group and (found := names.dns_subdomain(group)):
            yield fields.invalid(f"{path}.apiVersion", group, ",".join(found))
        if not version:
            yield fields.invalid(f"{path}.apiVersion", api_version, "version must be specified")
        elif found := names.dns_1035_label(version):
            yield fields.invalid(f"{path}.apiVersion", version, ",".join(found))
    name = kind.get("kind") or ""
    if not name:
        yield fields.required(f"{path}.kind")
    elif found := names.dns_1035_label(name.lower()):
        why = f"may have mixed case, but should otherwise match: {','.join(found)}"
        yield fields.invalid(f"{path}.kind", name, why)


def _check_resources(resources: Part, path: str) -> Iterator[Cause]:
    policy = resources.get("matchPolicy")
    if policy not in _MATCH_POLICIES:
        yield fields.not_supported(f"{path}.matchPolicy", policy, _MATCH_POLICIES)
    for selector in ("namespaceSelector", "objectSelector"):
        yield from label_selectors.validate(resources.get(selector), f"{path}.{selector}")
    for kind in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(resources.get(kind) or ()):
            yield from _check_rule(rule, f"{path}.{kind}[{index}]")


def _check_rule(rule: Part, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, name in enumerate(rule.get("resourceNames") or ()):
        yield from fields.all_invalid(f"{path}.resourceNames[{index}]", name, names.path_segment(name))
        if name in seen:
            yield fields.duplicate(f"{path}.resourceNames[{index}]", name)
        seen.add(name)
    yield from rules.validate(rule, path)


def _check_conditions(conditions: Sequence[Part], path: str, has_params: bool) -> Iterator[Cause]:
    from pinnace.api.admissionregistration import expressions

    if len(conditions) > _MOST_CONDITIONS:
        yield fields.too_many(path, len(conditions), _MOST_CONDITIONS)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here = f"{path}[{index}]"
        source, name = (condition.get("expression") or "").strip(), condition.get("name") or ""
        if source:
            yield from expressions.validate_match_condition(
                source, f"{here}.expression", has_params=has_params
            )
        else:
            yield fields.required(f"{here}.expression")
        if name:
            yield from fields.all_invalid(f"{here}.name", name, names.qualified_name(name))
        else:
            yield fields.required(f"{here}.name")
        if name and name in seen:
            yield fields.duplicate(f"{here}.name", name)
        seen.add(name)


def _check_param_ref(reference: Part, path: str) -> Iterator[Cause]:
    name, selector = reference.get("name") or "", reference.get("selector")
    exclusive = "name and selector are mutually exclusive"
    if name:
        yield from fields.all_invalid(f"{path}.name", name, names.path_segment(name))
        if selector is not None:
            yield fields.forbidden(f"{path}.name", exclusive)
    if selector is not None:
        yield from label_selectors.validate(selector, f"{path}.selector")
        if name:
            yield fields.forbidden(f"{path}.selector", exclusive)
    if not name and selector is None:
        yield fields.required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if action not in ("Deny", "Allow"):
        yield fields.not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


def _check_actions(actions: Sequence[str], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield fields.not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in seen:
            yield fields.duplicate(f"{path}[{index}]", action)
        seen.add(action)
    if {"Deny", "Warn"} <= seen:
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response "
            "and headers serves no purpose)"
        )
        yield fields.invalid(path, actions, why)
    if not seen:
        yield fields.required(path, "at least one validation action is required")


def _check_status(status: Part) -> Iterator[Cause]:
    found = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    for index, warning in enumerate(found):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        if not warning.get("warning"):
            yield fields.required(f"{path}.warning")
        if not (warning.get("fieldRef") or "").strip():
            yield fields.required(f"{path}.fieldRef")
