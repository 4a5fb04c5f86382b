"""Semantic versions."""

import re
from dataclasses import dataclass
from typing import ClassVar

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import Extension

_NUMBER = r"(0|[1-9]\d{0,18})"
_PRE = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Semver(Extension):
    cel_type: ClassVar[Type] = opaque("kubernetes.Semver")
    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: tuple[str, ...] = ()


def parse(text: str, normalize: bool = False) -> Semver:
    match = _VERSION.fullmatch(_normalized(text) if normalize else text)
    if not match:
        raise EvaluationError("No Major.Minor.Patch elements found")
    pre, build = (tuple(match[at].split(".")) if match[at] else () for at in (4, 5))
    return Semver(int(match[1]), int(match[2]), int(match[3]), pre, build)


def _normalized(text: str) -> str:
    """`v1.02` becomes `1.2.0`."""
    text = text.removeprefix("v")
    end = next((at for at, char in enumerate(text) if char in "-+"), len(text))
    parts = [part.lstrip("0") or "0" for part in text[:end].split(".")]
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + text[end:]


def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        parse(text, normalize)
    except EvaluationError:
        return False
    return True


def compare(left: Semver, right: Semver) -> int:
    a, b = _key(left), _key(right)
    return (a > b) - (a < b)


def _key(version: Semver) -> tuple[object, ...]:
    pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.pre)
    return (version.major, version.minor, version.patch, not pre, pre)


_S = "kubernetes.Semver"
ROWS: tuple[Row, ...] = (
    ("semver", "string_to_semver", f"(string) -> {_S}", parse),
    ("semver", "string_bool_to_semver", f"(string, bool) -> {_S}", parse),
    ("isSemver", "is_semver_string", "(string) -> bool", is_semver),
    ("isSemver", "is_semver_string_bool", "(string, bool) -> bool", is_semver),
    ("isGreaterThan", "semver_is_greater_than", f"{_S}.({_S}) -> bool", lambda a, b: compare(a, b) > 0),
    ("isLessThan", "semver_is_less_than", f"{_S}.({_S}) -> bool", lambda a, b: compare(a, b) < 0),
    ("compareTo", "semver_compare_to", f"{_S}.({_S}) -> int", compare),
    ("major", "semver_major", f"{_S}.() -> int", lambda version: version.major),
    ("minor", "semver_minor", f"{_S}.() -> int", lambda version: version.minor),
    ("patch", "semver_patch", f"{_S}.() -> int", lambda version: version.patch),
)
