import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0", "0"),
        ("1.5Gi", "1536Mi"),
        ("100k", "100k"),
        ("1e3", "1e3"),
        ("1000k", "1M"),
        ("-1", "-1"),
        ("0.5Mi", "512Ki"),
    ],
)
def test_canonical_text(text: str, expected: str) -> None:
    assert quantity.canonical(text) == expected


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "10mb", "1 Gi", "0x10"])
def test_refuses_what_is_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse(text)


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "Ki", "Mi", "G"]))
def test_canonical_text_means_the_same(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert quantity.parse(quantity.canonical(text)) == quantity.parse(text)
    assert quantity.canonical(quantity.canonical(text)) == quantity.canonical(text)


@pytest.mark.parametrize("text", ["9" * 80 + "Ei", "16Ei"])
def test_what_is_too_large_for_binary_suffixes_is_capped(text: str) -> None:
    assert quantity.parse(text) == 2**63 - 1
    assert quantity.parse(f"-{text}") == -(2**63 - 1)


@pytest.mark.parametrize(
    "text", ["1e" + "9" * 5000, "1e100", "1" * 100, "1" * 5000, "1" * 5000 + "x", "1\n", "\u0661"]
)
def test_what_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        quantity.parse(text)


def test_large_decimal_numbers_stay_what_they_are() -> None:
    assert quantity.canonical("3e20") == "300e18"
    assert quantity.parse("3e20") == 3 * 10**20
