"""How objects of a kind are defaulted, prepared and judged on their way into the store: the generic behaviour.

A kind that needs more derives from `Strategy` (see `pinnace.api.strategies`). All functions are pure but for changes to the object
that the caller owns. Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/registry/rest/create.go, update.go
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pinnace.api import fields, metadata, names, normalise
from pinnace.api.meta import Object
from pinnace.api.resources import Resource
from pinnace.apimachinery.errors import BadRequest, Cause

_ENVELOPE = frozenset(("apiVersion", "kind", "metadata"))


class Strategy:
    """Derived classes override what their kind does differently, and call `super()` for the rest."""

    tracks_generation: ClassVar[bool] = False
    allows_create_on_update: ClassVar[bool] = False
    allows_unconditional_update: ClassVar[bool] = True
    selectable_fields: ClassVar[frozenset[str]] = frozenset(("metadata.name", "metadata.namespace"))
    independent_fields: ClassVar[
        tuple[str, ...]
    ] = ()  # whose defaults look at nothing else, so that a stored value needs none
    default_grace_period_seconds: ClassVar[int | None] = None  # None: deletion is immediate
    orphans_by_default: ClassVar[bool] = False  # a delete without a policy leaves the dependents alone
    orphaning_warning: ClassVar[str] = ""  # what to say then

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.namespaced = resource.namespaced
        self.has_status = resource.subresource("status") is not None

    # -- decoding -------------------------------------------------------------------------------------------
    def default(self, obj: Object) -> None:
        """Fill in, in place, what the user left out, and put values into canonical form.

        Raises BadRequest for values that cannot be read (quantities, base64, a wrong type that no schema check caught).
        """
        try:
            self._normalise(obj)
            self.set_defaults(obj)
        except (ValueError, TypeError, AttributeError) as error:
            kind, version = self.resource.kind, self.resource.gvr.version
            message = f'{kind} in version "{version}" cannot be handled as a {kind}: {error}'
            raise BadRequest(message) from error

    def set_defaults(self, obj: Object) -> None:
        """The kind's own defaults."""

    def drop_absent(self, obj: Object) -> None:
        """Nulls and what else counts as absent; a kind that carries data of unknown shape spares that."""
        normalise.drop_absent(obj)

    def _normalise(self, obj: Object) -> None:
        own = obj.setdefault("metadata", {})
        self.drop_absent(obj)
        normalise.drop_empty(own, "generateName")
        normalise.times_in(own, "creationTimestamp", "deletionTimestamp")
        if self.has_status:
            normalise.conditions(obj.get("status"))

    def check_name(self, name: str) -> Sequence[str]:
        """What is wrong with this name (or generateName prefix)."""
        return names.dns_subdomain(name)

    # -- create ---------------------------------------------------------------------------------------------
    def prepare_create(self, obj: Object) -> None:
        """Reset what a client may not set on create."""
        if self.has_status:
            obj["status"] = {}
        if self.tracks_generation:
            obj["metadata"]["generation"] = 1
        else:
            obj["metadata"].pop("generation", None)
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            obj["metadata"].pop(field, None)

    def canonicalize(self, obj: Object) -> None:
        """What depends on the uid and the final name; called before validation and each attempt to store a new object."""

    def validate(self, obj: Object) -> list[Cause]:
        return metadata.validate(obj, namespaced=self.namespaced, name_rule=self.check_name)

    # -- update ---------------------------------------------------------------------------------------------
    def prepare_update(self, new: Object, old: Object) -> None:
        """Restore what an update through the main resource may not change."""
        self._keep_system_fields(new, old)
        if self.has_status:
            _copy_or_drop(new, old, "status")
        if self.tracks_generation and self.bumps_generation(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def bumps_generation(self, new: Object, old: Object) -> bool:
        """Whether what the user wants has changed."""
        return bool(new.get("spec") != old.get("spec"))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        """Metadata rules of an update; kinds add their own immutability and call `validate_body`."""
        return metadata.validate_update(new, old)

    # -- status ---------------------------------------------------------------------------------------------
    def prepare_status_update(self, new: Object, old: Object) -> None:
        """Only the status (and metadata that controllers own) changes through the subresource."""
        self._keep_system_fields(new, old)
        for field in (set(new) | set(old)) - _ENVELOPE - {"status"}:
            _copy_or_drop(new, old, field)
        _copy_or_drop(new["metadata"], old["metadata"], "ownerReferences")

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return metadata.validate_update(new, old)

    # -- selection and advice -------------------------------------------------------------------------------
    def field_labels(self, obj: Object) -> dict[str, str]:
        """The fields that a field selector may name, with their values; keys are `selectable_fields`."""
        own = obj["metadata"]
        return {"metadata.name": own.get("name", ""), "metadata.namespace": own.get("namespace", "")}

    def unsupported_field_label(self, label: str) -> str:
        """The sentence for a field selector that names `label`; "" when it is supported."""
        if label in self.selectable_fields:
            return ""
        if len(self.selectable_fields) > 2:
            return f"field label not supported: {label}"
        return (
            f'{fields.text(label)} is not a known field selector: only "metadata.name", "metadata.namespace"'
        )

    def warnings(self, obj: Object) -> list[str]:
        """Sentences for the Warning header of a create or update."""
        return _finalizer_warnings(obj)

    def create_warnings(self, obj: Object) -> list[str]:
        """More of them, for a new object only."""
        return []

    # -- help -----------------------------------------------------------------------------------------------
    @staticmethod
    def _keep_system_fields(new: Object, old: Object) -> None:
        after, before = new["metadata"], old["metadata"]
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            _copy_or_drop(after, before, field)
        for field in ("uid", "creationTimestamp", "name", "namespace"):
            if not after.get(field):
                _copy_or_drop(after, before, field)


def _copy_or_drop(new: dict[str, Any], old: Mapping[str, Any], field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def _finalizer_warnings(obj: Object) -> list[str]:
    return [
        f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers'
        for finalizer in obj["metadata"].get("finalizers") or ()
        if "/" not in finalizer and finalizer not in metadata.STANDARD_FINALIZERS
    ]
