"""Validation of the metadata that every object has, on create and on update.

Upstream: https://github.com/kubernetes/apimachinery/blob/master/pkg/api/validation/objectmeta.go
Of managedFields only the names: server-side apply owns their format.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

ANNOTATIONS_LIMIT = 256 * 1024
FIELD_MANAGER_LIMIT, SUBRESOURCE_LIMIT = 128, 256
SHORT = FIELD_MANAGER_LIMIT // 4  # characters that fit whatever they are
IMMUTABLE_FIELDS = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_MAPS = ("labels", "annotations", "ownerReferences")
STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))

NameRule = Callable[[str], Sequence[str]]


def validate(obj: Object, *, namespaced: bool, name_rule: NameRule, path: str = "metadata") -> list[Cause]:
    metadata = obj.get("metadata") or {}
    found: list[Cause] = []
    if prefix := metadata.get("generateName"):
        found += fields.all_invalid(
            f"{path}.generateName", prefix, name_rule(names.without_trailing_dash(prefix))
        )
    name = metadata.get("name")
    if not name:
        found.append(fields.required(f"{path}.name", "name or generateName is required"))
    elif messages := name_rule(name):
        found += fields.all_invalid(f"{path}.name", name, messages)
    found += _validate_namespace(metadata.get("namespace"), namespaced, f"{path}.namespace")
    found += fields.non_negative(f"{path}.generation", metadata.get("generation"))
    found += _validate_maps(metadata, path)
    if "finalizers" in metadata:
        found += validate_finalizers(metadata["finalizers"] or (), f"{path}.finalizers")
    if "managedFields" in metadata:
        found += _validate_managed_fields(metadata["managedFields"] or (), f"{path}.managedFields")
    return found


def _validate_namespace(namespace: str | None, namespaced: bool, path: str) -> list[Cause]:
    if not namespaced:
        return [fields.forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [fields.required(path)]
    return fields.all_invalid(path, namespace, names.dns_label(namespace))


def _validate_maps(metadata: Mapping[str, Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    if "labels" in metadata:
        found += validate_labels(metadata["labels"], f"{path}.labels")
    if "annotations" in metadata:
        found += validate_annotations(metadata["annotations"], f"{path}.annotations")
    if "ownerReferences" in metadata:
        found += validate_owner_references(metadata["ownerReferences"] or (), f"{path}.ownerReferences")
    return found


def validate_labels(labels: Mapping[str, str] | None, path: str) -> list[Cause]:
    found: list[Cause] = []
    for key, value in (labels or {}).items():
        if messages := names.qualified_name(key):
            found += fields.all_invalid(path, key, messages)
        if messages := names.label_value(value):
            found += fields.all_invalid(path, value, messages)
    return found


def validate_annotations(annotations: Mapping[str, str] | None, path: str) -> list[Cause]:
    found: list[Cause] = []
    size = 0
    for key, value in (annotations or {}).items():
        if messages := names.qualified_name(key.lower()):
            found += fields.all_invalid(path, key, messages)
        size += len(key) + len(value)
    if size * 4 > ANNOTATIONS_LIMIT:  # only then can the bytes exceed what the characters suggest
        size = sum(len(k.encode()) + len(v.encode()) for k, v in (annotations or {}).items())
    if size > ANNOTATIONS_LIMIT:
        found.append(fields.too_long(path, ANNOTATIONS_LIMIT))
    return found


def validate_owner_references(references: Sequence[Mapping[str, Any]], path: str) -> list[Cause]:
    found: list[Cause] = []
    controller = ""
    for reference in references:
        found += _validate_owner_reference(reference, path)
        if not reference.get("controller"):
            continue
        name = reference.get("name", "")
        if controller:
            why = f'Only one reference can have Controller set to true. Found "true" in references for {controller} and {name}'
            found.append(fields.invalid(path, references, why))
        controller = name
    return found


def _validate_owner_reference(reference: Mapping[str, Any], path: str) -> list[Cause]:
    api_version, kind = reference.get("apiVersion") or "", reference.get("kind") or ""
    found: list[Cause] = []
    if not api_version.rpartition("/")[2]:
        found.append(fields.invalid(f"{path}.apiVersion", api_version, "version must not be empty"))
    for name in ("kind", "name", "uid"):
        if not reference.get(name):
            found.append(fields.invalid(f"{path}.{name}", reference.get(name) or "", "must not be empty"))
    if api_version == "v1" and kind == "Event":
        found.append(fields.invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def validate_finalizers(finalizers: Sequence[str], path: str) -> list[Cause]:
    found: list[Cause] = []
    for finalizer in finalizers:
        found += fields.all_invalid(path, finalizer, names.qualified_name(finalizer))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(fields.invalid(path, finalizers, why))
    return found


def _validate_managed_fields(entries: Sequence[Mapping[str, Any]], path: str) -> list[Cause]:
    """The names in them; entries that cannot be read have been passed over before."""
    found: list[Cause] = []
    for place, entry in enumerate(entries):
        manager, subresource = entry.get("manager") or "", entry.get("subresource") or ""
        if len(manager) > SHORT or not manager.isprintable():
            found += validate_field_manager(manager, f"{path}[{place}].manager")
        if len(subresource.encode()) > SUBRESOURCE_LIMIT:
            found.append(fields.too_long(f"{path}[{place}].subresource", SUBRESOURCE_LIMIT))
    return found


def validate_field_manager(manager: str, path: str) -> list[Cause]:
    found = []
    if len(manager.encode()) > FIELD_MANAGER_LIMIT:
        found.append(fields.too_long(path, FIELD_MANAGER_LIMIT))
    position = 0
    for char in manager:
        if not char.isprintable():
            why = f"invalid character U+{ord(char):04X} (at position {position})"
            found.append(fields.invalid(path, manager, why))
        position += len(char.encode())
    return found


def validate_update(new: Object, old: Object, path: str = "metadata") -> list[Cause]:
    """What an update may not do to metadata; format checks of what may change are included."""
    after, before = new["metadata"], old["metadata"]
    found: list[Cause] = []
    if "deletionTimestamp" in before:
        found += _validate_no_new_finalizers(after, before, path)
    if not after.get("resourceVersion"):
        found.append(fields.invalid(f"{path}.resourceVersion", "", "must be specified for an update"))
    if after.get("generation", 0) < before.get("generation", 0):
        found.append(
            fields.invalid(f"{path}.generation", after.get("generation", 0), "must not be decremented")
        )
    for field in IMMUTABLE_FIELDS:
        if after.get(field) != before.get(field):
            found.append(fields.invalid(f"{path}.{field}", after.get(field), fields.IMMUTABLE))
    changed = {name: after[name] for name in _MAPS if name in after and after[name] != before.get(name)}
    found += _validate_maps(changed, path)
    if after.get("finalizers") != before.get("finalizers"):
        found += validate_finalizers(after.get("finalizers") or (), f"{path}.finalizers")
    if "managedFields" in after and after["managedFields"] is not before.get("managedFields"):
        found += _validate_managed_fields(after["managedFields"] or (), f"{path}.managedFields")
    return found


def _validate_no_new_finalizers(after: Object, before: Object, path: str) -> list[Cause]:
    extra = sorted(set(after.get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if not extra:
        return []
    listed = ", ".join(fields.text(one) for one in extra)
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
    return [fields.forbidden(f"{path}.finalizers", why)]
