"""Label selectors as text (`a=b,c in (d,e),!f`), read as upstream reads them, in its words when it cannot.

Grammar: https://github.com/kubernetes/apimachinery/blob/master/pkg/labels/selector.go
"""

import re
from functools import lru_cache

from pinnace.api import names
from pinnace.api.fields import invalid
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.selectors import Requirement, Selector, SelectorError

_TOKEN = re.compile(r"[ \t\r\n]*([^ \t\r\n=!(),><]+|==|!=|[=!(),><])[ \t\r\n]*")
_SYMBOLS = frozenset(("=", "==", "!=", "!", "(", ")", ",", ">", "<"))
_OPERATORS = {
    "=": "In", "==": "In", "!=": "NotIn", "in": "In", "notin": "NotIn", ">": "Gt", "<": "Lt",
}  # fmt: skip
_INTEGER = re.compile(r"[+-]?[0-9]+")


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Raises SelectorError."""
    return Selector(tuple(_Reader(_tokens(text)).requirements()))


def _tokens(text: str) -> list[str]:
    found, position = [], 0
    text = text.rstrip(" \t\r\n")
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, text  # every character is of some token
        found.append(match[1])
        position = match.end()
    return found


def _is_word(token: str) -> bool:
    return bool(token) and token not in _SYMBOLS


class _Reader:
    """Reads tokens one after another; behind the last there is nothing but ""."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._place = 0

    def _next(self) -> str:
        return self._tokens[min(self._place, len(self._tokens) - 1)]

    def _take(self) -> str:
        token = self._next()
        self._place += 1
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while token := self._next():
            if token != "!" and not _is_word(token):
                raise SelectorError(f"found '{token}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            separator = self._take()
            if not separator:
                break
            if separator != ",":
                raise SelectorError(f"found '{separator}', expected: ',' or 'end of string'")
            following = self._next()
            if following != "!" and not _is_word(following):
                raise SelectorError(f"found '{following}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        key = self._take()
        absent = key == "!"
        if absent:
            key = self._take()
        if not _is_word(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        _refuse([invalid("<nil>", key, "; ".join(why))] if (why := names.qualified_name(key)) else [])
        if absent:
            return Requirement(key, "DoesNotExist")
        if self._next() in ("", ","):
            return Requirement(key, "Exists")
        return self._comparison(key, self._take())

    def _comparison(self, key: str, sign: str) -> Requirement:
        if sign not in _OPERATORS:
            raise SelectorError(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._list() if sign in ("in", "notin") else {self._single()}
        operator, found = _OPERATORS[sign], []
        if not values:
            found.append(invalid("values", [], "for 'in', 'notin' operators, values set can't be empty"))
        for place, value in enumerate(sorted(values)):
            if operator in ("Gt", "Lt") and not _is_integer(value):
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                found.append(invalid(f"values[{place}]", value, why))
            if wrong := names.label_value(value):
                found.append(invalid(f"values[{place}][{key}]", value, "; ".join(wrong)))
        _refuse(found)
        return Requirement(key, operator, frozenset(values))

    def _single(self) -> str:
        if self._next() in ("", ","):
            return ""
        token = self._take()
        if not _is_word(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def _list(self) -> set[str]:
        opening = self._take()
        if opening != "(":
            raise SelectorError(f"found '{opening}' expected: '('")
        first = self._next()
        if first == ")":
            self._take()
            return set()
        if first != "," and not _is_word(first):
            raise SelectorError(f"found '{first}', expected: ',', ')' or identifier")
        values = self._members()
        self._take()  # the closing parenthesis, which ended the members
        return values

    def _members(self) -> set[str]:
        """Words with commas between them; a comma too much stands beside an empty value."""
        values: set[str] = set()
        while True:
            token = self._take()
            if _is_word(token):
                values.add(token)
                following = self._next()
                if following == ")":
                    return values
                if following != ",":
                    raise SelectorError(f"found '{following}', expected: ',' or ')'")
            elif token == ",":
                if not values:
                    values.add("")
                if self._next() == ")":
                    values.add("")
                    return values
                if self._next() == ",":
                    self._take()
                    values.add("")
            else:
                raise SelectorError(f"found '{token}', expected: ',', or identifier")


def _is_integer(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text)) and len(text) < 21 and -(1 << 63) <= int(text) < 1 << 63


def _refuse(found: list[Cause]) -> None:
    if found:
        texts = [f"{cause.field}: {cause.message}" for cause in found]
        raise SelectorError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
