"""Validation of a Job's status: whoever reports it (the controller, or another one by `managedBy`) may not contradict itself.

As upstream, most rules look only at what an update changes, so that a status that was stored before a rule existed can be kept.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/batch/job/strategy.go (getStatusValidationOptions)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import conditions, fields
from pinnace.api.batch import indexes
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Status = Mapping[str, Any]
_CONDITIONS = "status.conditions"


def validate_job_status(new: Object, old: Object) -> Found:
    status, before = new.get("status") or {}, old.get("status") or {}
    changed = {name for name in {*status, *before} if status.get(name) != before.get(name)}
    turned = {kind for kind in _KINDS if _is(status, kind) != _is(before, kind)}
    if _is_finished(status) != _is_finished(before):
        turned.add("finished")
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        yield from fields.non_negative(f"status.{name}", status.get(name))
    yield from _validate_uncounted(status.get("uncountedTerminatedPods") or {})
    yield from _validate_conditions(status, new["spec"], turned, changed)
    yield from _validate_times(status, new["spec"], turned, changed)
    yield from _validate_finished(status, turned, changed)
    yield from _validate_indexes(status, new["spec"], changed)
    yield from _validate_transition(status, before, new["spec"])


_KINDS = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")


def _is(status: Status, kind: str) -> bool:
    return conditions.is_true(status.get("conditions"), kind)


def _is_finished(status: Status) -> bool:
    return _is(status, "Complete") or _is(status, "Failed")


def _validate_uncounted(uncounted: Mapping[str, Any]) -> Found:
    seen: set[str] = set()
    for part in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(part) or ()):
            path = f"status.uncountedTerminatedPods.{part}[{index}]"
            if not uid:
                yield fields.invalid(path, uid, "must not be empty")
            elif uid in seen:
                yield fields.duplicate(path, uid)
            seen.add(uid)


def _validate_conditions(
    status: Status, spec: Mapping[str, Any], turned: set[str], changed: set[str]
) -> Found:
    complete, failed, target, met = (_is(status, kind) for kind in _KINDS)
    if complete and failed and turned & {"Complete", "Failed"}:
        yield fields.bare_invalid(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if complete and target and turned & {"Complete", "FailureTarget"}:
        yield fields.bare_invalid(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    if failed and not target and ("Failed" in turned or "failedIndexes" in changed):
        why = "cannot set Failed=True condition without the FailureTarget=true condition"
        yield fields.bare_invalid(_CONDITIONS, why)
    if complete and not met and turned & {"Complete", "SuccessCriteriaMet"}:
        why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield fields.bare_invalid(_CONDITIONS, why)
    if met and failed:
        why = "cannot set SuccessCriteriaMet=True and Failed=true conditions"
        yield fields.bare_invalid(_CONDITIONS, why)
    if met and target:
        why = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"
        yield fields.bare_invalid(_CONDITIONS, why)
    if spec.get("successPolicy") is not None and complete and not met:
        why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield fields.bare_invalid(_CONDITIONS, why)


def _validate_times(status: Status, spec: Mapping[str, Any], turned: set[str], changed: set[str]) -> Found:
    begun, completed = status.get("startTime"), status.get("completionTime")
    complete = _is(status, "Complete")
    if "Complete" in turned or "completionTime" in changed:
        if completed and not complete:
            why = "cannot set completionTime when there is no Complete=True condition"
            yield fields.invalid("status.completionTime", completed, why)
        if complete and not completed:
            yield fields.required("status.completionTime", "completionTime is required for Complete jobs")
    if changed & {"startTime", "completionTime"} and begun and completed and completed < begun:
        why = "completionTime cannot be set before startTime"
        yield fields.invalid("status.completionTime", completed, why)
    nothing_to_do = spec.get("suspend") and spec.get("completions") == 0
    due = "finished" in turned or "startTime" in changed
    if due and not begun and _is_finished(status) and not nothing_to_do:
        yield fields.required("status.startTime", "startTime is required for finished job")


def _validate_finished(status: Status, turned: set[str], changed: set[str]) -> Found:
    active, ready = status.get("active") or 0, status.get("ready")
    if changed & {"ready", "active"} and ready is not None and ready > active:
        yield fields.invalid("status.ready", ready, "cannot set more ready pods than active")
    if not _is_finished(status):
        return
    fresh = "finished" in turned
    if active > 0 and (fresh or "active" in changed):
        yield fields.invalid("status.active", active, "active>0 is invalid for finished job")
    leaving = status.get("terminating") or 0
    if leaving > 0 and (fresh or "terminating" in changed):
        yield fields.invalid("status.terminating", leaving, "terminating>0 is invalid for finished job")
    uncounted = status.get("uncountedTerminatedPods") or {}
    if any(uncounted.values()) and (fresh or "uncountedTerminatedPods" in changed):
        why = "uncountedTerminatedPods needs to be empty for finished job"
        yield fields.invalid("status.uncountedTerminatedPods", uncounted, why)


def _validate_indexes(status: Status, spec: Mapping[str, Any], changed: set[str]) -> Found:
    completed, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    completions, limited = spec.get("completions"), spec.get("backoffLimitPerIndex") is not None
    if "completedIndexes" in changed:
        if completions is not None:
            yield from _readable("completedIndexes", completed, completions)
        if completed and spec.get("completionMode") != "Indexed":
            why = "cannot set non-empty completedIndexes when non-indexed completion mode"
            yield fields.invalid("status.completedIndexes", completed, why)
    if failed is None:
        return
    if "failedIndexes" in changed:
        if completions is not None and limited:
            yield from _readable("failedIndexes", failed, completions)
        if not limited:
            why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            yield fields.invalid("status.failedIndexes", failed, why)
    if completions is not None and changed & {"failedIndexes", "completedIndexes"}:
        common = indexes.first_common(completed, failed, completions)
        if common is not None:
            why = f"failedIndexes and completedIndexes overlap at index: {common}"
            yield fields.invalid("status.failedIndexes", failed, why)


def _readable(field: str, text: str, completions: int) -> Found:
    try:
        indexes.count(text, completions)
    except indexes.IndexesError as error:
        yield fields.invalid(f"status.{field}", text, f"error parsing {field}: {error}")


def _validate_transition(status: Status, before: Status, spec: Mapping[str, Any]) -> Found:
    """What was said about the end of a Job stays said; counters do not go back."""
    for kind in ("Failed", "Complete", "FailureTarget"):
        if _is(before, kind) and not _is(status, kind):
            yield fields.bare_invalid(_CONDITIONS, f"cannot disable the terminal {kind}=True condition")
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for name in ("failed",) if elastic else ("failed", "succeeded"):
        now = status.get(name) or 0
        if now < (before.get(name) or 0):
            yield fields.invalid(f"status.{name}", now, f"cannot decrease the {name} counter")
    completed, begun = status.get("completionTime"), before.get("startTime")
    if completed and before.get("completionTime") and completed != before["completionTime"]:
        yield fields.invalid("status.completionTime", completed, "completionTime cannot be mutated")
    if begun and status.get("startTime") != begun and not (spec.get("suspend") or _resumes(status, before)):
        yield fields.required("status.startTime", "startTime cannot be removed for unsuspended job")
    met = _is(status, "SuccessCriteriaMet")
    if _is(before, "SuccessCriteriaMet") and not met:
        yield fields.bare_invalid(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    elif met and _is(before, "Complete") and not _is(before, "SuccessCriteriaMet"):
        why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield fields.bare_invalid(_CONDITIONS, why)


def _resumes(status: Status, before: Status) -> bool:
    """The time of the start moves when a suspended Job goes on."""
    return _is(before, "Suspended") and not _is(status, "Suspended")
