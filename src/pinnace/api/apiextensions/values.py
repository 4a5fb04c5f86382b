"""Holding the value of a custom resource against its structural schema, in the words of upstream's validator.

On update what did not change is not judged again (ratcheting), as far as old and new values can be told to belong
together: fields by name, elements of `map` lists by their keys.
Wording: https://github.com/kubernetes/kube-openapi/blob/master/pkg/validation/errors/schema.go
"""

import math
from collections.abc import Iterator
from typing import Any

from pinnace.api import fields
from pinnace.api.apiextensions.formats import is_format
from pinnace.apimachinery.copies import same
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural.node import Structural

NO_PATH = "<nil>"  # how upstream names the place of a finding that has none
ABSENT: Any = object()
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def validate(node: Structural, value: Any, old: Any = ABSENT, path: str = "") -> list[Cause]:
    """Everything that is wrong with `value`; `old` is what stood there before."""
    if old is not ABSENT and same(value, old):
        return []
    if value is None and node.nullable:
        return []
    if wrong := _type_error(node, value, path):
        return [wrong]
    found = [*_junctors(node, value, path)]
    found += _enum(node, value, path)
    if value.__class__ is str:
        found += _string(node, value, path)
    elif value.__class__ is int or value.__class__ is float:
        found += _number(node, value, path)
    elif value.__class__ is list:
        found += _list(node, value, old, path)
    elif value.__class__ is dict:
        found += _object(node, value, old, path)
    return found


def is_valid(node: Structural, value: Any) -> bool:
    return not validate(node, value)


def _said(path: str) -> str:
    return f"{path} in body" if path else " in body"


def _type_error(node: Structural, value: Any, path: str) -> Cause | None:
    wanted = "integer,string" if node.is_int_or_string else node.type
    if not wanted:
        return None
    given = "null" if value is None else _JSON_TYPES.get(value.__class__, "number")
    if given in wanted.split(",") or (wanted == "number" and given == "integer"):
        return None
    if given == "number" and "integer" in wanted and value.is_integer():
        return None
    message = f'{_said(path)} must be of type {wanted}: "{given}"'
    return fields.type_invalid(path or NO_PATH, given, message)


def _invalid(path: str, value: Any, rest: str) -> Cause:
    return fields.invalid(path or NO_PATH, value, f"{_said(path)} {rest}")


def _enum(node: Structural, value: Any, path: str) -> Iterator[Cause]:
    allowed = node.raw.get("enum")
    if allowed and not any(same(value, one) for one in allowed):
        texts = [one if isinstance(one, str) else fields.text(one) for one in allowed]
        yield fields.not_supported(path or NO_PATH, value, texts)


def _string(node: Structural, value: str, path: str) -> Iterator[Cause]:
    raw = node.raw
    most, least = raw.get("maxLength"), raw.get("minLength")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path or NO_PATH)
    if least is not None and len(value) < least:
        yield _invalid(path, value, f"should be at least {least} chars long")
    if node.pattern is not None and not node.pattern.search(value):
        yield _invalid(path, value, f"should match '{raw['pattern']}'")
    if node.format and not is_format(node.format, value):
        message = f'{_said(path)} must be of type {node.format}: "{value}"'
        yield fields.type_invalid(path or NO_PATH, value, message)


def _number(node: Structural, value: float, path: str) -> Iterator[Cause]:
    raw = node.raw
    least, most, factor = raw.get("minimum"), raw.get("maximum"), raw.get("multipleOf")
    if most is not None:
        if raw.get("exclusiveMaximum"):
            if value >= most:
                yield _invalid(path, value, f"should be less than {_bare(most)}")
        elif value > most:
            yield _invalid(path, value, f"should be less than or equal to {_bare(most)}")
    if least is not None:
        if raw.get("exclusiveMinimum"):
            if value <= least:
                yield _invalid(path, value, f"should be greater than {_bare(least)}")
        elif value < least:
            yield _invalid(path, value, f"should be greater than or equal to {_bare(least)}")
    if factor and not _is_multiple(value, factor):
        yield _invalid(path, value, f"should be a multiple of {_bare(factor)}")
    bits = {"int32": 31, "int64": 63}.get(node.format)
    if bits and node.type == "integer" and not -(2**bits) <= value < 2**bits:
        yield _invalid(path, value, f"must be of type {node.format}: {_bare(value)}")


