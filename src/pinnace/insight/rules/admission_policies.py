"""Policies of the API server that cannot judge, or judge nothing: bindings without a policy, expressions that do not fit their types."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    NOTE,
    Evidence,
    Finding,
    Object,
    field,
    finding,
    ready_to_type,
)
from pinnace.insight.world import World

_POLICY = "ValidatingAdmissionPolicy"


def policy(obj: Object, world: World) -> Iterator[Finding]:
    warnings = ((obj.get("status") or {}).get("typeChecking") or {}).get("expressionWarnings") or ()
    for one in warnings:
        fails = (obj["spec"].get("failurePolicy") or "Fail") == "Fail"
        yield finding(
            obj, f"its expression {one.get('fieldRef')} does not fit the objects that it is asked about"
                 f"{': where it fails, requests are refused (failurePolicy: Fail)' if fails else ''}",
            rank=LIKELY, evidence=[Evidence(f"{_POLICY.lower()}/{meta.name(obj)} status.typeChecking", " ".join((one.get("warning") or "").split()))],
            commands=[ready_to_type("edit", obj)],
        )  # fmt: skip
    bindings = [
        one for one in world.every(f"{_POLICY}Binding") if one["spec"].get("policyName") == meta.name(obj)
    ]
    if not bindings and world.can_list(f"{_POLICY}Binding"):
        yield finding(obj, "no binding puts it to use", rank=NOTE, evidence=[field(obj, "(bindings)", 0)])


def binding(obj: Object, world: World) -> Iterator[Finding]:
    name = obj["spec"].get("policyName", "")
    found = world.get(_POLICY, "", name)
    where = field(obj, "spec.policyName", name)
    if found is None:
        if world.is_missing(_POLICY, "", name):
            yield finding(
                obj,
                f"its policy {name} is not there: it judges nothing",
                evidence=[where],
                commands=[ready_to_type("delete", obj), "kubectl get validatingadmissionpolicies"],
            )
        return
    if found["spec"].get("paramKind") and not obj["spec"].get("paramRef"):
        yield finding(
            obj, f"policy {name} has parameters of kind {found['spec']['paramKind'].get('kind')}, and this binding names none", rank=CAUSE,
            evidence=[where, field(obj, "spec.paramRef", None)], commands=[ready_to_type("edit", obj)],
        )  # fmt: skip
