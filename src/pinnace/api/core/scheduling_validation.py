"""Validation of what a pod says about nodes: tolerations, affinity, topology spread, scheduling gates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, label_selectors, names
from pinnace.api.core.node_strategy import EFFECTS
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def validate_tolerations(tolerations: Sequence[Mapping[str, Any]], path: str) -> Found:
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
        value, effect = toleration.get("value") or "", toleration.get("effect") or ""
        if key:
            yield from fields.all_invalid(f"{here}.key", key, names.qualified_name(key))
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield fields.invalid(f"{here}.operator", toleration.get("operator", ""), why)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield fields.invalid(f"{here}.effect", effect, why)
        if operator == "Equal":
            yield from fields.all_invalid(f"{here}.operator", value, names.label_value(value))
        elif operator == "Exists":
            if value:
                why = "value must be empty when `operator` is 'Exists'"
                yield fields.invalid(f"{here}.operator", toleration, why)
        else:
            yield fields.not_supported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in EFFECTS:
            yield fields.not_supported(f"{here}.effect", effect, EFFECTS)


def validate_affinity(affinity: Mapping[str, Any], path: str) -> Found:
    if node := affinity.get("nodeAffinity"):
        yield from validate_node_affinity(node, f"{path}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        if (pod := affinity.get(kind)) is None:
            continue
        for index, term in enumerate(pod.get(REQUIRED) or ()):
            yield from _validate_pod_term(term, f"{path}.{kind}.{REQUIRED}[{index}]")
        for index, weighted in enumerate(pod.get(PREFERRED) or ()):
            here = f"{path}.{kind}.{PREFERRED}[{index}]"
            yield from _validate_weight(weighted, here)
            yield from _validate_pod_term(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")


def _validate_weight(weighted: Mapping[str, Any], path: str) -> Found:
    weight = weighted.get("weight", 0)
    if not 1 <= weight <= 100:
        yield fields.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _validate_pod_term(term: Mapping[str, Any], path: str) -> Found:
    for field in ("labelSelector", "namespaceSelector"):
        yield from label_selectors.validate(term.get(field), f"{path}.{field}")
    for namespace in term.get("namespaces") or ():
        yield from fields.all_invalid(f"{path}.namespace", namespace, names.dns_label(namespace))
    key = term.get("topologyKey") or ""
    if not key:
        yield fields.required(f"{path}.topologyKey", "can not be empty")
    else:
        yield from fields.all_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def validate_node_affinity(affinity: Mapping[str, Any], path: str) -> Found:
    if (required := affinity.get(REQUIRED)) is not None:
        yield from validate_node_selector(required, f"{path}.{REQUIRED}")
    for index, weighted in enumerate(affinity.get(PREFERRED) or ()):
        here = f"{path}.{PREFERRED}[{index}]"
        yield from _validate_weight(weighted, here)
        yield from _validate_node_term(weighted.get("preference") or {}, f"{here}.preference")


def validate_node_selector(selector: Mapping[str, Any], path: str) -> Found:
    here, terms = f"{path}.nodeSelectorTerms", selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield fields.required(here, "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _validate_node_term(term, f"{here}[{index}]")


def _validate_node_term(term: Mapping[str, Any], path: str) -> Found:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        here, key = f"{path}.matchExpressions[{index}]", expression.get("key", "")
        yield from _validate_operator(expression, here)
        yield from fields.all_invalid(f"{here}.key", key, names.qualified_name(key))
    for index, expression in enumerate(term.get("matchFields") or ()):
        here, key = f"{path}.matchFields[{index}]", expression.get("key", "")
        if expression.get("operator") not in ("In", "NotIn"):
            yield fields.invalid(
                f"{here}.operator", expression.get("operator", ""), "not a valid selector operator"
            )
        elif len(expression.get("values") or ()) != 1:
            why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield fields.required(f"{here}.values", why)
        if key != "metadata.name":
            yield fields.invalid(f"{here}.key", key, "not a valid field selector key")


def _validate_operator(expression: Mapping[str, Any], path: str) -> Found:
    values = expression.get("values") or ()
    match operator := expression.get("operator", ""):
        case "In" | "NotIn":
            if not values:
                yield fields.required(
                    f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"
                )
        case "Exists" | "DoesNotExist":
            if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield fields.forbidden(f"{path}.values", why)
        case "Gt" | "Lt":
            if len(values) != 1:
                why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                yield fields.required(f"{path}.values", why)
        case _:
            yield fields.invalid(f"{path}.operator", operator, "not a valid selector operator")


def validate_topology_spread(constraints: Sequence[Mapping[str, Any]], path: str) -> Found:
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        skew, key = constraint.get("maxSkew", 0), constraint.get("topologyKey") or ""
        when = constraint.get("whenUnsatisfiable") or ""
        if skew <= 0:
            yield fields.invalid(f"{here}.maxSkew", skew, "must be greater than zero")
        if not key:
            yield fields.required(f"{here}.topologyKey", "can not be empty")
        if when not in ("DoNotSchedule", "ScheduleAnyway"):
            yield fields.not_supported(f"{here}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway"))
        if (key, when) in seen:
            yield fields.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}")
        seen.add((key, when))
        yield from _validate_spread_details(constraint, when, here)


def _validate_spread_details(constraint: Mapping[str, Any], when: str, path: str) -> Found:
    domains = constraint.get("minDomains")
    if domains is not None and domains <= 0:
        yield fields.invalid(f"{path}.minDomains", domains, "must be greater than zero")
    elif domains is not None and when != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
        yield fields.invalid(f"{path}.minDomains", domains, why)
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(field)
        if policy is not None and policy not in ("Honor", "Ignore"):
            yield fields.not_supported(f"{path}.{field}", policy, ("Honor", "Ignore"))
    yield from label_selectors.validate(constraint.get("labelSelector"), f"{path}.labelSelector")


def validate_gates(gates: Sequence[Mapping[str, Any]], path: str) -> Found:
    taken: set[str] = set()
    for index, gate in enumerate(gates):
        name, here = gate.get("name") or "", f"{path}[{index}]"
        yield from fields.all_invalid(here, name, names.qualified_name(name))
        if name in taken:
            yield fields.duplicate(here, name)
        taken.add(name)
