"""Holding an object against its schema: unknown fields, wrong types, and pruning, in the words of upstream's decoder.

Upstream decodes JSON into Go structs: an unknown field is dropped (and reported when asked for), null leaves a field
unset, and a wrong type is an error that names the struct, the path and the Go type. Only the first wrong type is told.
Left out: named string types (upstream says `v1.PullPolicy` where this says `string`).
"""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pinnace.apimachinery import quantity, times

if TYPE_CHECKING:
    from pinnace.apimachinery.schema import Schema

_LIMITS = {"int32": 1 << 31, "int64": 1 << 63, "": 1 << 63}
_JSON_TYPES = {str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}
_ACCEPTED: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "number": (int, float)}
_GO_SCALARS = {
    "string": "string",
    "boolean": "bool",
    "number": "float64",
    "bytes": "[]uint8",
    "any": "interface {}",
}
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: `message` is what upstream says, such as `unknown field "spec.foo"`."""

    kind: Literal["unknown", "duplicate", "type"]
    path: str
    message: str


@dataclass(slots=True)
class _Finding:
    """A problem on its way up: each level adds its own step, so that a clean object builds no paths."""

    kind: Literal["unknown", "type"]
    steps: list[str | int] = field(default_factory=list)  # innermost first; a number is a list index
    message: str = ""
    unmarshal: str = ""  # `string ... of type int32`: completed with struct and path at the top
    go_type: str = ""
    struct: str = ""

    def path(self) -> str:
        text = ""
        for step in reversed(self.steps):
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def problem(self) -> Problem:
        path = self.path()
        if self.kind == "unknown":
            return Problem("unknown", path, f'unknown field "{path}"')
        if self.message:
            return Problem("type", path, self.message)
        go_path = ".".join(step for step in reversed(self.steps) if isinstance(step, str))
        where = f"Go struct field {self.struct}.{go_path}" if self.struct else "Go value"
        text = f"json: cannot unmarshal {self.unmarshal} into {where} of type {self.go_type}"
        return Problem("type", path, text)


def check(schema: "Schema", obj: Mapping[str, Any]) -> list[Problem]:
    return _problems(_visit(schema, obj, False))


def prune(schema: "Schema", obj: dict[str, Any]) -> list[Problem]:
    return _problems(_visit(schema, obj, True))


def _problems(findings: list[_Finding] | None) -> list[Problem]:
    """Upstream's decoder reports the first wrong type, and unknown fields only when there is none."""
    if not findings:
        return []
    wrong = [finding for finding in findings if finding.kind == "type"]
    return [finding.problem() for finding in (wrong[:1] or findings)]


def _visit(node: "Schema", value: Any, pruning: bool) -> list[_Finding] | None:
    kind = node.kind
    if kind == "struct":
        return _visit_struct(node, value, pruning)
    if kind in ("map", "list"):
        return _visit_elements(node, value, pruning)
    if kind == "perhaps-struct" and type(value) is dict:
        return _visit_struct(node, value, pruning)
    return None if kind in ("any", "perhaps-struct") else _visit_scalar(node, value)


# What needs no visit, since most values are such: the one type of these kinds, and integers that fit everywhere.
_PLAIN = {("string", str), ("boolean", bool)}
_SMALL = 1 << 31


def _visit_struct(node: "Schema", value: Any, pruning: bool) -> list[_Finding] | None:
    if type(value) is not dict:
        return [_mismatch(node, value)]
    assert node.struct is not None
    fields, findings, dropped = node.struct.fields, None, None
    for name, item in value.items():
        child = fields.get(name)
        if child is None:
            if node.preserves_unknown:
                continue
            found: list[_Finding] | None = [_Finding("unknown")]
            dropped = [*(dropped or ()), name]
        elif item is None:
            dropped = [*(dropped or ()), name]
            continue
        elif (child.kind, type(item)) in _PLAIN or (
            child.kind == "integer" and type(item) is int and -_SMALL <= item < _SMALL
        ):
            continue
        else:
            found = _visit(child, item, pruning)
        if found:
            for finding in found:
                finding.steps.append(name)
                finding.struct = finding.struct or node.struct.go_name
            findings = (findings or []) + found
    if pruning and dropped:
        for name in dropped:
            del value[name]
    return findings


