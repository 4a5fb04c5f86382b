import asyncio
from pathlib import Path

import pytest

from pinnace.kubelet.server.log_lines import LogOptions
from pinnace.kubelet.server.log_reader import read_log
from pinnace.testing.fake_clock import FakeClock


class Follower:
    """Reads in a task; `text` is what came so far."""

    def __init__(self, path: Path, **options: object) -> None:
        self.clock, self.over, self.text = FakeClock(), False, b""
        self.pieces: list[bytes] = []
        self._pieces = read_log(path, LogOptions(follow=True, **options), self.clock, lambda: self.over)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for piece in self._pieces:
            self.text += piece
            self.pieces += [piece] if piece else []


def line(text: str, tag: str = "F") -> bytes:
    return f"2026-01-01T00:00:00.000000000Z stdout {tag} {text}\n".encode()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_bytes(line("one") + line("two"))
    return path


async def test_without_follow_it_ends_at_the_end(path: Path) -> None:
    pieces = read_log(path, LogOptions(tail=1), FakeClock(), lambda: False)
    assert [piece async for piece in pieces] == [b"two\n"]


async def test_following_shows_new_lines_until_the_container_is_over(path: Path) -> None:
    follower = Follower(path, tail=1)
    await follower.clock.advance(1)
    append(path, line("thr", "P")[:20])
    await follower.clock.advance(1)
    append(path, line("thr", "P")[20:] + line("ee"))
    await follower.clock.advance(1)
    assert follower.text == b"two\nthree\n"
    append(path, line("last"))
    follower.over = True
    await follower.clock.advance(1)
    assert follower.text.endswith(b"last\n")
    assert follower.task.done()


async def test_what_is_just_being_written_is_sent_in_few_pieces(path: Path) -> None:
    follower = Follower(path)
    await follower.clock.advance(0)
    assert follower.text == b"one\ntwo\n"
    for text in ("three", "four"):
        append(path, line(text))
        await follower.clock.advance(0.04)
    assert follower.pieces == [b"one\ntwo\n"]
    await follower.clock.advance(0.04)
    assert follower.pieces[1:] == [b"three\nfour\n"]
    follower.task.cancel()


async def test_following_survives_rotation_without_losing_a_line(path: Path) -> None:
    follower = Follower(path, tail=0)
    await follower.clock.advance(1)
    old = path.rename(path.with_suffix(".log.1"))
    append(old, line("still the old file"))
    await follower.clock.advance(1)
    append(old, line("its last line"))
    append(path, line("the new file"))
    await follower.clock.advance(1)
    assert follower.text == b"still the old file\nits last line\nthe new file\n"
    follower.task.cancel()


async def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        [piece async for piece in read_log(tmp_path / "no", LogOptions(), FakeClock(), lambda: False)]
