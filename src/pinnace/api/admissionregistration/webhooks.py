"""MutatingWebhookConfiguration and ValidatingWebhookConfiguration: defaults and rules.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/admissionregistration/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pinnace.api import fields, label_selectors, names
from pinnace.api.admissionregistration import client_configs, match_conditions, rules
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

Hook = Mapping[str, Any]
REVIEW_VERSIONS = ("v1", "v1beta1")
_NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
_FAILURE_POLICIES = ("Fail", "Ignore")
_MATCH_POLICIES = ("Equivalent", "Exact")
_REINVOCATION_POLICIES = ("IfNeeded", "Never")


class WebhookConfigurationStrategy(Strategy):
    allows_unconditional_update = False
    tracks_generation = True
    mutating: ClassVar[bool] = False

    def set_defaults(self, obj: Object) -> None:
        for hook in obj.get("webhooks") or ():
            hook["failurePolicy"] = hook.get("failurePolicy") or "Fail"
            hook["matchPolicy"] = hook.get("matchPolicy") or "Equivalent"
            hook.setdefault("timeoutSeconds", 10)
            for selector in ("namespaceSelector", "objectSelector"):
                hook.setdefault(selector, {})
            if self.mutating:
                hook["reinvocationPolicy"] = hook.get("reinvocationPolicy") or "Never"
            client_configs.set_defaults(hook.setdefault("clientConfig", {}))
            for rule in hook.get("rules") or ():
                rules.set_defaults(rule)

    def bumps_generation(self, new: Object, old: Object) -> bool:
        return bool(new.get("webhooks") != old.get("webhooks"))

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_all(obj, self.mutating))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_all(new, self.mutating, old))


class MutatingWebhookConfigurationStrategy(WebhookConfigurationStrategy):
    mutating = True


def _hooks(obj: Object | None) -> Sequence[Hook]:
    return (obj or {}).get("webhooks") or ()


def _validate_all(obj: Object, mutating: bool, old: Object | None = None) -> Iterator[Cause]:
    """What an old configuration already got wrong (names, side effects, versions) stays allowed, as upstream."""
    before = _hooks(old)
    known_names = [hook.get("name") for hook in before]
    is_unique = len(set(known_names)) == len(known_names)
    is_free_of_effects = all(hook.get("sideEffects") in _NO_SIDE_EFFECTS for hook in before)
    is_recognised = all(_recognised(hook) or not hook.get("admissionReviewVersions") for hook in before)
    allowed = _NO_SIDE_EFFECTS if is_free_of_effects else _SIDE_EFFECTS
    are_conditions_new = [h.get("matchConditions") for h in _hooks(obj)] != [
        h.get("matchConditions") for h in before
    ]
    seen: set[str] = set()
    for index, hook in enumerate(_hooks(obj)):
        path = f"webhooks[{index}]"
        yield from _validate_hook(hook, path, mutating, allowed)
        if are_conditions_new:
            yield from match_conditions.validate(hook.get("matchConditions") or (), f"{path}.matchConditions")
        yield from _validate_versions(
            hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions", is_recognised
        )
        name = hook.get("name") or ""
        if is_unique and name in seen:
            yield fields.duplicate(f"{path}.name", name)
        if name:
            seen.add(name)


def _recognised(hook: Hook) -> bool:
    return any(version in REVIEW_VERSIONS for version in hook.get("admissionReviewVersions") or ())


def _validate_hook(hook: Hook, path: str, mutating: bool, effects: Sequence[str]) -> Iterator[Cause]:
    yield from _validate_name(hook.get("name") or "", f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from rules.validate(rule, f"{path}.rules[{index}]")
    yield from _one_of(hook, "failurePolicy", _FAILURE_POLICIES, path)
    yield from _one_of(hook, "matchPolicy", _MATCH_POLICIES, path)
    if hook.get("sideEffects") is None:
        yield fields.required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}")
    yield from _one_of(hook, "sideEffects", effects, path)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        yield fields.invalid(
            f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"
        )
    for selector in ("namespaceSelector", "objectSelector"):
        yield from label_selectors.validate(hook.get(selector), f"{path}.{selector}")
    if mutating:
        yield from _one_of(hook, "reinvocationPolicy", _REINVOCATION_POLICIES, path)
    yield from client_configs.validate(hook.get("clientConfig") or {}, f"{path}.clientConfig")


def _one_of(hook: Hook, field: str, values: Sequence[str], path: str) -> Iterator[Cause]:
    if hook.get(field) is not None and hook[field] not in values:
        yield fields.not_supported(f"{path}.{field}", hook[field], values)


def _validate_name(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield fields.required(path)
    elif found := names.dns_subdomain(name):
        yield fields.invalid(path, name, ",".join(found))
    elif name.count(".") < 2:
        yield fields.invalid(path, name, "should be a domain with at least three segments separated by dots")


def _validate_versions(versions: Sequence[str], path: str, must_be_recognised: bool) -> Iterator[Cause]:
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        yield fields.required(path, f"must specify one of {known}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield fields.invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        yield from fields.all_invalid(f"{path}[{index}]", version, names.dns_1035_label(version))
    if must_be_recognised and not any(version in REVIEW_VERSIONS for version in versions):
        yield fields.invalid(path, versions, f"must include at least one of {known}")
