"""Whatever is written, the only outcomes are a value, CompileError and EvaluationError."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pinnace.apimachinery import cel
from pinnace.apimachinery.cel import Budget, CompileError, Environment, EvaluationError
from properties import examples

ENV = Environment(
    {
        "object": cel.DYN,
        "n": cel.INT,
        "s": cel.STRING,
        "items": cel.list_of(cel.DYN),
        "m": cel.map_of(cel.STRING, cel.DYN),
    }
)
VALUES = {
    "object": {"a": {"b": [1, "x", None, 1.5, True]}, "s": "text"},
    "n": 7,
    "s": "some text",
    "items": [1, "a", None, {"k": []}, 2.5, [[]]],
    "m": {"a": 1, "b": "x"},
}
WORDS = st.sampled_from(
    [
        "object",
        "n",
        "s",
        "items",
        "m",
        "a",
        "b",
        "x",
        "true",
        "false",
        "null",
        "1",
        "0",
        "-1",
        "2u",
        "1.5",
        "'a'",
        '""',
        "b'c'",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ".",
        ".?",
        "?.",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<",
        "<=",
        "==",
        "!=",
        ">",
        "&&",
        "||",
        "!",
        "in",
        "has(",
        ".all(",
        ".exists(",
        ".map(",
        ".filter(",
        ".size()",
        ".matches(",
        "int(",
        "string(",
        "type(",
        "duration(",
        "timestamp(",
        "dyn(",
        "i",
        ".optMap(",
        "optional.of(",
        "optional.none()",
        ".orValue(",
        "[?",
        "quantity(",
        ".format(",
        ".join(",
        ".split(",
        ".replace(",
        ".transformMap(",
        ".charAt(",
        ".indexOf(",
        ".findAll(",
        "ip(",
        "cidr(",
        "semver(",
        "url(",
        ".value()",
        ".sum()",
        ".max()",
    ]
)


def outcome(source: str, budget: int = 1_000_000) -> None:
    try:
        program = ENV.compile(source)
        assert program.estimated_cost.min >= 0
        program.evaluate(VALUES, Budget(budget))
    except (CompileError, EvaluationError):
        pass


@given(st.lists(WORDS, max_size=25))
@example(["!", "-"])
@example(["!", "-", "n"])
@examples(400)
def test_any_words(words: list[str]) -> None:
    outcome(" ".join(words))


@given(st.text(max_size=40))
@examples(300)
def test_any_text(text: str) -> None:
    outcome(text)


def atoms() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["object", "object.a.b", "object.nope", "n", "s", "items", "m", "1", "0", "2u", "1.5", "'a'", "''", "b'c'", "true",
         "null", "[]", "{}", "[1, 2]", "['b', 'a']", "{'a': 1}", "optional.none()", "optional.of(n)", "duration('1s')",
         "timestamp('2024-01-01T00:00:00Z')", "quantity('1Gi')", "ip('::1')", "cidr('10.0.0.0/8')", "semver('1.2.3')",
         "int", "type(n)", "url('https://a/b')", "format.uuid()"]
    )  # fmt: skip


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", "==", "!=", ">", "&&", "||", "in"])
    methods = st.sampled_from(
        ["size", "sum", "min", "max", "isSorted", "join", "trim", "value", "hasValue", "getHours", "lowerAscii", "family",
         "asInteger", "getQuery", "major"]
    )  # fmt: skip
    methods_of_one = st.sampled_from(
        ["charAt", "indexOf", "split", "substring", "format", "contains", "startsWith", "matches", "findAll", "or",
         "orValue", "add", "compareTo", "containsIP", "validate", "getHours", "join", "lastIndexOf"]
    )  # fmt: skip
    globals_ = st.sampled_from(
        ["int", "uint", "double", "string", "bytes", "bool", "dyn", "type", "size", "duration", "timestamp", "quantity",
         "ip", "isCIDR", "url", "semver", "optional.of", "optional.ofNonZeroValue", "strings.quote", "!", "-"]
    )  # fmt: skip
    macros = st.sampled_from(
        ["all(i, {})", "exists(i, {})", "exists_one(i, {})", "map(i, {})", "filter(i, {})", "map(i, i, {})",
         "all(i, j, {})", "transformList(i, j, {})", "transformMap(i, j, {})", "transformMapEntry(i, j, {})",
         "optMap(i, {})", "optFlatMap(i, {})"]
    )  # fmt: skip
    variables = st.sampled_from(["i", "j", "i.a", "i + 1", "i == j", "{i: j}"])
    body = inner | variables
    return st.one_of(
        st.builds("({} {} {})".format, inner, binary, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{}.{}()".format, inner, methods),
        st.builds("{}.{}({})".format, inner, methods_of_one, inner),
        st.builds("{}({})".format, globals_, inner),
        st.builds("dyn({}).{}({})".format, inner, methods_of_one, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[?{}]".format, inner, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["a", "b", "?a"])),
        st.builds("has({}.a)".format, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds(
            lambda target, macro, part: f"{target}.{macro.replace('{}', part, 1)}", inner, macros, body
        ),
    )


@pytest.mark.slow
@given(st.recursive(atoms(), compound, max_leaves=12))
@examples(1500)
def test_any_tree(source: str) -> None:
    outcome(source)


@pytest.mark.slow
def test_deep_nesting_is_refused() -> None:
    for source in ("(" * 5000 + "1" + ")" * 5000, "[" * 5000, "!" * 90_000 + "true", "-" * 5000 + "n", "n" + "+n" * 20_000,
                   "object" + ".a" * 20_000, "object" + "[0]" * 20_000, "true" + "?true:true" * 5000,
                   "'a'" + ".trim()" * 20_000, "true" + "&&true" * 10_000):  # fmt: skip
        outcome(source)


def test_patterns_take_linear_time() -> None:
    env = Environment({"s": cel.STRING})
    assert env.compile("s.matches('^(a+)+$')").evaluate({"s": "a" * 5000 + "b"}) is False


BOMBS = (
    "optional.of(1)" + ".optMap(v, v + 1)" * 60,
    "optional.of([1])" + ".optMap(v, [v, v])" * 40,
    "optional.of([1])" + ".optMap(v, v + v)" * 60,
    "optional.of('a')" + ".optMap(v, v + v)" * 60,
    "optional.of(1)" + ".optMap(v, {v: v})" * 40,
    "optional.of('aa')" + ".optMap(v, v.replace('a', v))" * 40,
    "optional.of('aa')" + ".optMap(v, '%s%s'.format([v, v]))" * 40,
    "optional.of('aa')" + ".optMap(v, [v, v, v, v].join(v))" * 40,
)


@pytest.mark.slow
def test_small_expressions_cannot_make_huge_values() -> None:
    for bomb in BOMBS:
        outcome(bomb, 50_000)
        for use in (
            "{0}.value() == {0}.value()",
            "dyn({}.value()).indexOf([1])",
            "'%s'.format([{}.value()])",
        ):
            outcome(use.format(bomb), 50_000)
    grown = "[[1, 2]]" + ".map(v, [v, v])" * 25
    outcome(f"{grown} == {grown}")
    outcome("[1, 2, 3, 4].map(a, items.map(b, 'x'.replace('x', [s, s, s].join(s))))")
