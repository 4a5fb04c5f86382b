"""Label and field selectors: parsed once into tuples of requirements, then matched against plain dicts.

The text form of label selectors is read by `pinnace.api.selector_text`, whose messages need the formats of names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")
_PREFIX = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")


class SelectorError(ValueError):
    """The text is not a selector; the message names what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition. operator: In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case "Gt" | "Lt":
                try:
                    have, want = int(labels[self.key]), int(next(iter(self.values)))
                except (KeyError, ValueError):
                    return False
                return have > want if self.operator == "Gt" else have < want
        return False


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold; an empty selector matches everything, `NOTHING` matches nothing."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.nothing


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def validate_key(key: str) -> None:
    """Raise SelectorError unless `key` is a qualified label name."""
    prefix, slash, name = key.rpartition("/")
    if (slash and (not _PREFIX.match(prefix) or len(prefix) > 253)) or not _NAME.match(name):
        raise SelectorError(f"invalid label key {key!r}")


def validate_value(value: str) -> None:
    if value and not _NAME.match(value):
        raise SelectorError(f"invalid label value {value!r}")


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A metav1.LabelSelector: null matches nothing, `{}` matches everything; raises SelectorError."""
    if selector is None:
        return NOTHING
    requirements = [
        Requirement(key, "In", frozenset((value,)))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        key, operator = (expression or {}).get("key"), (expression or {}).get("operator")
        if not key or operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise SelectorError(f"{operator!r} is not a valid label selector operator")
        requirements.append(Requirement(key, operator, frozenset(expression.get("values") or ())))
    return Selector(tuple(requirements))


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """Equality of every pair, as in a Service's selector; null and `{}` match everything."""
    return Selector(tuple(Requirement(k, "In", frozenset((v,))) for k, v in (labels or {}).items()))


def node_selector_requirement(expression: Mapping[str, Any]) -> Requirement:
    """One entry of a NodeSelectorTerm's matchExpressions or matchFields."""
    return Requirement(expression["key"], expression["operator"], frozenset(expression.get("values") or ()))


def to_text(selector: Mapping[str, Any] | None) -> str:
    """A metav1.LabelSelector as query text, for a list or watch request."""
    if selector is None:
        return ""
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        match expression["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """`path=value` or `path!=value`."""

    path: str
    value: str
    negated: bool = False


@lru_cache(maxsize=1024)
def parse_fields(text: str) -> tuple[FieldRequirement, ...]:
    """Read a field selector, with backslash escapes of `,`, `=` and `\\`; raises SelectorError."""
    found: list[FieldRequirement] = []
    for term in _TERMS.findall(text):
        if not term:
            continue
        match = re.match(r"([^=!]*+(?:!(?!=)[^=!]*+)*)(==|=|!=)(.*)\Z", term, re.DOTALL)
        if not match:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(FieldRequirement(match[1].strip(), _unescaped(match[3]), match[2] == "!="))
    return tuple(found)


_TERMS = re.compile(r"((?:[^\\,]|\\.)+\\?|\\\Z)(?:,|\Z)", re.DOTALL)
_SPECIAL = re.compile(r"\\(.?)|[,=]", re.DOTALL)


def _unescaped(value: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if not found[0].startswith("\\"):
            raise SelectorError(f"invalid field selector: unescaped character in value: {found[0]}")
        if found[1] not in ("\\", ",", "="):
            raise SelectorError(f"invalid field selector: invalid escape sequence: {found[0]}")
        return found[1]

    return _SPECIAL.sub(plain, value) if "\\" in value or "=" in value or "," in value else value
