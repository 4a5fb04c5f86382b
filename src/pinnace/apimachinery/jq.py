"""The part of the jq language with which objects are looked into: paths, filters, comparisons and the common functions.

    query = compile_query('.status.conditions[] | select(.type == "Ready") | .status')
    list(query(obj))                                     # every output; JqError when the object does not fit

Variables, reduce, foreach, def, try, assignments, string interpolation and object construction are refused with JqError.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Filter = Callable[[Any], Iterator[Any]]


class JqError(ValueError):
    """The query is not understood, or fails on this input."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*")|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<variable>\$[A-Za-z0-9_]*)|(?P<mark>\.\.|//|==|!=|<=|>=|[.\[\](){}|,:;?<>+\-*/%]))""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(("as", "def", "reduce", "foreach", "try", "catch", "import", "include", "label"))


def compile_query(source: str) -> Filter:
    """Raises JqError when the query is wrong, or uses more of jq than is known here."""
    parser = _Parser(source)
    found = parser.pipe()
    parser.expect_end()
    return found


class _Parser:
    def __init__(self, source: str) -> None:
        self._source, self._at = source, 0
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(source.rstrip())
        while position < end:
            match = _TOKEN.match(source, position)
            if match is None or match.lastgroup is None:
                raise JqError(f"unexpected {source[position:].strip()[:12]!r} in {source!r}")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def _peek(self) -> tuple[str, str]:
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
                good = [one for one in first(value) if _is_true(one)]
            yield from good or otherwise(value)

        return run

    def _or(self) -> Filter:
        left = self._and()
        while self._take("or"):
            left = _both(left, self._and(), lambda one, other: one or other)
        return left

    def _and(self) -> Filter:
        left = self._comparison()
        while self._take("and"):
            left = _both(left, self._comparison(), lambda one, other: one and other)
        return left

    def _comparison(self) -> Filter:
        left = self._sum()
        mark = self._take("==", "!=", "<=", ">=", "<", ">")
        return _product(_COMPARISONS[mark], left, self._sum()) if mark else left

    def _sum(self) -> Filter:
        left = self._term()
        while mark := self._take("+", "-"):
            left = _product(_ARITHMETIC[mark], left, self._term())
        return left

    def _term(self) -> Filter:
        left = self._postfix()
        while mark := self._take("*", "/", "%"):
            left = _product(_ARITHMETIC[mark], left, self._postfix())
        return left

    # --- terms

    def _postfix(self) -> Filter:
        found = self._primary()
        while True:
            kind, text = self._peek()
            if kind == "field":
                self._at += 1
                found = _then(found, _field(text[1:]))
            elif text == "." and kind == "mark":
                self._at += 1
                found = self._after_dot(found)
            elif text == "[" and kind == "mark":
                found = self._bracket(found)
            elif self._take("?"):
                found = _forgiving(found)
            else:
                return found

    def _after_dot(self, base: Filter) -> Filter:
        kind, text = self._peek()
        if kind == "string":
            self._at += 1
            return _then(base, _field(_text_of(text)))
        if text == "[":
            return self._bracket(base)
        raise self._wrong()

    def _bracket(self, base: Filter) -> Filter:
        """What stands between the brackets looks at the input, not at what it is an index of."""
        self._expect("[")
        if self._take("]"):
            return _then(base, _each)
        start = None if self._peek()[1] == ":" else self.pipe()
        if self._take(":"):
            end = None if self._peek()[1] == "]" else self.pipe()
            self._expect("]")
            return _sliced(base, start or _constant(None), end or _constant(None))
        self._expect("]")
        if start is None:
            raise self._wrong()
        key = start
        return lambda value: (_at(found, one) for found in base(value) for one in key(value))

    def _primary(self) -> Filter:
        kind, text = self._peek()
        if kind == "field":
            self._at += 1
            return _field(text[1:])
        if kind == "string":
            self._at += 1
            return _constant(_text_of(text))
        if kind == "number":
            self._at += 1
            return _constant(json.loads(text) if not text.endswith(".") else float(text))
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
            return _recurse
        if text == "(":
            inner = self.pipe()
            self._expect(")")
            return inner
        if text == "[":
            if self._take("]"):
                return _constant([])
            inner = self.pipe()
            self._expect("]")
            return lambda value: iter((list(inner(value)),))
        if text == "-":
            return _product(_ARITHMETIC["-"], _constant(0), self._postfix())
        kind, following = self._peek()
        return self._after_dot(_identity) if kind == "string" or following == "[" else _identity

    def _word(self, name: str) -> Filter:
        self._at += 1
        if name in ("true", "false", "null"):
            return _constant({"true": True, "false": False}.get(name))
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
        make = _FUNCTIONS.get((name, len(arguments)))
        if make is None:
            raise JqError(f"function not defined: {name}/{len(arguments)}")
        return make(*arguments)

    def _conditional(self) -> Filter:
        condition = self.pipe()
        self._expect("then")
        body = self.pipe()
        otherwise: Filter = _identity
        if self._take("elif"):
            otherwise = self._conditional()
        else:
            if self._take("else"):
                otherwise = self.pipe()
            self._expect("end")

        def run(value: Any) -> Iterator[Any]:
            for one in condition(value):
                yield from (body if _is_true(one) else otherwise)(value)

        return run


# --- filters


def _identity(value: Any) -> Iterator[Any]:
    yield value


def _constant(wanted: Any) -> Filter:
    return lambda _: iter((wanted,))


def _then(first: Filter, second: Filter) -> Filter:
    return lambda value: (result for between in first(value) for result in second(between))


def _forgiving(inner: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        try:
            yield from inner(value)
        except JqError:
            return

    return run


def _field(name: str) -> Filter:
    return lambda value: iter((_at(value, name),))


def _at(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, (int, float)) and not isinstance(key, bool):
        return value[int(key)] if -len(value) <= key < len(value) else None
    raise JqError(f"cannot index {_kind(value)} with {json.dumps(key)}")


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list):
        return iter(value)
    raise JqError(f"cannot iterate over: {_kind(value)}")


def _sliced(base: Filter, start: Filter, end: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for found in base(value):
            if found is not None and not isinstance(found, (list, str)):
                raise JqError(f"cannot slice {_kind(found)}")
            for last in end(value):
                for first in start(value):
                    yield None if found is None else found[first:last]

    return run


def _recurse(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, (dict, list)):
        for one in _each(value):
            yield from _recurse(one)


def _both(left: Filter, right: Filter, decide: Callable[[bool, bool], bool]) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for one in left(value):
            first = _is_true(one)
            if decide(first, False) == decide(first, True):  # the other side does not matter
                yield first
                continue
            for other in right(value):
                yield _is_true(other)

    return run


def _product(combine: Callable[[Any, Any], Any], left: Filter, right: Filter) -> Filter:
    return lambda value: (combine(one, other) for other in right(value) for one in left(value))


# --- values


def _is_true(value: Any) -> bool:
    return value is not None and value is not False


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {type(None): "null", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


_RANKS = {"null": 0, "boolean": 1, "number": 3, "string": 4, "array": 5, "object": 6}


def _order(value: Any) -> tuple[Any, ...]:
    """jq's order among values of all kinds."""
    kind = _kind(value)
    if kind == "array":
        return _RANKS[kind], [_order(one) for one in value]
    if kind == "object":
        return _RANKS[kind], sorted(value), [_order(value[key]) for key in sorted(value)]
    return _RANKS[kind], value if value is not None else 0


def _text_of(literal: str) -> str:
    if "\\(" in literal:
        raise JqError(f"string interpolation is not known here: {literal}")
    text: str = json.loads(literal, strict=False)
    return text


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: _order(one) == _order(other),
    "!=": lambda one, other: _order(one) != _order(other),
    "<": lambda one, other: _order(one) < _order(other),
    "<=": lambda one, other: _order(one) <= _order(other),
    ">": lambda one, other: _order(one) > _order(other),
    ">=": lambda one, other: _order(one) >= _order(other),
}


def _arithmetic(mark: str, numbers: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def combine(one: Any, other: Any) -> Any:
        kinds = _kind(one), _kind(other)
        if kinds == ("number", "number"):
            try:
                return numbers(one, other)
            except ZeroDivisionError:
                raise JqError(f"cannot divide {one} by: 0") from None
        if mark == "+":
            if "null" in kinds:
                return other if one is None else one
            if kinds in (("string", "string"), ("array", "array")):
                return one + other
            if kinds == ("object", "object"):
                return {**one, **other}
        if mark == "-" and kinds == ("array", "array"):
            return [each for each in one if each not in other]
        if mark == "/" and kinds == ("string", "string"):
            return one.split(other)
        raise JqError(f"cannot compute {kinds[0]} {mark} {kinds[1]}")

    return combine


_ARITHMETIC = {
    "+": _arithmetic("+", lambda one, other: one + other),
    "-": _arithmetic("-", lambda one, other: one - other),
    "*": _arithmetic("*", lambda one, other: one * other),
    "/": _arithmetic("/", lambda one, other: one / other if one % other else one // other),
    "%": _arithmetic("%", lambda one, other: int(one) % int(other)),
}

# --- functions


def _simple(work: Callable[[Any], Any]) -> Callable[[], Filter]:
    return lambda: lambda value: iter((work(value),))


def _with_argument(work: Callable[[Any, Any], Any]) -> Callable[[Filter], Filter]:
    return lambda argument: lambda value: (work(value, one) for one in argument(value))


def _of_text(work: Callable[[str, str], Any]) -> Callable[[Filter], Filter]:
    def checked(value: Any, argument: Any) -> Any:
        if not isinstance(value, str) or not isinstance(argument, str):
            raise JqError(f"{_kind(value)} and {_kind(argument)} cannot be matched as strings")
        return work(value, argument)

    return _with_argument(checked)


def _length(value: Any) -> Any:
    if isinstance(value, bool):
        raise JqError("boolean has no length")
    if value is None:
        return 0
    return abs(value) if isinstance(value, (int, float)) else len(value)


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise JqError(f"{_kind(value)} has no keys")


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict) and isinstance(key, str):
        return key in value
    if isinstance(value, list) and isinstance(key, int):
        return 0 <= key < len(value)
    raise JqError(f"cannot check whether {_kind(value)} has a {_kind(key)} key")


def _to_number(value: Any) -> Any:
    if _kind(value) == "number":
        return value
    try:
        return json.loads(value) if isinstance(value, str) else int(value["number"])
    except (ValueError, TypeError, KeyError):
        raise JqError(f"cannot parse {json.dumps(value)} as a number") from None


def _to_string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, dict) and isinstance(part, dict):
        return all(key in value and _contains(value[key], part[key]) for key in part)
    if isinstance(value, list) and isinstance(part, list):
        return all(any(_contains(one, wanted) for one in value) for wanted in part)
    if isinstance(value, str) and isinstance(part, str):
        return part in value
    return _COMPARISONS["=="](value, part)


def _add(value: Any) -> Any:
    total: Any = None
    for one in _each(value):
        total = _ARITHMETIC["+"](total, one)
    return total


def _test(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error as error:
        raise JqError(f"invalid regular expression {pattern!r}: {error}") from None


def _select(condition: Filter) -> Filter:
    return lambda value: (value for one in condition(value) if _is_true(one))


def _first(inner: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for one in inner(value):
            yield one
            return

    return run


def _last(inner: Filter) -> Filter:
    return lambda value: iter(list(inner(value))[-1:])


def _verdict(judge: Callable[[Iterator[bool]], bool], inner: Filter) -> Filter:
    return lambda value: iter((judge(_is_true(result) for one in _each(value) for result in inner(one)),))


def _sorted_by(key: Filter) -> Filter:
    return lambda value: iter((sorted(_each(value), key=lambda one: [_order(k) for k in key(one)]),))


def _extreme(choose: Callable[..., Any], key: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        items = list(_each(value))
        yield choose(items, key=lambda one: [_order(k) for k in key(one)]) if items else None

    return run


def _error(message: Any) -> Any:
    raise JqError(_to_string(message))


_FUNCTIONS: dict[tuple[str, int], Callable[..., Filter]] = {
    ("empty", 0): lambda: lambda _: iter(()),
    ("error", 0): _simple(_error),
    ("error", 1): _with_argument(lambda _, message: _error(message)),
    ("not", 0): _simple(lambda value: not _is_true(value)),
    ("length", 0): _simple(_length),
    ("keys", 0): _simple(_keys),
    ("values", 0): lambda: _select(_simple(lambda value: value is not None)()),
    ("nulls", 0): lambda: _select(_simple(lambda value: value is None)()),
    ("type", 0): _simple(_kind),
    ("tostring", 0): _simple(_to_string),
    ("tonumber", 0): _simple(_to_number),
    ("add", 0): _simple(_add),
    ("any", 0): lambda: _verdict(any, _identity),
    ("all", 0): lambda: _verdict(all, _identity),
    ("any", 1): lambda inner: _verdict(any, inner),
    ("all", 1): lambda inner: _verdict(all, inner),
    ("first", 0): lambda: _then(_identity, lambda value: iter((_at(value, 0),))),
    ("last", 0): lambda: _then(_identity, lambda value: iter((_at(value, -1),))),
    ("first", 1): _first,
    ("last", 1): _last,
    ("select", 1): _select,
    ("map", 1): lambda inner: lambda value: iter(([result for one in _each(value) for result in inner(one)],)),
    ("has", 1): _with_argument(_has),
    ("contains", 1): _with_argument(_contains),
    ("inside", 1): _with_argument(lambda value, whole: _contains(whole, value)),
    ("startswith", 1): _of_text(str.startswith),
    ("endswith", 1): _of_text(str.endswith),
    ("test", 1): _of_text(_test),
    ("split", 1): _of_text(str.split),
    ("ltrimstr", 1): _with_argument(
        lambda value, part: value.removeprefix(part) if isinstance(value, str) and isinstance(part, str) else value
    ),
    ("rtrimstr", 1): _with_argument(
        lambda value, part: value.removesuffix(part) if isinstance(value, str) and isinstance(part, str) else value
    ),
    ("join", 1): _with_argument(lambda value, by: by.join("" if x is None else _to_string(x) for x in _each(value))),
    ("ascii_downcase", 0): _simple(lambda value: _to_string(value).lower()),
    ("ascii_upcase", 0): _simple(lambda value: _to_string(value).upper()),
    ("floor", 0): _simple(lambda value: int(_to_number(value) // 1)),
    ("ceil", 0): _simple(lambda value: -int(-_to_number(value) // 1)),
    ("sort", 0): lambda: _sorted_by(_identity),
    ("sort_by", 1): _sorted_by,
    ("min", 0): lambda: _extreme(min, _identity),
    ("max", 0): lambda: _extreme(max, _identity),
    ("min_by", 1): lambda key: _extreme(min, key),
    ("max_by", 1): lambda key: _extreme(max, key),
    ("unique", 0): _simple(lambda value: [one for n, one in enumerate(sorted(_each(value), key=_order))
                                           if not n or _order(one) != _order(sorted(value, key=_order)[n - 1])]),
    ("reverse", 0): _simple(lambda value: list(reversed(list(_each(value))))),
    ("recurse", 0): lambda: _recurse,
    ("to_entries", 0): _simple(lambda value: [{"key": key, "value": value[key]} for key in _keys(value)]),
    ("tojson", 0): _simple(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)),
}  # fmt: skip
