"""The functions of the template language itself, and how it prints and judges values."""

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from pinnace.apimachinery.gotemplate.errors import TemplateError

Functions = Mapping[str, Callable[..., Any]]


def is_true(value: Any) -> bool:
    return bool(value)


def printed(value: Any) -> str:
    """As fmt.Print shows it."""
    if value is None:
        return "<no value>"
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(_shown, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e21 and value != int(value) else _whole(value)
    return str(value)


def _whole(value: float) -> str:
    return str(int(value)) if abs(value) < 1e21 else f"{value:e}"


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, (list, tuple, str)):
            if isinstance(key, bool) or not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {_kind(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        elif value is None:
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of type {_kind(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, (str, list)):
        raise TemplateError(f"can't slice item of type {_kind(value)}")
    start, end = (*bounds, *(None,) * (2 - len(bounds)))[:2]
    return value[start:end]


def _len(value: Any) -> int:
    if not isinstance(value, (str, list, tuple, dict)):
        raise TemplateError(f"len of type {_kind(value)}")
    return len(value.encode()) if isinstance(value, str) else len(value)


def _kind(value: Any) -> str:
    names = {
        type(None): "nil",
        bool: "bool",
        int: "int",
        float: "float64",
        str: "string",
        dict: "map",
        list: "slice",
    }
    return names.get(type(value), type(value).__name__)


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def judge(one: Any, other: Any) -> bool:
        try:
            return compare(one, other)
        except TypeError:
            raise TemplateError("incompatible types for comparison") from None

    return judge


_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def _printf(pattern: str, *values: Any) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        value = rest.pop(0)
        spec = f"%{flags}{width or ''}{f'.{precision}' if precision else ''}"
        if verb in "vs":
            return f"{spec}s" % _shown(value)
        if verb == "q":
            return f"{spec}s" % json.dumps(
                value if isinstance(value, str) else _shown(value), ensure_ascii=False
            )
        if verb == "T":
            return _kind(value)
        if verb == "t":
            return f"{spec}s" % _shown(value)
        try:
            return (
                (f"{spec}{verb}" % value)
                if verb in "dxXofeEgGc"
                else f"%!{verb}({_kind(value)}={_shown(value)})"
            )
        except TypeError:
            return f"%!{verb}({_kind(value)}={_shown(value)})"

    text = _VERB.sub(one, pattern)
    return text + (f"%!(EXTRA {', '.join(f'{_kind(v)}={_shown(v)}' for v in rest)})" if rest else "")


def _print(*values: Any) -> str:
    """Spaces stand between operands when neither is a string."""
    text = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            text += " "
        text += _shown(value)
    return text


BUILT_IN: Functions = {
    "not": lambda value: not is_true(value),
    "eq": _eq,
    "ne": lambda one, other: not _same(one, other),
    "lt": _ordered(lambda one, other: one < other),
    "le": _ordered(lambda one, other: one <= other),
    "gt": _ordered(lambda one, other: one > other),
    "ge": _ordered(lambda one, other: one >= other),
    "index": _index,
    "slice": _slice,
    "len": _len,
    "print": _print,
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "printf": _printf,
    "html": lambda *values: html.escape(_print(*values)),
    "js": lambda *values: json.dumps(_print(*values))[1:-1].replace("'", "\\'"),
    "urlquery": lambda *values: quote_plus(_print(*values)),
}
LAZY = ("and", "or")  # evaluated by the executor, which stops at the first argument that decides
