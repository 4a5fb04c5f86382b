"""What may change in a pod that exists: images, deadlines, more tolerations, fewer scheduling gates; the rest is fixed."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.core import pods
from pinnace.api.core.container_validation import validate_ephemeral_containers
from pinnace.api.core.pod_validation import validate_deadline
from pinnace.api.core.restarts import may_restart_all, restarts_after
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Spec = Mapping[str, Any]
UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def validate_pod_update(new: Object, old: Object) -> Found:
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    counts_changed = False
    for part in ("containers", "initContainers"):
        if len(after.get(part) or ()) != len(before.get(part) or ()):
            counts_changed = True
            yield fields.forbidden(f"spec.{part}", "pod updates may not add or remove containers")
    if counts_changed:
        return
    yield from _validate_images(after)
    yield from _validate_deadline(after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"))
    yield from _validate_tolerations(after.get("tolerations") or [], before.get("tolerations") or [])
    yield from _validate_gates(after, before)
    comparable = _with_allowed_changes(after, before)
    if comparable != before:
        yield fields.forbidden("spec", _what_may_change(after, before))


def _validate_images(spec: Spec) -> Found:
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            if not container.get("image"):
                yield fields.required(f"spec.{part}[{index}].image")


def _validate_deadline(after: int | None, before: int | None) -> Found:
    path = "spec.activeDeadlineSeconds"
    if after is not None:
        yield from validate_deadline(after, path)
        if before is not None and before < after:
            yield fields.invalid(path, after, "must be less than or equal to previous value")
    elif before is not None:
        yield fields.invalid(path, after, "must not update from a positive integer to nil value")


def _validate_tolerations(after: list[dict[str, Any]], before: list[dict[str, Any]]) -> Found:
    def without_seconds(toleration: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [without_seconds(toleration) for toleration in after]
    if any(without_seconds(toleration) not in kept for toleration in before):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield fields.forbidden("spec.tolerations", why)


def _validate_gates(after: Spec, before: Spec) -> Found:
    known = {gate.get("name") for gate in before.get("schedulingGates") or ()}
    for index, gate in enumerate(after.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield fields.forbidden(f"spec.schedulingGates[{index}]", why)


def _with_allowed_changes(after: Spec, before: Spec) -> dict[str, Any]:
    """The new spec with everything that may change put back to what it was."""
    result = dict(after)
    restored = ["activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and after.get("terminationGracePeriodSeconds") == 1:
        restored.append("terminationGracePeriodSeconds")
    if before.get("schedulingGates"):
        restored += _changes_allowed_while_gated(after, before)
    for field in restored:
        if field in before:
            result[field] = before[field]
        else:
            result.pop(field, None)
    for part in ("containers", "initContainers"):
        if part in after:
            pairs = zip(after[part], before.get(part) or (), strict=False)
            result[part] = [{**new, "image": old.get("image")} for new, old in pairs]
    return result


def _changes_allowed_while_gated(after: Spec, before: Spec) -> list[str]:
    """A gated pod may still be narrowed: more node selector entries; affinity where there was none."""
    allowed = []
    old_selector = before.get("nodeSelector") or {}
    new_selector = after.get("nodeSelector") or {}
    if all(new_selector.get(key) == value for key, value in old_selector.items()):
        allowed.append("nodeSelector")
    old_affinity, new_affinity = before.get("affinity") or {}, after.get("affinity") or {}
    others_same = all(
        old_affinity.get(kind) == new_affinity.get(kind) for kind in ("podAffinity", "podAntiAffinity")
    )
    if others_same and not old_affinity.get("nodeAffinity"):
        allowed.append("affinity")
    return allowed


def _what_may_change(after: Spec, before: Spec) -> str:
    lines = [f"pod updates may not change fields other than {','.join(UPDATABLE)}"]
    for field in sorted({*after, *before}):
        if after.get(field) != before.get(field):
            lines += [
                f"-{field}: {fields.text(before.get(field))}",
                f"+{field}: {fields.text(after.get(field))}",
            ]
    return "\n".join(lines)


def validate_ephemeral_update(new: Object, old: Object) -> Found:
    """Through the subresource: ephemeral containers may be added, never changed or removed."""
    if "kubernetes.io/config.mirror" in (old["metadata"].get("annotations") or {}):
        yield fields.forbidden("", "static pods do not support ephemeral containers")
        return
    yield from validate_ephemeral_containers(new["spec"], "spec")
    after = {one.get("name"): one for one in new["spec"].get("ephemeralContainers") or ()}
    for index, container in enumerate(old["spec"].get("ephemeralContainers") or ()):
        name = container.get("name")
        path = f"spec.ephemeralContainers[{index}]"
        if name not in after:
            yield fields.forbidden(
                path, f"existing ephemeral containers {fields.text(name)} may not be removed\n"
            )
        elif after[name] != container:
            yield fields.forbidden(
                path, f"existing ephemeral containers {fields.text(name)} may not be changed\n"
            )


def validate_status_transitions(new: Object, old: Object) -> Found:
    """A container that ended for good does not run again."""
    if old["spec"].get("restartPolicy") == "Always" or may_restart_all(old):
        return
    after = {one.get("name"): one for one in (new.get("status") or {}).get("containerStatuses") or ()}
    for index, status in enumerate((old.get("status") or {}).get("containerStatuses") or ()):
        ended = (status.get("state") or {}).get("terminated")
        container = pods.find_container(old, status.get("name") or "") or {}
        if ended is None or restarts_after(old, container, ended.get("exitCode") or 0):
            continue
        now = after.get(status.get("name"))
        if now is not None and "terminated" not in (now.get("state") or {}):
            path = f"status.containerStatuses[{index}].state"
            yield fields.forbidden(path, "may not be transitioned to non-terminated state")