def _visit_elements(node: "Schema", value: Any, pruning: bool) -> list[_Finding] | None:
    """Maps and lists. Go leaves a null element at its zero value."""
    if not isinstance(value, dict if node.kind == "map" else list):
        return [_mismatch(node, value)]
    element, findings = node.element, None
    if element is None or element.kind == "any":
        return None
    plain = element.kind == "string"
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        if plain and type(item) is str:
            continue
        if item is None:
            if pruning:
                value[step] = _zero(element)
            continue
        found = _visit(element, item, pruning)
        if found:
            for finding in found:
                if node.kind == "list" or finding.kind == "unknown":
                    finding.steps.append(step)
            findings = (findings or []) + found
    return findings


def _zero(node: "Schema") -> Any:
    zeros: dict[str, Any] = {
        "string": "",
        "boolean": False,
        "integer": 0,
        "number": 0,
        "quantity": "0",
        "bytes": "",
    }
    if node.kind in zeros:
        return zeros[node.kind]
    return {"struct": {}, "map": {}, "list": []}.get(node.kind) if node.kind != "int-or-string" else 0


def _visit_scalar(node: "Schema", value: Any) -> list[_Finding] | None:
    kind, given = node.kind, type(value)
    if kind == "integer":
        if given is int and -_LIMITS[node.format] <= value < _LIMITS[node.format]:
            return None
        return [_mismatch(node, value)]
    if kind in _ACCEPTED:
        return None if given in _ACCEPTED[kind] else [_mismatch(node, value)]
    text = _special(kind, value)
    if text is None:
        return None
    return [_mismatch(node, value)] if not text else [_Finding("type", message=text)]


def _special(kind: str, value: Any) -> str | None:
    """What upstream's own unmarshaller of this type says: None when it agrees, "" for the generic sentence."""
    given = _JSON_TYPES.get(type(value), "number")
    match kind:
        case "quantity":
            return _quantity_error(value)
        case "int-or-string":
            if given == "string" or (
                given == "number" and type(value) is int and -(1 << 31) <= value < 1 << 31
            ):
                return None
            return f"json: cannot unmarshal {_described(value)} into Go value of type int32"
        case "time":
            if given != "string":
                return f"json: cannot unmarshal {given} into Go value of type string"
            return _time_error(value)
        case "bytes":
            return "" if given != "string" else _base64_error(value)
    return None


def _quantity_error(value: Any) -> str | None:
    if type(value) in (str, int, float):
        try:
            quantity.parse(value)
        except ValueError as error:
            return str(error)
        return None
    return quantity.ERROR


def _time_error(text: str) -> str | None:
    if not text:
        return None
    try:
        times.parse_time(text)
    except ValueError:
        return f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
    return None


def _base64_error(text: str) -> str | None:
    try:
        binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except (binascii.Error, ValueError):
        good = _BASE64.match(text)
        wrong = good.end() if good else 0
        # Go names the strange byte, or the start of the last quantum when that is cut short.
        return f"illegal base64 data at input byte {wrong if wrong < len(text) else len(text) // 4 * 4}"
    return None


def _described(value: Any) -> str:
    """The JSON value as Go names it: numbers that do not fit are told."""
    kind = _JSON_TYPES.get(type(value), "number")
    return f"number {value}" if kind == "number" else kind


def _mismatch(node: "Schema", value: Any) -> _Finding:
    described = _described(value) if node.kind == "integer" else _JSON_TYPES.get(type(value), "number")
    return _Finding("type", unmarshal=described, go_type=_go_type(node))


def _go_type(node: "Schema") -> str:
    match node.kind:
        case "struct":
            assert node.struct is not None
            return ".".join(node.struct.name.split(".")[-2:])
        case "map":
            return f"map[string]{_go_type(node.element)}" if node.element else "map[string]interface {}"
        case "list":
            return f"[]{_go_type(node.element)}" if node.element else "[]interface {}"
        case "integer":
            return node.format or "int64"
        case "time":
            return "v1.Time"
        case "quantity":
            return "resource.Quantity"
        case "int-or-string":
            return "intstr.IntOrString"
    return _GO_SCALARS[node.kind]
