"""`"%s has %d".format([...])`: the verbs of CEL's strings extension."""

import re
from collections.abc import Callable
from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.types import Type, type_name
from pinnace.apimachinery.cel.values import Duration, Timestamp, UInt, Walk, format_double, kind_of

_LONGEST = 4 * 1024 * 1024
_VERB = re.compile(r"%(?:(%)|(?:\.(\d{1,4}))?(.))?", re.DOTALL)


def format_string(template: str, values: list[Any]) -> str:
    used, written = 0, 0

    def one(match: re.Match[str]) -> str:
        nonlocal used, written
        percent, precision, verb = match.groups()
        if percent:
            return "%"
        if verb is None:
            raise EvaluationError("unexpected end of string")
        write = _VERBS.get(verb)
        if write is None:
            raise EvaluationError(
                f'could not parse formatting clause: unrecognized formatting clause "{verb}"'
            )
        if used >= len(values):
            raise EvaluationError(f"index {used} out of range")
        used += 1
        text = write(values[used - 1], int(precision) if precision else None)
        written += len(text)
        if written > _LONGEST:
            raise EvaluationError("the result of format() is too long")
        return text

    return _VERB.sub(one, template)


def _fail(verb: str, value: Any, allowed: str) -> EvaluationError:
    return EvaluationError(
        f"error during formatting: {verb} clause can only be used on {allowed}, was given {kind_of(value)}"
    )


def _string(value: Any, _: int | None) -> str:
    return text_of(value)


def text_of(value: Any, walk: Walk | None = None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        return {"+Inf": "Infinity", "-Inf": "-Infinity"}.get(text := format_double(value), text)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, list | dict):
        walk = walk or Walk()
        walk.step(len(value) + 1)
    if isinstance(value, list):
        return f"[{', '.join(text_of(item, walk) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{text_of(k)}: {text_of(v, walk)}" for k, v in value.items())) + "}"
    if isinstance(value, Type):
        return type_name(value)
    if isinstance(value, Timestamp | Duration):
        return str(value)
    raise _fail(
        "string", value, "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
    )


def _decimal(value: Any, _: int | None) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and not value == value - 1:
        raise _fail("decimal", value, "integers")
    raise _fail("decimal", value, "integers")


def _number(verb: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _fail(verb, value, "doubles")
    return float(value)


def _fixed(value: Any, precision: int | None) -> str:
    number = _number("fixed-point", value)
    return (
        f"{number:.{6 if precision is None else min(precision, 1000)}f}"
        if number - number == 0
        else text_of(number)
    )


def _scientific(value: Any, precision: int | None) -> str:
    number = _number("scientific", value)
    return (
        f"{number:.{6 if precision is None else min(precision, 1000)}e}"
        if number - number == 0
        else text_of(number)
    )


def _binary(value: Any, _: int | None) -> str:
    if isinstance(value, int):
        return f"{int(value):b}"
    raise _fail("binary", value, "integers and bools")


def _octal(value: Any, _: int | None) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{int(value):o}"
    raise _fail("octal", value, "integers")


def _hex(value: Any, _: int | None) -> str:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int | UInt) and not isinstance(value, bool):
        return f"{int(value):x}"
    raise _fail("hex", value, "integers, byte buffers, and strings")


_VERBS: dict[str, Callable[[Any, int | None], str]] = {
    "s": _string, "d": _decimal, "f": _fixed, "e": _scientific, "b": _binary, "o": _octal, "x": _hex,
    "X": lambda value, precision: _hex(value, precision).upper(),
}  # fmt: skip
