"""Which ports of this machine a program has where others reach it."""

import socket
from pathlib import Path

import pytest

from pinnace.cluster.listeners import listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINES = {
    "tcp": ("00000000:0016", "0A", "0100007F:0017", "0A", "010000C0:0018", "0A", "00000000:0019", "01", "0200000A:001A", "0A"),
    "tcp6": ("00000000000000000000000000000000:001B", "0A", "00000000000000000000000001000000:001C", "0A",
             "B80D0120000000000000000007000000:001D", "0A"),
    "udp": ("00000000:0035", "07", "010000C0:0036", "01"),
}  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for name, words in LINES.items():
        pairs = zip(words[::2], words[1::2], strict=True)
        lines = [f"   0: {local} 00000000:0000 {state} 0 0 0 0 0 0 1\n" for local, state in pairs]
        (tmp_path / name).write_text(HEAD + "".join(lines))
    return tmp_path


def test_who_listens_everywhere_or_on_an_address_of_the_node(tables: Path) -> None:
    own = ("192.0.0.1", "2001:db8::7", "")
    found = {port for port in range(20, 60) if listener("TCP", port, own, tables)}
    # Not on the loopback (23, 28), not open to anybody (25), not on a bridge's address (26).
    assert found == {22, 24, 27, 29}
    assert [port for port in range(50, 60) if listener("UDP", port, own, tables)] == [53]
    assert listener("SCTP", 22, own, tables) == ""


def test_the_program_is_named() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert "(pid " in listener("TCP", server.getsockname()[1], ())
