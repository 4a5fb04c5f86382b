"""DaemonSets: defaults, validation, the template generation that old clients read from an annotation."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
UPDATE_TYPES = ("OnDelete", "RollingUpdate")


class DaemonSetStrategy(WorkloadStrategy):
    names_pods = False

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        update = spec.setdefault("updateStrategy", {})
        update["type"] = update.get("type") or "RollingUpdate"
        if update["type"] == "RollingUpdate":
            rolling = update.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", 10)
        set_template_defaults(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"
        obj["status"] = {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        }

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1")
        changed = new["spec"].get("template") != old["spec"].get("template")
        generation = str(int(before) + 1) if changed and before.isdecimal() else before
        new["metadata"]["annotations"] = {
            **(new["metadata"].get("annotations") or {}),
            TEMPLATE_GENERATION: generation,
        }

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += _validate_spec(new["spec"], old["spec"].get("template"))
        return found + fields.immutable("spec.selector", new["spec"].get("selector"), old["spec"]["selector"])


def _validate_spec(spec: Mapping[str, Any], old_template: Any = None) -> Iterator[Cause]:
    yield from rules.validate_selector_and_template(
        spec, "daemonset", deadline_owner="DaemonSet", old_template=old_template
    )
    yield from rules.validate_counts(spec, "minReadySeconds", "revisionHistoryLimit")
    update = spec.get("updateStrategy") or {}
    kind = update.get("type", "")
    if kind not in UPDATE_TYPES:
        yield fields.not_supported("spec.updateStrategy.type", kind, UPDATE_TYPES)
    elif kind == "RollingUpdate":
        yield from _validate_rolling(update.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate")


def _validate_rolling(rolling: Mapping[str, Any] | None, path: str) -> Iterator[Cause]:
    yield from rules.validate_rolling_update(rolling, path)
    surge, unavailable = ((rolling or {}).get(field) for field in ("maxSurge", "maxUnavailable"))
    surges, loses = not label_selectors.is_zero(surge), not label_selectors.is_zero(unavailable)
    if surges and loses:
        yield fields.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not surges and not loses:
        yield fields.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
