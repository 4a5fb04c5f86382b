"""Pods: graceful deletion, ephemeral containers."""

from typing import Any

from pinnace.apimachinery import errors
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]
_DEFAULT_GRACE_SECONDS = 30
_FINISHED = ("Succeeded", "Failed")


class PodRegistry(Registry):
    def grace_of(self, current: Object, asked: int | None) -> int:
        """How long the kubelet may take; nothing to wait for where no kubelet has the pod, or where it has ended."""
        spec = current.get("spec") or {}
        grace = (
            asked if asked is not None else spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
        )
        if not spec.get("nodeName") or (current.get("status") or {}).get("phase") in _FINISHED:
            return 0
        return max(1, grace) if grace < 0 else grace

    def _prepare_update(self, new: Object, current: Object, subresource: str) -> None:
        if subresource == "ephemeralcontainers":
            added = (new.get("spec") or {}).get("ephemeralContainers")
            own = dict(current["spec"])
            if added:
                own["ephemeralContainers"] = added
            new["spec"], new["status"] = own, current.get("status") or {}
            self.strategy.default(new)
            return
        super()._prepare_update(new, current, subresource)

    def _validate_update(self, new: Object, current: Object, subresource: str) -> list[errors.Cause]:
        if subresource == "ephemeralcontainers":
            return _validate_ephemeral(new, current)
        return super()._validate_update(new, current, subresource)


def _validate_ephemeral(new: Object, current: Object) -> list[errors.Cause]:
    """Ephemeral containers are only ever added."""
    path = "spec.ephemeralContainers"
    before = {c["name"]: c for c in current["spec"].get("ephemeralContainers") or ()}
    listed = new["spec"].get("ephemeralContainers") or []
    after = {c.get("name", ""): c for c in listed}
    found: list[errors.Cause] = []
    for name, container in before.items():
        if name not in after:
            found.append(
                errors.Cause(
                    "FieldValueForbidden",
                    f'Forbidden: existing ephemeral containers "{name}" may not be removed\n',
                    path,
                )
            )
        elif after[name] != container:
            found.append(
                errors.Cause(
                    "FieldValueForbidden",
                    f'Forbidden: existing ephemeral containers "{name}" may not be changed\n',
                    path,
                )
            )
    taken = {
        c["name"]
        for c in [*current["spec"].get("containers", ()), *(current["spec"].get("initContainers") or ())]
    }
    for position, container in enumerate(listed):
        name = container.get("name", "")
        if not name or not container.get("image"):
            field = "image" if name else "name"
            found.append(errors.Cause("FieldValueRequired", "Required value", f"{path}[{position}].{field}"))
        elif name in taken:
            found.append(
                errors.Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}[{position}].name")
            )
        taken.add(name)
    return found
