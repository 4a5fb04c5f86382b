import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.kubelet.server.log_lines import LineFilter, LogOptions, options_of, tail_start

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LOG = (
    b"2026-01-01T11:00:00.000000001Z stdout F first\n"
    b"2026-01-01T11:30:00.000000000Z stderr F \n"
    b"2026-01-01T11:59:30.000000000Z stdout P half a \n"
    b"2026-01-01T11:59:30.000000001Z stdout F line\n"
)


def shown(**options: object) -> bytes:
    return LineFilter(LogOptions(**options)).feed(LOG)  # type: ignore[arg-type]


def test_pieces_of_a_line_are_joined() -> None:
    assert shown() == b"first\n\nhalf a line\n"


def test_a_line_has_one_timestamp_however_many_pieces_it_has() -> None:
    assert shown(timestamps=True).splitlines()[2] == b"2026-01-01T11:59:30.000000000Z half a line"


def test_since_and_stream_choose_lines() -> None:
    assert shown(since=datetime(2026, 1, 1, 11, 30, tzinfo=UTC)) == b"\nhalf a line\n"
    assert shown(stream="stderr") == b"\n"


def test_the_limit_cuts_in_the_middle_of_a_line() -> None:
    filtered = LineFilter(LogOptions(limit=8))
    assert filtered.feed(LOG) == b"first\n\nh"
    assert filtered.is_full


LINES = st.sampled_from([
    b"2026-01-01T11:00:00.1Z stdout F one\n", b"2026-01-01T11:00:00.12+01:00 stderr F two F stdout F x\n", b"T stdout P half\n",
    b"T stderr F \n", b"T stdout F  a\n", b"\n", b"other\n", b"T stdout\n", b"T stdout F\n", b"T  stdout F z\n", b"T other F q\n", b" stdout F y\n",
])  # fmt: skip


@given(st.lists(LINES, max_size=12), st.sampled_from(["", "stdout", "stderr"]))
def test_many_lines_at_once_are_what_they_are_one_by_one(lines: list[bytes], stream: str) -> None:
    one_by_one = LineFilter(LogOptions(stream=stream))
    one_by_one._plain = None
    expected = b"".join(map(one_by_one.feed, lines))
    assert LineFilter(LogOptions(stream=stream)).feed(b"".join(lines)) == expected


@given(st.lists(st.integers(1, 30), min_size=1))
def test_it_does_not_matter_how_the_file_is_cut(cuts: list[int]) -> None:
    filtered, out, position, turn = LineFilter(LogOptions(timestamps=True)), b"", 0, 0
    while position < len(LOG):
        step = cuts[turn % len(cuts)]
        out += filtered.feed(LOG[position : position + step])
        position, turn = position + step, turn + 1
    assert out == shown(timestamps=True)


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.integers(0, 15),
    st.booleans(),
)
def test_tail_is_the_last_lines(lines: list[bytes], count: int, is_ended: bool) -> None:
    data = b"".join(line + b"\n" for line in lines)
    if not is_ended:
        data = data[:-1]
    *whole, rest = data.split(b"\n")
    kept = [line + b"\n" for line in whole] + ([rest] if rest else [])
    expected = b"".join(kept[-count:]) if count else b""
    assert data[tail_start(io.BytesIO(data), count) :] == expected


def test_options_come_from_the_query() -> None:
    query = {
        "follow": "true",
        "tailLines": "5",
        "sinceSeconds": "60",
        "limitBytes": "9",
        "timestamps": "true",
    }
    options = options_of(query, NOW)
    assert options == LogOptions(
        follow=True, tail=5, limit=9, timestamps=True, since=datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "query", [{"tailLines": "-1"}, {"tailLines": "x"}, {"sinceTime": "yesterday"}, {"stream": "in"}]
)
def test_what_makes_no_sense_is_a_value_error(query: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        options_of(query, NOW)
