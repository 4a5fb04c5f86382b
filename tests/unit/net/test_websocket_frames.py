"""WebSocket frames of a client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.net.websocket_frames import (
    BINARY,
    CLOSE,
    PING,
    FrameReader,
    Message,
    ProtocolError,
    accept_of,
    client_frame,
)


def server_frame(opcode: int, data: bytes, *, final: bool = True) -> bytes:
    head = bytes(((0x80 if final else 0) | opcode,))
    if len(data) < 126:
        return head + bytes((len(data),)) + data
    if len(data) < 65536:
        return head + b"\x7e" + len(data).to_bytes(2, "big") + data
    return head + b"\x7f" + len(data).to_bytes(8, "big") + data


def test_the_accept_header_of_the_rfc() -> None:
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(max_size=70000), st.integers(1, 5000))
def test_reads_messages_however_they_are_cut(data: bytes, step: int) -> None:
    stream = server_frame(BINARY, data) + server_frame(PING, b"x") + server_frame(CLOSE, b"")
    reader, found = FrameReader(), []
    for at in range(0, len(stream), step):
        found += list(reader.feed(stream[at : at + step]))
    assert found == [Message(BINARY, data), Message(PING, b"x"), Message(CLOSE, b"")]


def test_joins_fragments_with_control_frames_between() -> None:
    stream = server_frame(BINARY, b"a", final=False) + server_frame(PING, b"") + server_frame(0, b"b")
    assert list(FrameReader().feed(stream)) == [Message(PING, b""), Message(BINARY, b"ab")]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_client_frames_are_masked(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    frame = client_frame(BINARY, data[:size])
    assert frame[1] & 0x80
    length = 2 + (0 if size < 126 else 2 if size < 65536 else 8)
    mask, body = frame[length : length + 4], frame[length + 4 :]
    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)) == data[:size]


def test_refuses_what_servers_may_not_send() -> None:
    with pytest.raises(ProtocolError):
        list(FrameReader().feed(b"\xc2\x00"))
