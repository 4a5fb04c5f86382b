"""Label and field selectors: parsed once into tuples of requirements, then matched against plain dicts.

Grammar of the text form: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")
_PREFIX = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_TOKEN = re.compile(r"\s*(,|\(|\)|!=|==|=|!|>|<|[^\s,()!=<>]+)")


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


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Read `a=b,c!=d,e in (f,g),h,!i,j>1`; raises SelectorError."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise SelectorError(f"unable to parse requirement: {text!r}")
    requirements: list[Requirement] = []
    position = 0

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    while position < len(tokens):
        key = take()
        if key == "!":
            key = take()
            validate_key(key)
            requirements.append(Requirement(key, "DoesNotExist"))
        else:
            validate_key(key)
            operator = tokens[position] if position < len(tokens) else ""
            if operator in ("", ","):
                requirements.append(Requirement(key, "Exists"))
            else:
                take()
                requirements.append(
                    _binary(key, operator, take, lambda: tokens[position] if position < len(tokens) else "")
                )
        if position < len(tokens):
            comma = take()
            if comma != "," or position == len(tokens):
                raise SelectorError(f"found {comma!r}, expected: ',' or 'end of string'")
    return Selector(tuple(requirements))


def _binary(key: str, operator: str, take: Any, peek: Any) -> Requirement:
    if operator in ("=", "==", "!=", ">", "<"):
        value = "" if peek() in ("", ",") else take()
        if operator in (">", "<"):
            if not re.fullmatch(r"-?\d+", value):
                raise SelectorError("for 'Gt', 'Lt' operators, the value must be an integer")
            return Requirement(key, "Gt" if operator == ">" else "Lt", frozenset((value,)))
        validate_value(value)
        return Requirement(key, "NotIn" if operator == "!=" else "In", frozenset((value,)))
    if operator not in ("in", "notin"):
        raise SelectorError(f"found {operator!r}, expected: in, notin, =, ==, !=, gt, lt")
    if take() != "(":
        raise SelectorError("expected '('")
    values: set[str] = set()
    while True:
        token = take()
        if token == ")":
            break
        if token == "":
            raise SelectorError("expected ')'")
        if token == ",":
            if peek() in (",", ")"):
                values.add("")
            continue
        validate_value(token)
        values.add(token)
    return Requirement(key, "In" if operator == "in" else "NotIn", frozenset(values or {""}))


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
    for term in re.split(r"(?<!\\),", text):
        if not term:
            continue
        match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", term)
        if not match:
            raise SelectorError(f"invalid selector: {text!r}; can't understand {term!r}")
        value = re.sub(r"\\([,=\\])", r"\1", match[3])
        found.append(FieldRequirement(match[1].strip(), value, match[2] == "!="))
    return tuple(found)
