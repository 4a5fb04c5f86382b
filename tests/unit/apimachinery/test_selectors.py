import pytest

from pinnace.apimachinery import selectors


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "invalid selector: 'x'; can't understand 'x'"),
        ("a=1,x", "invalid selector: 'a=1,x'; can't understand 'x'"),
        ("a===b", "invalid field selector: unescaped character in value: ="),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_refuses_malformed_field_selectors(text: str, why: str) -> None:
    with pytest.raises(selectors.SelectorError) as refused:
        selectors.parse_fields(text)
    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=b", "b"), ("a==b", "b"), ("a!=b", "b"), ("a=", ""), (r"a=b\=c\\", "b=c\\"), (",a=b,", "b")],
)
def test_field_selectors(text: str, value: str) -> None:
    (term,) = selectors.parse_fields(text)
    assert (term.path, term.value, term.negated) == ("a", value, "!=" in text)


def test_null_matches_nothing_and_empty_matches_everything() -> None:
    assert not selectors.from_label_selector(None).matches({})
    assert selectors.from_label_selector({}).matches({})


def test_field_selector_with_escapes() -> None:
    (one, two) = selectors.parse_fields(r"metadata.name=a\,b,status.phase!=Running")
    assert (one.path, one.value, one.negated) == ("metadata.name", "a,b", False)
    assert two.negated
