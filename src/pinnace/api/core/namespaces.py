"""Namespaces: the label with their name, the finalizer that empties them, their two phases."""

from collections.abc import Sequence

from pinnace.api import fields, metadata, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"
ACTIVE, TERMINATING = "Active", "Terminating"


def is_terminating(namespace: Object) -> bool:
    return (namespace.get("status") or {}).get("phase") == TERMINATING


class NamespaceStrategy(Strategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "status.phase"))

    def set_defaults(self, obj: Object) -> None:
        if name := obj["metadata"].get("name"):
            obj["metadata"].setdefault("labels", {})[NAME_LABEL] = name

    def check_name(self, name: str) -> Sequence[str]:
        return names.dns_label(name)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": ACTIVE}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            obj.setdefault("spec", {})["finalizers"] = [*finalizers, FINALIZER]

    def canonicalize(self, obj: Object) -> None:
        """A generated name is known only now."""
        self.set_defaults(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        new["spec"] = old.get("spec") or {}

    def prepare_finalize(self, new: Object, old: Object) -> None:
        """Through the subresource `finalize` only `spec.finalizers` changes."""
        self._keep_system_fields(new, old)
        new["status"] = old.get("status") or {}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_finalizers(obj)

    def validate_finalize(self, new: Object, old: Object) -> list[Cause]:
        return metadata.validate_update(new, old) + _validate_finalizers(new)

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old)
        phase = (new.get("status") or {}).get("phase", "")
        if "deletionTimestamp" not in new["metadata"]:
            if phase != ACTIVE:
                why = "may only be 'Active' if `deletionTimestamp` is empty"
                found.append(fields.invalid("status.Phase", phase, why))
        elif phase != TERMINATING:
            why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            found.append(fields.invalid("status.Phase", phase, why))
        return found

    def field_labels(self, obj: Object) -> dict[str, str]:
        return {**super().field_labels(obj), "status.phase": (obj.get("status") or {}).get("phase", "")}


def _validate_finalizers(obj: Object) -> list[Cause]:
    found: list[Cause] = []
    for index, finalizer in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
        path = f"spec.finalizers[{index}]"
        messages = names.qualified_name(finalizer)
        found += fields.all_invalid(path, finalizer, messages)
        if not messages and "/" not in finalizer and finalizer not in metadata.STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            found.append(fields.invalid(path, finalizer, why))
    return found
