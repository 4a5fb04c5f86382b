"""The strategy of a custom resource, made from one version of its definition."""

from typing import Any

from pinnace.api import fields, selector_text
from pinnace.api.apiextensions import embedded, rules, values
from pinnace.api.apiextensions.paths import read_path
from pinnace.api.apiextensions.rules import Rules
from pinnace.api.meta import Object
from pinnace.api.resources import Resource
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import selectors
from pinnace.apimachinery.copies import same
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural import defaulting
from pinnace.apimachinery.structural.node import Structural

_BLOCKING = frozenset(
    ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
)  # fmt: skip
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to "
    "complete validation"
)


class CustomResourceStrategy(Strategy):
    """`version` is the entry of `spec.versions`."""

    tracks_generation = True
    allows_unconditional_update = False

    def __init__(self, resource: Resource, version: dict[str, Any], schema: Structural) -> None:
        super().__init__(resource)
        self.schema = schema
        self.rules = Rules(schema)
        self._ratcheted: list[str] = []  # findings of the last judgement that are only warnings
        self.scale: dict[str, str] = (version.get("subresources") or {}).get("scale") or {}
        self._selectable = tuple(entry["jsonPath"] for entry in version.get("selectableFields") or ())
        self.selectable_fields = frozenset(  # type: ignore[misc]  # every resource has its own
            ("metadata.name", "metadata.namespace", *(path[1:] for path in self._selectable))
        )

    def _normalise(self, obj: Object) -> None:
        own = obj.setdefault("metadata", {})
        self.drop_absent(own)
        super()._normalise({"metadata": own})

    def set_defaults(self, obj: Object) -> None:
        defaulting.default(self.schema, obj)

    # -- create ---------------------------------------------------------------------------------------------
    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        if self.has_status:
            obj.pop("status", None)

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        found += values.validate(self.schema, obj)
        found += self._validate_scale(obj)
        found += embedded.validate_embedded(self.schema, obj)
        found += embedded.validate_lists(self.schema, obj)
        return found + self._judged(obj, values.ABSENT, found)

    # -- update ---------------------------------------------------------------------------------------------
    def bumps_generation(self, new: Object, old: Object) -> bool:
        """Everything but metadata is what the user wants, the status only where it has no door of its own."""
        return not same(_content(new), _content(old))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += values.validate(self.schema, new, old)
        found += self._validate_scale(new)
        found += embedded.validate_embedded(self.schema, new)
        found += self._validate_lists_update(new, old)
        return found + self._judged(new, old, found)

    def _judged(self, new: Object, old: Any, found: list[Cause]) -> list[Cause]:
        """What the rules say, unless the object is wrong in a way that they rely on."""
        if self.rules.is_empty:
            return []
        blocked = blocks_rules(found)
        if blocked is not None:
            return [blocked]
        self._ratcheted = []
        return rules.validate(self.rules, new, old, self._ratcheted.append)

    def _validate_lists_update(self, new: Object, old: Object) -> list[Cause]:
        """What was wrong already may stay so."""
        found = embedded.validate_lists(self.schema, new)
        return [] if found and embedded.validate_lists(self.schema, old) else found

    # -- status ---------------------------------------------------------------------------------------------
    def prepare_status_update(self, new: Object, old: Object) -> None:
        """Nothing but the status changes, of the metadata only who manages what."""
        status, managed, version = (
            new.get("status"),
            new["metadata"].get("managedFields"),
            new["metadata"].get("resourceVersion"),
        )
        new.clear()
        new.update(old)
        new["metadata"] = {**old["metadata"], "resourceVersion": version}
        for name, value in (("managedFields", managed),):
            new["metadata"].pop(name, None)
            if value is not None:
                new["metadata"][name] = value
        new.pop("status", None)
        if status is not None:
            new["status"] = status

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old)
        child = self.schema.properties.get("status")
        if child is not None and "status" in new:
            found += values.validate(child, new["status"], old.get("status", values.ABSENT), "status")
        found += self._validate_lists_update(new, old)
        return found + self._judged(new, old, found)

    # -- scale ----------------------------------------------------------------------------------------------
    def _validate_scale(self, obj: Object) -> list[Cause]:
        found: list[Cause] = []
        for name in ("specReplicasPath", "statusReplicasPath"):
            path = self.scale.get(name)
            replicas = read_path(obj, path) if path else None
            if isinstance(replicas, int) and replicas < 0:
                found.append(fields.invalid(path or "", replicas, "should be a non-negative integer"))
        path = self.scale.get("labelSelectorPath")
        selector = read_path(obj, path) if path else None
        if path and isinstance(selector, str):
            try:
                selector_text.parse(selector)
            except selectors.SelectorError as error:
                found.append(fields.invalid(path, selector, str(error)))
        return found

    def warnings(self, obj: Object) -> list[str]:
        """Called right after the judgement of the same object."""
        found, self._ratcheted = self._ratcheted, []
        return super().warnings(obj) + found

    # -- selection ------------------------------------------------------------------------------------------
    def field_labels(self, obj: Object) -> dict[str, str]:
        labels = super().field_labels(obj)
        for path in self._selectable:
            labels[path[1:]] = _label_text(read_path(obj, path))
        return labels


def _content(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name != "metadata"}


def _label_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else fields.text(value)


def blocks_rules(found: list[Cause]) -> Cause | None:
    """The finding that stands for rules which were not evaluated, because the object is wrong in a way that they rely on."""
    if any(cause.reason in _BLOCKING for cause in found):
        return fields.invalid(values.NO_PATH, None, _UNCHECKED)
    return None
