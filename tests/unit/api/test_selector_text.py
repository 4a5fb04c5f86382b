"""Label selectors as text: what they match, and upstream's words for what is none."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pinnace.api import selector_text
from pinnace.apimachinery.selectors import SelectorError


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("", {"a": "1"}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1,b!=2", {"a": "1"}, True),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a notin (1,2)", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a>3", {"a": "4"}, True),
        ("a=", {"a": ""}, True),
        ("example.com/x=y", {"example.com/x": "y"}, True),
        ("in=1", {"in": "1"}, True),
    ],
)
def test_matching(text: str, labels: dict[str, str], matches: bool) -> None:
    assert selector_text.parse(text).matches(labels) is matches


NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
BINARY = "in, notin, =, ==, !=, gt, lt"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (1", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
        ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=1,", "found '', expected: identifier after ','"),
        ("a b", f"unable to parse requirement: found 'b', expected: {BINARY}"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("-a", f'unable to parse requirement: <nil>: Invalid value: "-a": {NAME}'),
        ("a>5a", "unable to parse requirement: values[0]: Invalid value: \"5a\": for 'Gt', 'Lt' operators, the value must be an integer"),
    ],
)  # fmt: skip
def test_refuses_malformed(text: str, why: str) -> None:
    with pytest.raises(SelectorError) as refused:
        selector_text.parse(text)
    assert str(refused.value) == why


def test_names_the_value_that_is_no_label() -> None:
    with pytest.raises(
        SelectorError, match=r'requirement: values\[0\]\[a\]: Invalid value: "/": a valid label must be'
    ):
        selector_text.parse("a=/")


@given(st.text("ab=!(), <>in\\\n\u00e9", max_size=12) | st.text(max_size=8))
@example("a\x0b=b")
def test_any_text_is_a_selector_or_an_error(text: str) -> None:
    with suppress(SelectorError):
        selector_text.parse(text).matches({"a": "b"})
