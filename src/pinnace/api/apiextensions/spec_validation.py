"""Validation of a definition's spec but for the schemas, with upstream's paths.

Upstream keeps what all versions have in common at the top of its internal form, and its paths show it: the schema of a
definition with one version is `spec.validation.openAPIV3Schema`.
https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go
"""

import re
from collections.abc import Iterator
from typing import Any

from pinnace.api import fields, names
from pinnace.api.admissionregistration import client_configs
from pinnace.api.apiextensions import schema_validation
from pinnace.api.apiextensions.paths import steps
from pinnace.api.meta import Object
from pinnace.api.resources import BY_GVR
from pinnace.apimachinery.errors import Cause

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REVIEW_VERSIONS = ("v1", "v1beta1")
_MOST_SELECTABLE = 8
_PRESERVE = (
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
)


def validate(spec: Object, path: str, old: Object | None = None) -> list[Cause]:
    found: list[Cause] = [*_group(spec, path)]
    scope = spec.get("scope")
    if not scope:
        found.append(fields.required(f"{path}.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        found.append(fields.not_supported(f"{path}.scope", scope, ("Cluster", "Namespaced")))
    if spec.get("preserveUnknownFields") and not (old or {}).get("preserveUnknownFields"):
        found.append(fields.invalid(f"{path}.preserveUnknownFields", True, _PRESERVE))
    found += _versions(spec, path, old)
    own = spec.get("names") or {}
    found += [
        fields.required(f"{path}.names.{name}")
        for name in ("plural", "singular", "kind", "listKind")
        if not own.get(name)
    ]
    found += validate_names(own, f"{path}.names")
    return found + _conversion(spec.get("conversion"), f"{path}.conversion")


def _group(spec: Object, path: str) -> Iterator[Cause]:
    group = spec.get("group")
    if not group:
        yield fields.required(f"{path}.group")
    elif messages := names.dns_subdomain(group):
        yield fields.invalid(f"{path}.group", group, ",".join(messages))
    elif "." not in group:
        yield fields.invalid(f"{path}.group", group, "should be a domain with at least one dot")


def validate_is_free(spec: Object, path: str) -> Iterator[Cause]:
    """A resource of the API server itself cannot be defined once more, in whatever version: its objects are judged by other rules."""
    plural, group = (spec.get("names") or {}).get("plural") or "", spec.get("group") or ""
    if any(gvr.resource == plural and gvr.group == group for gvr in BY_GVR):
        why = f"{plural}.{group} is served by the API server itself"
        yield fields.invalid(f"{path}.names.plural", plural, why)


def validate_names(own: Object, path: str) -> list[Cause]:
    found: list[Cause] = []
    for name in ("plural", "singular", "kind", "listKind"):
        text = own.get(name)
        is_kind = name in ("kind", "listKind")
        if text and (messages := names.dns_1035_label(text.lower() if is_kind else text)):
            prefix = "may have mixed case, but should otherwise match: " if is_kind else ""
            found.append(fields.invalid(f"{path}.{name}", text, prefix + ",".join(messages)))
    for name in ("shortNames", "categories"):
        for index, text in enumerate(own.get(name) or ()):
            if messages := names.dns_1035_label(text):
                found.append(fields.invalid(f"{path}.{name}[{index}]", text, ",".join(messages)))
    if own.get("kind") and own.get("kind") == own.get("listKind"):
        found.append(
            fields.invalid(f"{path}.listKind", own["listKind"], "kind and listKind may not be the same")
        )
    return found


def validate_stored_versions(obj: Object, path: str) -> list[Cause]:
    stored = (obj.get("status") or {}).get("storedVersions") or []
    if not stored:
        return [fields.invalid(path, stored, "must have at least one stored version")]
    versions = obj["spec"].get("versions") or ()
    known = {version.get("name") for version in versions}
    found = [
        fields.invalid(path, stored, f"must have the storage version {version.get('name')}")
        for version in versions
        if version.get("storage") and version.get("name") not in stored
    ]
    for index, name in enumerate(stored):
        if name not in known:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            found.append(fields.invalid(f"{path}[{index}]", name, why))
    return found


def _common(versions: list[Object], name: str) -> bool:
    """Whether upstream would keep this field at the top: every version has it, with one value."""
    return bool(versions) and all(
        version.get(name) and version[name] == versions[0][name] for version in versions
    )


def _versions(spec: Object, path: str, old: Object | None) -> list[Cause]:
    versions, found = spec.get("versions") or [], []
    before = {version["name"]: version for version in (old or {}).get("versions") or ()}
    found += [
        fields.required(f"{path}.versions[{index}].schema.openAPIV3Schema", "schemas are required")
        for index, version in enumerate(versions)
        if not (version.get("schema") or {}).get("openAPIV3Schema")
    ]
    for index, version in enumerate(versions):
        here = f"{path}.versions[{index}]"
        if messages := names.dns_1035_label(version.get("name", "")):
            found.append(fields.invalid(f"{here}.name", version.get("name", ""), ",".join(messages)))
        found += _deprecation(version, here)
        for name in ("schema", "subresources", "additionalPrinterColumns", "selectableFields"):
            common = _common(versions, name)
            if version.get(name) and (index == 0 or not common):
                place = f"{path}.{'validation' if name == 'schema' else name}" if common else f"{here}.{name}"
                found += _part(name, version, place, before.get(version.get("name", "")))
    listed = [version.get("name") for version in versions]
    if len(set(listed)) != len(listed):
        found.append(fields.invalid(f"{path}.versions", versions, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        why = "must have exactly one version marked as storage version"
        found.append(fields.invalid(f"{path}.versions", versions, why))
    return found


def _part(name: str, version: Object, path: str, old: Object | None) -> list[Cause]:
    match name:
        case "schema":
            schema = version["schema"].get("openAPIV3Schema")
            has_status = "status" in (version.get("subresources") or {})
            before = ((old or {}).get("schema") or {}).get("openAPIV3Schema")
            return (
                schema_validation.validate(schema, f"{path}.openAPIV3Schema", has_status, before)
                if schema
                else []
            )
        case "subresources":
            return _scale(version["subresources"].get("scale"), f"{path}.scale")
        case "additionalPrinterColumns":
            return [
                cause
                for index, column in enumerate(version["additionalPrinterColumns"])
                for cause in _column(column, f"{path}[{index}]")
            ]
    return _selectable(version, path)


def _deprecation(version: Object, path: str) -> Iterator[Cause]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    place = f"{path}.deprecationWarning"
    if not version.get("deprecated"):
        yield fields.invalid(place, warning, "can only be set for deprecated versions")
        return
    if len(warning.encode()) > 256:
        yield fields.invalid(place, warning, "must be <= 256 characters long")
    if not warning:
        yield fields.invalid(place, warning, "must not be an empty string")
    if not warning.isprintable():
        index = next(i for i, one in enumerate(warning) if not one.isprintable())
        why = f"must only contain printable UTF-8 characters; non-printable character found at index {index}"
        yield fields.invalid(place, warning, why)


def _simple_path(text: str, path: str) -> list[Cause]:
    if not text.startswith("."):
        return [fields.invalid(path, text, "must be a simple json path starting with .")]
    return []


def _scale(scale: Object | None, path: str) -> list[Cause]:
    if scale is None:
        return []
    found: list[Cause] = []
    for name, parents in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        text, place = scale.get(name), f"{path}.{name}"
        if not text:
            found.append(fields.required(place))
        elif wrong := _simple_path(text, place):
            found += wrong
        elif not text.startswith(parents):
            found.append(fields.invalid(place, text, f"should be a json path under {parents[0][:-1]}"))
    text = scale.get("labelSelectorPath")
    if text:
        place = f"{path}.labelSelectorPath"
        if wrong := _simple_path(text, place):
            found += wrong
        elif not text.startswith((".spec.", ".status.")):
            found.append(fields.invalid(place, text, "should be a json path under either .spec or .status"))
    return found


def _column(column: Object, path: str) -> Iterator[Cause]:
    kind, form = column.get("type"), column.get("format")
    if not column.get("name"):
        yield fields.required(f"{path}.name")
    if not kind:
        yield fields.required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
    elif kind not in _COLUMN_TYPES:
        yield fields.invalid(f"{path}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
    if form and form not in _COLUMN_FORMATS:
        yield fields.invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    json_path = column.get("jsonPath")
    if not json_path:
        yield fields.required(f"{path}.JSONPath")
    else:
        yield from _simple_path(json_path, f"{path}.JSONPath")


def _selectable(version: Object, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    found: list[Cause] = []
    seen: set[str] = set()
    if not schema:
        why = "selectableFields may only be set when validations.schema is included"
        return [fields.invalid(path, "", why)]
    for index, entry in enumerate(version["selectableFields"]):
        text, place = entry.get("jsonPath"), f"{path}[{index}].jsonPath"
        if not text:
            found.append(fields.required(place))
            continue
        child, why = _resolved(schema, text)
        if why:
            found.append(fields.invalid(place, text, f"is an invalid path: {why}"))
            continue
        if steps(text)[0] == "metadata":
            found.append(fields.invalid(place, text, "must not point to fields in metadata"))
        if (child or {}).get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
            found.append(fields.invalid(place, text, why))
        if text in seen:
            found.append(fields.duplicate(place, text))
        seen.add(text)
    if len(seen) > _MOST_SELECTABLE:
        found.append(fields.too_many(path, len(seen), _MOST_SELECTABLE))
    return found


def _resolved(schema: Object, text: str) -> tuple[Object | None, str]:
    """The schema at a path of named fields, or why there is none."""
    if not text.startswith("."):
        return None, "expected [ or . but got: " + text[:1]
    node: Any = schema
    for step in steps(text):
        if not re.fullmatch(r"[A-Za-z_][\w-]*", step):
            return None, f"expected field name but got: {step}"
        child: Any = (node.get("properties") or {}).get(step)
        if child is None:
            if step in ("metadata", "apiVersion", "kind") and node is schema:
                child = {
                    "type": "object" if step == "metadata" else "string",
                    "properties": {"name": {"type": "string"}},
                }
            else:
                return None, "does not refer to a valid field"
        node = child
    return node, ""


def _conversion(conversion: Object | None, path: str) -> list[Cause]:
    if conversion is None:
        return []
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    place, found = f"{path}.webhookClientConfig", []
    if not strategy:
        found.append(fields.required(f"{path}.strategy"))
    elif strategy not in ("None", "Webhook"):
        found.append(fields.not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    if strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        if config is not None:
            found.append(fields.forbidden(place, why))
        if versions:
            found.append(fields.forbidden(f"{path}.conversionReviewVersions", why))
        return found
    if config is None:
        found.append(fields.required(place, "required when strategy is set to Webhook"))
    else:
        found += client_configs.validate(config, place)
    return found + _review_versions(versions, f"{path}.conversionReviewVersions")


def _review_versions(versions: list[str], path: str) -> list[Cause]:
    if not versions:
        return [fields.required(path)]
    found: list[Cause] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            found.append(fields.invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            found += fields.all_invalid(f"{path}[{index}]", version, names.dns_1035_label(version))
    if not set(versions) & set(_REVIEW_VERSIONS):
        found.append(
            fields.invalid(path, versions, f"must include at least one of {', '.join(_REVIEW_VERSIONS)}")
        )
    return found