def _bare(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e21 else str(number)


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    quotient = value / factor
    return math.isfinite(quotient) and quotient == math.floor(quotient)


def _list(node: Structural, value: list[Any], old: Any, path: str) -> list[Cause]:
    raw, found = node.raw, []
    most, least = raw.get("maxItems"), raw.get("minItems")
    if least is not None and len(value) < least:
        found.append(_invalid(path, len(value), f"should have at least {least} items"))
    if most is not None and len(value) > most:
        found.append(fields.too_many(path or NO_PATH, len(value), most))
    if raw.get("uniqueItems") and any(same(a, b) for i, a in enumerate(value) for b in value[:i]):
        found.append(fields.invalid(path or NO_PATH, "", f"{_said(path)} shouldn't contain duplicates"))
    items = node.items
    if items is not None:
        before = correlated(node, old) if old is not ABSENT else {}
        for index, item in enumerate(value):
            was = before.get(key_of(node, item), ABSENT) if before else ABSENT
            found += validate(items, item, was, f"{path}[{index}]")
    return found


def key_of(node: Structural, item: Any) -> str:
    """What tells an element of a `map` list from the others."""
    if not isinstance(item, dict):
        return ""
    keys = []
    for name in node.list_keys:
        child = node.items.properties.get(name) if node.items else None
        keys.append(item.get(name, child.default if child is not None and child.has_default else None))
    return fields.text(keys)


def correlated(node: Structural, old: Any) -> dict[str, Any]:
    """The old elements of a `map` list by key; nothing for other lists, whose elements have no identity."""
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    return {key_of(node, item): item for item in old if isinstance(item, dict)}


def _object(node: Structural, value: dict[str, Any], old: Any, path: str) -> list[Cause]:
    raw, found = node.raw, []
    most, least = raw.get("maxProperties"), raw.get("minProperties")
    if least is not None and len(value) < least:
        found.append(_invalid(path, least, f"should have at least {least} properties"))
    if most is not None and len(value) > most:
        found.append(fields.too_many(path or NO_PATH, len(value), most))
    for name in node.required:
        if name not in value:
            found.append(fields.required(f"{path}.{name}" if path else name))
    before = old if isinstance(old, dict) else {}
    additional = node.additional
    for name, item in value.items():
        child = node.properties.get(name) or additional
        if child is not None and not (node.is_object_root and name == "metadata"):
            found += validate(child, item, before.get(name, ABSENT), f"{path}.{name}" if path else name)
    return found


def _junctors(node: Structural, value: Any, path: str) -> Iterator[Cause]:
    def failed(rest: str) -> Cause:
        return fields.invalid(NO_PATH, "", f'"{path}" {rest}')

    if node.any_of:
        attempts = [validate(one, value, path=path) for one in node.any_of]
        if all(attempts):
            yield failed("must validate at least one schema (anyOf)")
            yield from min(attempts, key=len)
    if node.one_of:
        attempts = [validate(one, value, path=path) for one in node.one_of]
        valid = sum(not attempt for attempt in attempts)
        if valid != 1:
            why = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield failed(f"must validate one and only one schema (oneOf). {why}")
            if not valid:
                yield from min(attempts, key=len)
    if node.all_of:
        attempts = [validate(one, value, path=path) for one in node.all_of]
        invalid = [attempt for attempt in attempts if attempt]
        if invalid:
            none = ". None validated" if len(invalid) == len(attempts) else ""
            yield failed(f"must validate all the schemas (allOf){none}")
            for attempt in invalid:
                yield from attempt
    if node.negated is not None and is_valid(node.negated, value):
        yield failed("must not validate the schema (not)")
