"""Values at run time: Python's own for what JSON has, small classes for the rest; how they compare, and what they are called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import isnan
from typing import Any, ClassVar

from pinnace.apimachinery.cel.errors import BudgetExceeded, EvaluationError
from pinnace.apimachinery.cel.types import Type, type_name

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MIN, _TIME_MAX = -62135596800 * _SECOND, 253402300800 * _SECOND - 1
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": 1000, "\u00b5s": 1000, "\u03bcs": 1000, "ms": 10**6, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}  # fmt: skip


class UInt(int):
    """An unsigned integer: tells `1u` from `1`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment, in nanoseconds since 1970."""

    nanos: int

    def at(self, zone: tzinfo = UTC) -> datetime:
        """The moment on the clock of a zone, cut to microseconds."""
        return (_EPOCH + timedelta(microseconds=self.nanos // 1000)).astimezone(zone)

    def __str__(self) -> str:
        seconds, nanos = divmod(self.nanos, _SECOND)
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        fraction = f"{nanos:09d}".rstrip("0")
        return f"{text}.{fraction}Z" if fraction else f"{text}Z"


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, in nanoseconds."""

    nanos: int

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.nanos), _SECOND)
        fraction = f"{rest:09d}".rstrip("0")
        return f"{'-' if self.nanos < 0 else ''}{whole}{'.' + fraction if fraction else ''}s"


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be absent."""

    value: Any = None
    present: bool = False


NONE = Optional()


class Struct(dict[str, Any]):
    """An object made by an expression: `Object.spec{replicas: 1}`."""

    __slots__ = ("type_name",)

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.type_name = name


class Extension:
    """A value of a Kubernetes library: a URL, a quantity, an authorizer. `cel_type` says what it is."""

    cel_type: ClassVar[Type]
    __slots__ = ()


def parse_timestamp(text: str) -> Timestamp:
    match = _RFC3339.fullmatch(text)
    if match:
        day, clock, fraction, zone = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        except ValueError:
            pass
        else:
            whole = (moment - _EPOCH) // timedelta(seconds=1)
            return timestamp(whole * _SECOND + int((fraction or "")[:9].ljust(9, "0")))
    raise EvaluationError(f'invalid timestamp: "{text}"')


def timestamp(nanos: int) -> Timestamp:
    if not _TIME_MIN <= nanos <= _TIME_MAX:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanos)


def duration(nanos: int) -> Duration:
    if not INT_MIN <= nanos <= INT_MAX:
        raise EvaluationError("duration overflow")
    return Duration(nanos)


def parse_duration(text: str) -> Duration:
    """Go's format: `1h2m3.5s`."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return Duration(0)
    at, total = 0, 0
    while at < len(body) and len(body) < 200:
        match = _DURATION_PART.match(body, at)
        if not match:
            break
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = match.end()
    if not body or at != len(body) or total > INT_MAX + (text[0] == "-"):
        raise EvaluationError(f'time: invalid duration "{text}"')
    return Duration(-total if text[0] == "-" else total)


_KINDS: dict[type, str] = {
    bool: "bool", int: "int", UInt: "uint", float: "double", str: "string", bytes: "bytes", list: "list",
    dict: "map", type(None): "null_type", Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration", Optional: "optional_type", Type: "type",
}  # fmt: skip


def kind_of(value: Any) -> str:
    """The name of a value's type at run time."""
    if isinstance(value, Struct):
        return value.type_name
    if isinstance(value, Extension):
        return type_name(value.cel_type)
    return _KINDS.get(type(value), "dyn")


_NUMBERS = (int, UInt, float)


_MOST_VALUES = 2_000_000  # that one comparison, or one conversion to JSON, looks at


class Walk:
    """Counts what is looked at: expressions can share parts until a small value is a huge tree."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MOST_VALUES

    def step(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise BudgetExceeded("operation cancelled: actual cost limit exceeded")


def equals(left: Any, right: Any) -> bool:
    return _equals(left, right, None)


def _equals(left: Any, right: Any, walk: Walk | None) -> bool:
    kind, other = type(left), type(right)
    if kind is other:
        if kind is list or kind is dict:
            if len(left) != len(right):
                return False
            walk = walk or Walk()
            walk.step(len(left))
            if kind is list:
                return all(_equals(a, b, walk) for a, b in zip(left, right, strict=True))
            return all(key in right and _equals(value, right[key], walk) for key, value in left.items())
        if kind is Type:
            return type_name(left) == type_name(right)
        if kind is Struct:
            return left.type_name == right.type_name and _equals(dict(left), dict(right), walk)
        if kind is Optional:
            return left.present == right.present and _equals(left.value, right.value, walk)
        return bool(left == right)
    if kind in _NUMBERS and other in _NUMBERS:
        return bool(left == right)
    return False


_ORDERED = frozenset([str, bytes, bool, Timestamp, Duration])


def check_comparable(left: Any, right: Any) -> None:
    """Raises unless `<` means something for the two."""
    kind, other = type(left), type(right)
    if (kind is other and kind in _ORDERED) or (kind in _NUMBERS and other in _NUMBERS):
        return
    raise no_such_overload()


def no_such_overload() -> EvaluationError:
    return EvaluationError("no such overload")


def size_of(value: Any) -> int:
    """The size that costs are computed from: 1 for what has none."""
    kind = type(value)
    return (
        len(value) if kind is str or kind is list or kind is bytes or kind is dict else _extension_size(value)
    )


def _extension_size(value: Any) -> int:
    return int(getattr(value, "cost_size", 1)) if isinstance(value, Extension) else 1


def traversal_cost(value: Any, walk: Walk | None = None) -> int:
    """The cost of looking at a whole tree."""
    kind = type(value)
    if kind is str:
        return int(len(value.encode(errors="replace")) * 0.1)
    if kind is bytes:
        return int(len(value) * 0.1)
    if kind is list or kind is dict:
        walk = walk or Walk()
        walk.step(len(value))
        if kind is list:
            return sum(traversal_cost(item, walk) for item in value)
        return sum(traversal_cost(k, walk) + traversal_cost(v, walk) for k, v in value.items())
    return 1


def format_double(number: float) -> str:
    """As Go's %g with the fewest digits."""
    if isnan(number):
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    sign = "-" if str(number)[0] == "-" else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return f"{sign}0"
    power = point - 1
    if power < -4 or power >= 6:
        rest = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def iterate(value: Any) -> Iterator[Any]:
    """What a comprehension with one variable walks over."""
    if isinstance(value, list | dict):
        return iter(value)
    raise no_such_overload()


def pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a comprehension with two variables walks over."""
    if isinstance(value, list):
        return enumerate(value)
    if isinstance(value, dict):
        return iter(value.items())
    raise no_such_overload()
