import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.net import spdy_frames as spdy

ids = st.integers(1, 2**31 - 1)
words = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12)
headers = st.dictionaries(words, st.text(max_size=30), max_size=6)
frames = st.one_of(
    st.builds(spdy.SynStream, ids, headers, st.booleans(), st.booleans(), ids, st.integers(0, 7)),
    st.builds(spdy.SynReply, ids, headers, st.booleans()),
    st.builds(spdy.MoreHeaders, ids, headers, st.booleans()),
    st.builds(spdy.RstStream, ids, st.integers(1, 11)),
    st.builds(spdy.Ping, ids),
    st.builds(spdy.GoAway, ids, st.integers(0, 2)),
    st.builds(spdy.WindowUpdate, ids, ids),
    st.builds(spdy.Settings, st.lists(st.tuples(ids, ids), max_size=3).map(tuple)),
    st.builds(spdy.Data, ids, st.binary(max_size=200), st.booleans()),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(1, 40), min_size=1))
def test_any_split_of_the_bytes_gives_the_same_frames(sent: list[spdy.Frame], cuts: list[int]) -> None:
    writer, reader = spdy.FrameWriter(), spdy.FrameReader()
    wire = b"".join(writer.encode(frame) for frame in sent)
    received, position, turn = [], 0, 0
    while position < len(wire):
        step = cuts[turn % len(cuts)]
        received += list(reader.feed(wire[position : position + step]))
        position, turn = position + step, turn + 1
    assert received == sent


@given(st.binary(min_size=8, max_size=100))
def test_garbage_is_frames_or_a_protocol_error_never_another_failure(garbage: bytes) -> None:
    with contextlib.suppress(spdy.ProtocolError):
        list(spdy.FrameReader().feed(garbage))


def test_the_first_block_starts_as_zlib_with_the_dictionary_of_the_protocol() -> None:
    wire = spdy.FrameWriter().encode(spdy.SynStream(1, {"streamtype": "error"}))
    assert wire[:4] == b"\x80\x03\x00\x01"
    assert wire[18:24] == b"\x78\xbb" + struct.pack(">I", 0xE3C6A7C2)


def test_another_version_is_refused() -> None:
    with pytest.raises(spdy.ProtocolError, match="version 2"):
        list(spdy.FrameReader().feed(b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"))


def test_unknown_control_frames_are_skipped() -> None:
    unknown = b"\x80\x03\x00\x63\x00\x00\x00\x02ab"
    assert list(spdy.FrameReader().feed(unknown + spdy.FrameWriter().encode(spdy.Ping(1)))) == [spdy.Ping(1)]
