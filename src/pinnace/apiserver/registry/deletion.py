"""What a delete does to an object: gone at once, or marked and kept until its grace period or finalizers are done. Pure.

Rules: https://github.com/kubernetes/apiserver/blob/master/pkg/registry/rest/delete.go and generic/registry/store.go
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.apiserver.registry.context import DeleteOptions

Object = dict[str, Any]
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Orphan", "Background", "Foreground")
GraceOf = Callable[[Object, int | None], int]


def check_options(options: DeleteOptions) -> None:
    if options.orphan_dependents is not None and options.propagation_policy:
        raise _invalid(
            "orphanDependents and deletionPropagation cannot be both set", "propagationPolicy",
            options.propagation_policy,
        )  # fmt: skip
    if options.propagation_policy and options.propagation_policy not in _POLICIES:
        message = 'exactly one of "Foreground", "Background", "Orphan" or nil'
        raise _invalid(f"must be {message}", "propagationPolicy", options.propagation_policy)


def _invalid(why: str, field: str, value: str) -> errors.Invalid:
    cause = errors.Cause("FieldValueInvalid", f'Invalid value: "{value}": {why}', field)
    return errors.invalid("DeleteOptions", "", [cause])


def no_grace(_: Object, __: int | None) -> int:
    """Most kinds are deleted at once."""
    return 0


def says_nothing_of_dependents(current: Object, options: DeleteOptions) -> bool:
    """Neither the request nor an earlier one decided what becomes of the dependents."""
    if options.propagation_policy or options.orphan_dependents is not None:
        return False
    return not {ORPHAN, FOREGROUND}.intersection(current["metadata"].get("finalizers") or ())


def collector_finalizers(current: Object, options: DeleteOptions) -> list[str]:
    """The object's finalizers with `orphan` or `foregroundDeletion` put in or taken out as the policy asks."""
    finalizers = list(current["metadata"].get("finalizers") or ())
    policy = options.propagation_policy
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if not policy:
        return finalizers
    kept = [finalizer for finalizer in finalizers if finalizer not in (ORPHAN, FOREGROUND)]
    return kept + {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])


def marked(current: Object, options: DeleteOptions, now: datetime, grace_of: GraceOf) -> Object | None:
    """The object as it stays for now (deletionTimestamp, finalizers set), or None when it goes at once."""
    metadata = current["metadata"]
    finalizers = collector_finalizers(current, options)
    grace = grace_of(current, options.grace_period_seconds)
    if "deletionTimestamp" in metadata:
        return _marked_again(current, finalizers, grace, options, now)
    if grace <= 0 and not finalizers:
        return None
    changed = {
        **metadata,
        "deletionTimestamp": format_time(now + timedelta(seconds=max(grace, 0))),
        "deletionGracePeriodSeconds": max(grace, 0),
    }
    if metadata.get("generation", 0) > 0:
        changed["generation"] = metadata["generation"] + 1
    return {**current, "metadata": _with_finalizers(changed, finalizers)}


def _marked_again(
    current: Object, finalizers: list[str], grace: int, options: DeleteOptions, now: datetime
) -> Object | None:
    """A second delete can only shorten the wait."""
    metadata = current["metadata"]
    left = metadata.get("deletionGracePeriodSeconds", 0)
    shortened = options.grace_period_seconds is not None and grace < left
    if left > 0 and not shortened:
        return {**current, "metadata": _with_finalizers(metadata, finalizers)}
    if not finalizers and grace <= 0:
        return None
    changed = dict(metadata)
    if shortened:
        begun = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=left)
        changed["deletionTimestamp"] = format_time(max(now, begun + timedelta(seconds=grace)))
        changed["deletionGracePeriodSeconds"] = grace
    return {**current, "metadata": _with_finalizers(changed, finalizers)}


def _with_finalizers(metadata: Object, finalizers: list[str]) -> Object:
    if finalizers:
        return {**metadata, "finalizers": finalizers}
    return {key: value for key, value in metadata.items() if key != "finalizers"}


def is_finished(obj: Object) -> bool:
    """An update that leaves nothing to wait for completes the deletion."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
    )
