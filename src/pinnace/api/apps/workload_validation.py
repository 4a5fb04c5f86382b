"""What Deployments, ReplicaSets and DaemonSets have in common: a selector, and a template that it selects."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors
from pinnace.api.core.pod_validation import validate_template
from pinnace.apimachinery import selectors
from pinnace.apimachinery.errors import Cause


def validate_selector_and_template(
    spec: Mapping[str, Any], owner: str, *, deadline_owner: str = "", old_template: Any = None
) -> Iterator[Cause]:
    """`owner` and `deadline_owner` are how upstream's sentences name the kind."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    yield from validate_selector(selector, owner)
    yield from validate_match(selector, template)
    if old_template is None or old_template != template:
        yield from validate_template(template, "spec.template")
    yield from validate_runs_always(template, deadline_owner or owner)


def validate_selector(selector: Mapping[str, Any] | None, owner: str) -> Iterator[Cause]:
    if selector is None:
        yield fields.required("spec.selector")
        return
    yield from label_selectors.validate(selector, "spec.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        why = f"empty selector is invalid for {owner}"
        yield fields.invalid("spec.selector", selector, why)


def validate_runs_always(template: Mapping[str, Any], owner: str) -> Iterator[Cause]:
    """Pods that stand for replicas neither finish nor have a deadline."""
    pod_spec = template.get("spec") or {}
    policy = pod_spec.get("restartPolicy")
    if policy != "Always":
        yield fields.not_supported("spec.template.spec.restartPolicy", policy or "", ("Always",))
    if pod_spec.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {owner} is not Supported"
        yield fields.forbidden("spec.template.spec.activeDeadlineSeconds", why)


def validate_match(selector: Mapping[str, Any] | None, template: Mapping[str, Any]) -> Iterator[Cause]:
    labels = (template.get("metadata") or {}).get("labels") or {}
    try:
        parsed = selectors.from_label_selector(selector)
    except selectors.SelectorError:
        return
    if selector is not None and not parsed.is_everything and not parsed.matches(labels):
        yield fields.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )


def validate_rolling_update(rolling: Mapping[str, Any] | None, path: str) -> Iterator[Cause]:
    """Surge and unavailability: integers or percentages. What may be zero is for the kind to say."""
    if rolling is None:
        yield fields.required(path, "this should be defaulted and never be nil")
        return
    for field in ("maxUnavailable", "maxSurge"):
        yield from label_selectors.validate_int_or_percent(rolling.get(field), f"{path}.{field}")
    yield from label_selectors.validate_at_most_all(rolling.get("maxUnavailable"), f"{path}.maxUnavailable")


def validate_counts(spec: Mapping[str, Any], *names: str) -> Iterator[Cause]:
    for name in names:
        yield from fields.non_negative(f"spec.{name}", spec.get(name))


def validate_status_counts(status: Mapping[str, Any], *names: str) -> list[Cause]:
    return [cause for name in names for cause in fields.non_negative(f"status.{name}", status.get(name))]


def validate_replica_status(status: Mapping[str, Any], *names: str) -> Iterator[Cause]:
    """No count of some replicas exceeds that of all; no more are available than ready."""
    total = status.get("replicas", 0)
    for name in names:
        value = status.get(name, 0)
        yield from fields.non_negative(f"status.{name}", value)
        if value > total:
            yield fields.invalid(f"status.{name}", value, "cannot be greater than status.replicas")
    available = status.get("availableReplicas", 0)
    if available > status.get("readyReplicas", 0):
        yield fields.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas")
