"""The status that the server itself gives a definition: which names it got, whether it is served. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/controller/status/naming_controller.go
Upstream gets to Established in two writes; here names and Established are one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pinnace.api import meta
from pinnace.api.apiextensions import approval
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time

NAMES_ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def set_condition(obj: Object, kind: str, status: str, reason: str, message: str, now: datetime) -> None:
    """In place; the time changes only with the status."""
    found = obj["status"].setdefault("conditions", [])
    wanted: dict[str, Any] = {
        "type": kind, "status": status, "lastTransitionTime": format_time(now), "reason": reason, "message": message,
    }  # fmt: skip
    for index, old in enumerate(found):
        if old.get("type") == kind:
            if old.get("status") == status:
                wanted["lastTransitionTime"] = old.get("lastTransitionTime", wanted["lastTransitionTime"])
            found[index] = wanted
            return
    found.append(wanted)


def claimed(others: Iterable[Object]) -> tuple[set[str], set[str]]:
    """Resource names and kinds that other definitions of the group have."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        own = (other.get("status") or {}).get("acceptedNames") or {}
        resources.update(
            filter(None, (own.get("plural"), own.get("singular"), *(own.get("shortNames") or ())))
        )
        kinds.update(filter(None, (own.get("kind"), own.get("listKind"))))
    return resources, kinds


def with_names(obj: Object, others: Iterable[Object], now: datetime) -> Object:
    """A copy with names, conditions and approval as they should be; `others` are the definitions of the same group."""
    new = meta.mutable_copy(obj)
    status = new.setdefault("status", {})
    wanted, accepted = new["spec"]["names"], dict(status.get("acceptedNames") or {})
    resources, kinds = claimed(others)
    problem = ("", "")
    for name, taken, reason in (
        ("plural", resources, "PluralConflict"), ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"), ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):  # fmt: skip
        why = _conflict(wanted.get(name), accepted.get(name), taken)
        if why:
            problem = (reason, why)
        elif wanted.get(name):
            accepted[name] = wanted[name]
        else:
            accepted.pop(name, None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    else:
        accepted.pop("categories", None)
    status["acceptedNames"] = accepted
    _judge(new, problem, now)
    return new


def _judge(new: Object, problem: tuple[str, str], now: datetime) -> None:
    if problem[0]:
        set_condition(new, NAMES_ACCEPTED, "False", *problem, now)
    else:
        set_condition(new, NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found", now)
    if not meta.condition_is_true(new, ESTABLISHED):
        if problem[0]:
            set_condition(new, ESTABLISHED, "False", "NotAccepted", "not all names are accepted", now)
        else:
            text = "the initial names have been accepted"
            set_condition(new, ESTABLISHED, "True", "InitialNamesAccepted", text, now)
    if approval.is_protected(new["spec"]["group"]):
        set_condition(new, approval.CONDITION, *approval.verdict(new), now)
    elif meta.find_condition(new, approval.CONDITION):
        found = new["status"]["conditions"]
        new["status"]["conditions"] = [one for one in found if one["type"] != approval.CONDITION]


def _conflict(wanted: Any, accepted: Any, taken: set[str]) -> str:
    if wanted == accepted:
        return ""
    names = wanted if isinstance(wanted, list) else [wanted]
    ours = set(accepted if isinstance(accepted, list) else [accepted])
    clashes = [f'"{name}" is already in use' for name in names if name and name not in ours and name in taken]
    return clashes[0] if len(clashes) == 1 else f"[{', '.join(clashes)}]" if clashes else ""


def marked_for_deletion(obj: Object, now: datetime) -> Object:
    """The definition after the first request to delete it: its objects go first."""
    new = meta.mutable_copy(obj)
    own = new["metadata"]
    if "deletionTimestamp" not in own:
        own["deletionTimestamp"] = format_time(now)
        own["deletionGracePeriodSeconds"] = 0
        if own.get("generation"):
            own["generation"] += 1
    if FINALIZER not in (own.get("finalizers") or ()):
        own["finalizers"] = [*(own.get("finalizers") or ()), FINALIZER]
    new.setdefault("status", {})
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(new, TERMINATING, "True", "InstanceDeletionPending", text, now)
    return new
