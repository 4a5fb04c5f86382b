"""CustomResourceDefinitions: defaults, preparation, and which judgement applies when.

The judgement is imported when there is something to judge: every server has this strategy, most have no definitions.
"""

from typing import Any

from pinnace.api import fields, meta, metadata, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

_WEBHOOK_PORT = 443


class CustomResourceDefinitionStrategy(Strategy):
    tracks_generation = True
    allows_unconditional_update = False

    def drop_absent(self, obj: Object) -> None:
        """Schemas hold data of their own, such as defaults and enums with nulls: only what is around them is tidied."""
        spec = obj.get("spec")
        if not isinstance(spec, dict):
            super().drop_absent(obj)
            return
        kept = spec.pop("versions", None)
        super().drop_absent(obj)
        if kept is None:
            return
        spec["versions"] = kept
        for version in kept:
            schema = version.pop("schema", None)
            super().drop_absent(version)
            if schema is not None:
                version["schema"] = schema

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        own = spec.setdefault("names", {})
        kind = own.get("kind", "")
        if not own.get("singular"):
            own["singular"] = kind.lower()
        if kind and not own.get("listKind"):
            own["listKind"] = f"{kind}List"
        if spec.get("preserveUnknownFields") is False:
            del spec["preserveUnknownFields"]
        conversion = spec.setdefault("conversion", {"strategy": "None"})
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None and not service.get("port"):
            service["port"] = _WEBHOOK_PORT
        for version in spec.get("versions") or ():
            version.setdefault("served", False)
            version.setdefault("storage", False)
            _check_shape((version.get("schema") or {}).get("openAPIV3Schema"))

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": [],
        }
        _note_storage_version(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        if "status" in new:
            new["status"] = meta.mutable_copy(new["status"])
        else:
            new["status"] = {"storedVersions": []}
        _note_storage_version(new)

    def validate(self, obj: Object) -> list[Cause]:
        from pinnace.api.apiextensions import approval, spec_validation

        found = metadata.validate(obj, namespaced=False, name_rule=lambda name: _name(name, obj))
        found += spec_validation.validate(obj["spec"], "spec")
        found += spec_validation.validate_is_free(obj["spec"], "spec")
        found += spec_validation.validate_names(_accepted(obj), "status.acceptedNames")
        found += spec_validation.validate_stored_versions(obj, "status.storedVersions")
        found += approval.validate(obj)
        return found

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        from pinnace.api.apiextensions import approval, spec_validation

        found = super().validate_update(new, old)
        found += spec_validation.validate(new["spec"], "spec", old["spec"])
        found += _validate_immutable(new["spec"], old["spec"], meta.condition_is_true(old, "Established"))
        found += spec_validation.validate_names(_accepted(new), "status.acceptedNames")
        found += spec_validation.validate_stored_versions(new, "status.storedVersions")
        if _group(new) != _group(old) or approval.of(new) != approval.of(old):
            found += approval.validate(new)
        return found

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        from pinnace.api.apiextensions import spec_validation

        found = super().validate_status_update(new, old)
        return found + spec_validation.validate_names(_accepted(new), "status.acceptedNames")

    def warnings(self, obj: Object) -> list[str]:
        from pinnace.api.apiextensions import formats

        found = super().warnings(obj)
        seen = dict.fromkeys(
            name
            for version in obj["spec"].get("versions") or ()
            for name in _formats((version.get("schema") or {}).get("openAPIV3Schema"))
        )
        return found + [f'unrecognized format "{name}"' for name in seen if not formats.is_known(name)]


def _check_shape(schema: Any) -> None:
    """What the release's definitions leave open, but upstream's decoder does not: a schema is an object. Raises TypeError."""
    if schema is None:
        return
    if not isinstance(schema, dict):
        raise TypeError("json: cannot unmarshal into Go value of type v1.JSONSchemaProps")
    for name in ("minimum", "maximum", "multipleOf"):  # doubles, which Go writes without `.0`
        if isinstance(schema.get(name), float) and schema[name].is_integer():
            schema[name] = int(schema[name])
    for child in (schema.get("properties") or {}).values():
        _check_shape(child)
    items, values = schema.get("items"), schema.get("additionalProperties")
    for child in items if isinstance(items, list) else (items, None if isinstance(values, bool) else values):
        _check_shape(child)
    _check_shape(schema.get("not"))
    for name in ("allOf", "anyOf", "oneOf"):
        for child in schema.get(name) or ():
            _check_shape(child)


def _group(obj: Object) -> str:
    return str(obj["spec"].get("group", ""))


def _accepted(obj: Object) -> Object:
    return (obj.get("status") or {}).get("acceptedNames") or {}


def _name(name: str, obj: Object) -> list[str]:
    found = list(names.dns_subdomain(name))
    spec = obj["spec"]
    if name != f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}":
        found.append('must be spec.names.plural+"."+spec.group')
    return found


def _note_storage_version(obj: Object) -> None:
    """A version that objects may lie in is remembered until somebody has rewritten them."""
    stored = obj["status"].setdefault("storedVersions", [])
    for version in obj["spec"].get("versions") or ():
        if version.get("storage"):
            if version.get("name") not in stored:
                stored.append(version.get("name"))
            return


def _validate_immutable(new: Object, old: Object, is_established: bool) -> list[Cause]:
    found: list[Cause] = []
    if is_established:
        found += fields.immutable("spec.scope", new.get("scope"), old.get("scope"))
        found += fields.immutable("spec.names.kind", new["names"].get("kind"), old["names"].get("kind"))
    found += fields.immutable("spec.group", new.get("group"), old.get("group"))
    return found + fields.immutable(
        "spec.names.plural", new["names"].get("plural"), old["names"].get("plural")
    )


def _formats(schema: Any) -> list[str]:
    found: list[str] = []
    if isinstance(schema, dict):
        if isinstance(schema.get("format"), str) and schema["format"]:
            found.append(schema["format"])
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                for child in value.values():
                    found += _formats(child)
            elif name in ("items", "additionalProperties", "not"):
                found += _formats(value)
            elif name in ("allOf", "anyOf", "oneOf") and isinstance(value, list):
                for child in value:
                    found += _formats(child)
    return found
