"""Jobs: defaults, the selector that the server makes up, validation.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/batch/job/strategy.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors, normalise
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.apps.workload_validation import validate_match
from pinnace.api.batch.job_status_validation import validate_job_status
from pinnace.api.batch.job_validation import validate_job_spec, validate_job_update
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.api.names import dns_label
from pinnace.apimachinery import selectors
from pinnace.apimachinery.errors import Cause

CONTROLLER_UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_UID_LABELS, _NAME_LABELS = ("controller-uid", CONTROLLER_UID), ("job-name", JOB_NAME)
_MAX_INT32 = 2**31 - 1
_TOO_MANY_INDEXES = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, "
    "Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)


def set_failure_policy_defaults(spec: dict[str, Any]) -> None:
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


class JobStrategy(WorkloadStrategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "status.successful"))
    orphans_by_default = True
    orphaning_warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("parallelism") is None:
            if spec.get("completions") is None:
                spec["completions"] = 1
            spec["parallelism"] = 1
        limited_per_index = spec.get("backoffLimitPerIndex") is not None
        spec.setdefault("backoffLimit", _MAX_INT32 if limited_per_index else 6)
        spec.setdefault("completionMode", "NonIndexed")
        spec.setdefault("suspend", False)
        spec.setdefault("manualSelector", False)
        replaced = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
        spec.setdefault("podReplacementPolicy", replaced)
        set_failure_policy_defaults(spec)
        set_template_defaults(spec.setdefault("template", {}))
        _label_like_template(obj)
        normalise.times_in(obj.get("status"), "startTime", "completionTime")

    def canonicalize(self, obj: Object) -> None:
        """The selector needs the uid, the labels also the name."""
        if not obj["spec"].get("manualSelector"):
            _generate_selector(obj)
            _label_like_template(obj)

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        found += _validate_generated(obj)
        return found + list(_validate_whole(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += _validate_whole(new, old["spec"].get("template"))
        return found + list(validate_job_update(new, old))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(validate_job_status(new, old))

    def field_labels(self, obj: Object) -> dict[str, str]:
        succeeded = (obj.get("status") or {}).get("succeeded", 0)
        return {**super().field_labels(obj), "status.successful": str(succeeded)}

    def warnings(self, obj: Object) -> list[str]:
        spec, found = obj.get("spec") or {}, super().warnings(obj)
        many = (spec.get("completions") or 0) > 100_000 and (spec.get("parallelism") or 0) > 10_000
        if many and spec.get("completionMode") == "Indexed":
            found.append(_TOO_MANY_INDEXES)
        return found


def _label_like_template(job: Object) -> None:
    """A Job without labels has those of its pods."""
    labels = (job["spec"]["template"].get("metadata") or {}).get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _generate_selector(job: Object) -> None:
    """Labels that no other controller's pods have. What the user set already stays, for validation to judge."""
    own, spec = job["metadata"], job["spec"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    base = own.get("generateName")
    for label in _NAME_LABELS:  # a generated name may have been drawn again since the last call
        if label not in labels or (base and labels[label].startswith(base)):
            labels[label] = own.get("name", "")
    for label in _UID_LABELS:
        labels.setdefault(label, own.get("uid", ""))
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, own.get("uid", ""))


def _validate_generated(job: Object) -> Iterator[Cause]:
    """The labels are those that `_generate_selector` makes, whoever wrote them."""
    own, spec = job["metadata"], job["spec"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    if not own.get("uid"):
        yield fields.required("metadata.uid")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    wanted = {
        **dict.fromkeys(_UID_LABELS, own.get("uid", "")),
        **dict.fromkeys(_NAME_LABELS, own.get("name", "")),
    }
    for label, value in wanted.items():
        path, why = f"spec.template.metadata.labels[{label}]", f"must be '{value}'"
        if label not in labels:
            yield fields.required(path, why)
        if labels.get(label) != value:
            yield fields.invalid(path, labels, why)
    if not _matches(selector, wanted):
        yield fields.invalid("spec.selector", selector, "`selector` not auto-generated")


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    try:
        return selectors.from_label_selector(selector).matches(labels)
    except selectors.SelectorError:
        return True  # said elsewhere


def _validate_whole(job: Object, old_template: Any = None) -> Iterator[Cause]:
    spec, name = job["spec"], job["metadata"].get("name", "")
    yield from validate_job_spec(spec, "spec", old_template)
    selector = spec.get("selector")
    if selector is None:
        yield fields.required("spec.selector")
    else:
        yield from label_selectors.validate(selector, "spec.selector")
    yield from validate_match(selector, spec.get("template") or {})
    completions = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and completions > 0:
        hostname = f"{name}-{completions - 1}"
        if dns_label(hostname):
            why = f"will not able to create pod with invalid DNS label: {hostname}"
            yield fields.invalid("metadata.name", name, why)
