"""The keys that leave a terminal: as they are written, and as they are typed."""

import pytest

from pinnace.cli.detach_keys import Detacher, parsed
from pinnace.cli.errors import CliError


def test_keys_as_docker_writes_them() -> None:
    assert parsed("") == b"\x10\x11"
    assert parsed("a,ctrl-]") == b"a\x1d"
    assert parsed("ctrl-@,ctrl-^") == b"\x00\x1e"


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-ab", "xx", "a,,b", "ctrl-1"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(CliError, match="could not bind detach keys: Unknown character"):
        parsed(text)


def test_typed_keys_are_kept_back_until_they_are_others() -> None:
    watcher = Detacher(b"\x10\x11")
    assert watcher.feed(b"ls\x10") == (b"ls", False)
    assert watcher.feed(b"\x10x") == (b"\x10\x10x", False)
    assert watcher.feed(b"\x10") == (b"", False)
    assert watcher.feed(b"\x11never") == (b"", True)
