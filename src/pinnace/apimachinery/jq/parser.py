"""Queries are read by recursive descent, and become filters at once."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from pinnace.apimachinery.jq.errors import JqError
from pinnace.apimachinery.jq.filters import (
    Filter,
    at,
    both,
    constant,
    each,
    field,
    forgiving,
    identity,
    product,
    recurse,
    sliced,
    then,
)
from pinnace.apimachinery.jq.functions import FUNCTIONS
from pinnace.apimachinery.jq.lexer import Token, text_of, tokens_of
from pinnace.apimachinery.jq.values import ARITHMETIC, COMPARISONS, is_true

_KEYWORDS = frozenset(("as", "def", "reduce", "foreach", "try", "catch", "import", "include", "label"))


def compile_query(source: str) -> Filter:
    """Raises JqError when the query is wrong, or uses more of jq than is known here."""
    parser = Parser(source)
    found = parser.pipe()
    parser.expect_end()
    return found


class Parser:
    def __init__(self, source: str) -> None:
        self._source, self._at = source, 0
        self._tokens = tokens_of(source)

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, *texts: str) -> str:
        """The next token if it is one of these marks or words, else ""."""
        kind, text = self._peek()
        if kind in ("mark", "word") and text in texts:
            self._at += 1
            return text
        return ""

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong()

    def expect_end(self) -> None:
        if self._peek()[0] != "end":
            raise self._wrong()

    def _wrong(self) -> JqError:
        return JqError(f"unexpected {self._peek()[1] or 'end'!r} in {self._source!r}")

    # --- operators, weakest first

    def pipe(self) -> Filter:
        first = self._comma()
        if not self._take("|"):
            return first
        then = self.pipe()
        return lambda value: (result for between in first(value) for result in then(between))

    def _comma(self) -> Filter:
        parts = [self._alternative()]
        while self._take(","):
            parts.append(self._alternative())
        if len(parts) == 1:
            return parts[0]
        return lambda value: (result for part in parts for result in part(value))

    def _alternative(self) -> Filter:
        first = self._or()
        if not self._take("//"):
            return first
        otherwise = self._alternative()

        def run(value: Any) -> Iterator[Any]:
            good = []
            with contextlib.suppress(JqError):
                good = [one for one in first(value) if is_true(one)]
            yield from good or otherwise(value)

        return run

    def _or(self) -> Filter:
        left = self._and()
        while self._take("or"):
            left = both(left, self._and(), lambda one, other: one or other)
        return left

    def _and(self) -> Filter:
        left = self._comparison()
        while self._take("and"):
            left = both(left, self._comparison(), lambda one, other: one and other)
        return left

    def _comparison(self) -> Filter:
        left = self._sum()
        mark = self._take("==", "!=", "<=", ">=", "<", ">")
        return product(COMPARISONS[mark], left, self._sum()) if mark else left

    def _sum(self) -> Filter:
        left = self._term()
        while mark := self._take("+", "-"):
            left = product(ARITHMETIC[mark], left, self._term())
        return left

    def _term(self) -> Filter:
        left = self._postfix()
        while mark := self._take("*", "/", "%"):
            left = product(ARITHMETIC[mark], left, self._postfix())
        return left

    # --- terms

    def _postfix(self) -> Filter:
        found = self._primary()
        while True:
            kind, text = self._peek()
            if kind == "field":
                self._at += 1
                found = then(found, field(text[1:]))
            elif text == "." and kind == "mark":
                self._at += 1
                found = self._after_dot(found)
            elif text == "[" and kind == "mark":
                found = self._bracket(found)
            elif self._take("?"):
                found = forgiving(found)
            else:
                return found

    def _after_dot(self, base: Filter) -> Filter:
        kind, text = self._peek()
        if kind == "string":
            self._at += 1
            return then(base, field(text_of(text)))
        if text == "[":
            return self._bracket(base)
        raise self._wrong()

    def _bracket(self, base: Filter) -> Filter:
        """What stands between the brackets looks at the input, not at what it is an index of."""
        self._expect("[")
        if self._take("]"):
            return then(base, each)
        start = None if self._peek()[1] == ":" else self.pipe()
        if self._take(":"):
            end = None if self._peek()[1] == "]" else self.pipe()
            self._expect("]")
            return sliced(base, start or constant(None), end or constant(None))
        self._expect("]")
        if start is None:
            raise self._wrong()
        key = start
        return lambda value: (at(found, one) for found in base(value) for one in key(value))

    def _primary(self) -> Filter:
        kind, text = self._peek()
        if kind == "field":
            self._at += 1
            return field(text[1:])
        if kind == "string":
            self._at += 1
            return constant(text_of(text))
        if kind == "number":
            self._at += 1
            return constant(json.loads(text) if not text.endswith(".") else float(text))
        if kind == "word":
            return self._word(text)
        if kind == "variable":
            raise JqError(f"variables are not known here: {self._source!r}")
        if text in (".", "..", "(", "[", "-"):
            self._at += 1
            return self._marked(text)
        if text == "{":
            raise JqError(f"objects cannot be constructed here: {self._source!r}")
        raise self._wrong()

    def _marked(self, text: str) -> Filter:
        if text == "..":
            return recurse
        if text == "(":
            inner = self.pipe()
            self._expect(")")
            return inner
        if text == "[":
            if self._take("]"):
                return constant([])
            inner = self.pipe()
            self._expect("]")
            return lambda value: iter((list(inner(value)),))
        if text == "-":
            return product(ARITHMETIC["-"], constant(0), self._postfix())
        kind, following = self._peek()
        return self._after_dot(identity) if kind == "string" or following == "[" else identity

    def _word(self, name: str) -> Filter:
        self._at += 1
        if name in ("true", "false", "null"):
            return constant({"true": True, "false": False}.get(name))
        if name == "if":
            return self._conditional()
        if name in _KEYWORDS:
            raise JqError(f"{name!r} is not known here: {self._source!r}")
        arguments = []
        if self._take("("):
            arguments.append(self.pipe())
            while self._take(";"):
                arguments.append(self.pipe())
            self._expect(")")
        make = FUNCTIONS.get((name, len(arguments)))
        if make is None:
            raise JqError(f"function not defined: {name}/{len(arguments)}")
        return make(*arguments)

    def _conditional(self) -> Filter:
        condition = self.pipe()
        self._expect("then")
        body = self.pipe()
        otherwise: Filter = identity
        if self._take("elif"):
            otherwise = self._conditional()
        else:
            if self._take("else"):
                otherwise = self.pipe()
            self._expect("end")

        def run(value: Any) -> Iterator[Any]:
            for one in condition(value):
                yield from (body if is_true(one) else otherwise)(value)

        return run
