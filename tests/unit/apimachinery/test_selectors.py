import pytest

from pinnace.apimachinery import selectors


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
    assert selectors.parse(text).matches(labels) is matches


@pytest.mark.parametrize("text", ["a in", "a in (1", ",", "a=1,", "=x", "a b", "a=b=c", "a=/"])
def test_refuses_malformed(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.parse(text)


def test_null_matches_nothing_and_empty_matches_everything() -> None:
    assert not selectors.from_label_selector(None).matches({})
    assert selectors.from_label_selector({}).matches({})


def test_field_selector_with_escapes() -> None:
    (one, two) = selectors.parse_fields(r"metadata.name=a\,b,status.phase!=Running")
    assert (one.path, one.value, one.negated) == ("metadata.name", "a,b", False)
    assert two.negated
