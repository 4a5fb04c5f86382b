"""What a delete does to an object: gone at once, or marked and kept until its grace period or finalizers are done. Pure.

Rules: https://github.com/kubernetes/apiserver/blob/master/pkg/registry/rest/delete.go and generic/registry/store.go
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.apiserver.registry.context import DeleteOptions

Object = dict[str, Any]
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
LONGEST_GRACE = 10**10  # seconds, some 300 years: dates reach no further than 64-bit numbers do
_POLICIES = ("Foreground", "Background", "Orphan")
GraceOf = Callable[[Object, int | None], int]


def check_options(options: DeleteOptions) -> None:
    policy, field, found = options.propagation_policy, "propagationPolicy", []
    if options.orphan_dependents is not None and policy:
        why = "orphanDependents and deletionPropagation cannot be both set"
        found.append(fields.invalid(field, policy, why))
    if policy and policy not in _POLICIES:
        found.append(fields.not_supported(field, policy, (*_POLICIES, "nil")))
    if found:
        raise errors.invalid("DeleteOptions", "", found, "meta.k8s.io")


def check_preconditions(current: Object, options: DeleteOptions, kind: str, group: str) -> None:
    """Raises Conflict, which names the kind where other conflicts name the resource."""
    metadata = current["metadata"]
    uid, version = metadata.get("uid", ""), metadata.get("resourceVersion", "")
    why = ""
    if options.uid and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
    elif options.resource_version and options.resource_version != version:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({version}). The object might have been modified"
        )
    if why:
        raise errors.conflict(kind, metadata.get("name", ""), why, group)


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
    grace = min(grace_of(current, options.grace_period_seconds), LONGEST_GRACE)
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
