"""Rules that claims, classes and slices of devices share. Lists have the limits of upstream's API.

Facts: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/resource/validation/validation.go
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from pinnace.api import fields, names
from pinnace.api.resource import device_selectors
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Check = Callable[[Any, str], Found]
MAX_SELECTORS, MAX_CONFIGS, MAX_TOLERATIONS = 32, 32, 16
MAX_PARAMETERS, MAX_POOL_NAME, MAX_ID, MAX_DOMAIN = 10 * 1024, 253, 32, 63
EFFECTS = ("NoExecute", "NoSchedule", "None")


def each(items: Sequence[Any] | None, limit: int, check: Check, path: str) -> Found:
    """All entries of a list, unless there are too many of them."""
    if items and len(items) > limit:
        yield fields.too_many(path, len(items), limit)
        return
    for index, item in enumerate(items or ()):
        yield from check(item, f"{path}[{index}]")


def each_once(
    items: Sequence[Any] | None, limit: int, check: Check, path: str, key: Callable[[Any], Hashable]
) -> Found:
    """The same, and no two entries with one key."""
    yield from each(items, limit, check, path)
    if items and len(items) > limit:
        return
    seen: set[Hashable] = set()
    for index, item in enumerate(items or ()):
        known = key(item)
        if known in seen:
            shown = "/".join(map(str, known)) if isinstance(known, tuple) else known
            yield fields.duplicate(f"{path}[{index}]", shown)
        seen.add(known)


def label(value: str | None, path: str) -> Found:
    if not value:
        yield fields.required(path)
    else:
        yield from fields.all_invalid(path, value, names.dns_label(value))


def subdomain(value: str | None, path: str) -> Found:
    if not value:
        yield fields.required(path)
    else:
        yield from fields.all_invalid(path, value, names.dns_subdomain(value))


def pool_name(value: str | None, path: str) -> Found:
    if not value:
        yield fields.required(path)
        return
    if len(value) > MAX_POOL_NAME:
        yield fields.too_long(path, MAX_POOL_NAME)
    for part in value.split("/"):
        yield from fields.all_invalid(path, part, names.dns_subdomain(part))


def qualified_name(value: str, path: str) -> Found:
    """`id` or `domain/id` of an attribute or capacity."""
    domain, slash, own = value.partition("/")
    if not slash:
        yield from _identifier(value, path)
        return
    if "/" in own:
        yield fields.invalid(path, value, "must not contain more than one slash")
        return
    if not domain:
        yield fields.invalid(path, "", "the domain must not be empty")
    else:
        yield from validate_driver_name(domain, path)
    if not own:
        yield fields.invalid(path, "", "the name must not be empty")
    else:
        yield from _identifier(own, path)


def fully_qualified_name(value: str, path: str) -> Found:
    yield from qualified_name(value, path)
    if "/" not in value:
        why = "a fully qualified name must be a domain and a name separated by a slash"
        yield fields.invalid(path, value, why)


def _identifier(value: str, path: str) -> Found:
    if len(value) > MAX_ID:
        yield fields.too_long(path, MAX_ID)
    yield from fields.all_invalid(path, value, names.c_identifier(value))


def selectors(entries: Sequence[Mapping[str, Any]] | None, path: str) -> Found:
    yield from each(entries, MAX_SELECTORS, _selector, path)


def _selector(selector: Mapping[str, Any], path: str) -> Found:
    cel = selector.get("cel")
    if cel is None:
        yield fields.required(f"{path}.cel")
        return
    expression = cel.get("expression") or ""
    if not expression.strip():
        yield fields.required(f"{path}.cel.expression")
    else:
        yield from device_selectors.validate(expression, f"{path}.cel.expression")


def configuration(config: Mapping[str, Any], path: str) -> Found:
    opaque = config.get("opaque")
    if opaque is None:
        yield fields.required(f"{path}.opaque")
        return
    yield from validate_driver_name(opaque.get("driver"), f"{path}.opaque.driver")
    parameters, here = opaque.get("parameters"), f"{path}.opaque.parameters"
    if parameters is None:
        yield fields.required(here)
    elif not isinstance(parameters, dict):
        yield fields.invalid(here, "<value omitted>", "must be a valid JSON object")
    elif len(orjson.dumps(parameters)) > MAX_PARAMETERS:
        yield fields.too_long(here, MAX_PARAMETERS)


def tolerations(entries: Sequence[Mapping[str, Any]] | None, path: str) -> Found:
    yield from each(entries, MAX_TOLERATIONS, _toleration, path)


def _toleration(toleration: Mapping[str, Any], path: str) -> Found:
    key, operator, value = (toleration.get(field) or "" for field in ("key", "operator", "value"))
    if key:
        yield from fields.all_invalid(f"{path}.key", key, names.qualified_name(key))
    match operator:
        case "Exists":
            if value:
                why = "must be empty for operator `Exists`"
                yield fields.invalid(f"{path}.value", value, why)
        case "Equal":
            yield from fields.all_invalid(f"{path}.value", value, names.label_value(value))
            if not key:
                yield fields.required(f"{path}.key")
        case _:
            yield fields.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    effect = toleration.get("effect")
    if effect and effect not in EFFECTS:
        yield fields.not_supported(f"{path}.effect", effect, EFFECTS)
