import pytest

from pinnace.apimachinery import errors
from pinnace.apiserver.filters.deadline import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("0", 0), ("5s", 5), ("1m30s", 90), ("1.5s", 1.5), ("250ms", 0.25), ("1h", 3600)],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["5", "s", "5x", "-1s", "1s2"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(errors.BadRequest):
        parse_duration(text)
