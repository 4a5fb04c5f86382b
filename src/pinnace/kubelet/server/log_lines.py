"""Container log files (pure): the CRI line format, what the client wants of it, and where the last N lines begin.

A line of the file is `<RFC 3339 time> <stdout|stderr> <tags> <text>`; the tag P marks a piece of a longer line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

from pinnace.apimachinery.times import parse_time

BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`tail` and `limit` None: everything; `stream` is "", "stdout" or "stderr"."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail: int | None = None
    limit: int | None = None
    stream: str = ""


def options_of(query: Mapping[str, str], now: datetime) -> LogOptions:
    """Raises ValueError naming the parameter that makes no sense."""
    since = parse_time(query["sinceTime"]) if query.get("sinceTime") else None
    if seconds := _number(query, "sinceSeconds", least=1):
        if since is not None:
            raise ValueError("at most one of sinceTime or sinceSeconds may be specified")
        since = now - timedelta(seconds=seconds)
    streams = {"": "", "all": "", "stdout": "stdout", "stderr": "stderr"}
    stream = query.get("stream", "").lower()
    if stream not in streams:
        raise ValueError(f"stream: Unsupported value: {stream!r}")
    return LogOptions(
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        since=since,
        tail=_number(query, "tailLines", least=0),
        limit=_number(query, "limitBytes", least=1),
        stream=streams[stream],
    )


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")


def _number(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    number = int(text)
    if number < least:
        raise ValueError(f"{name}: must be greater than or equal to {least}")
    return number


def _whole_lines(stream: str) -> re.Pattern[bytes]:
    """What stands before the text of a whole line, and the newline before that. `[^ ]` may run over the end of a line that has
    another form: then there are fewer matches than lines."""
    return re.compile(rb"\n[^ ]+ %b F " % (stream.encode() or b"std(?:out|err)"))


class LineFilter:
    """Raw bytes of the file in, bytes for the client out, however the input is cut."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._remaining = options.limit
        self._rest = b"\n"  # a line that is not complete, behind the end of the one before
        self._at_line_start = True
        self._is_recent = options.since is None
        self._plain = None if options.timestamps else _whole_lines(options.stream)

    @property
    def is_full(self) -> bool:
        """`limitBytes` is used up."""
        return self._remaining == 0

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        end = data.rfind(b"\n")
        lines, self._rest = data[:end], data[end:]
        if not end:
            return b""
        out = self._at_once(lines)
        if out is None:
            out = b"".join(map(self._line, lines[1:].split(b"\n")))
        if self._remaining is not None:
            out = out[: self._remaining]
            self._remaining -= len(out)
        return out

    def _at_once(self, lines: bytes) -> bytes | None:
        """None when some of the lines are not whole ones of the right stream: a third of the work of line after line."""
        if self._plain is None or not self._is_recent:
            return None
        out, count = self._plain.subn(b"\n", lines)
        if count != lines.count(b"\n"):
            return None
        self._at_line_start = True
        return out[1:] + b"\n"

    def _line(self, line: bytes) -> bytes:
        parts = line.split(b" ", 3)
        if len(parts) < 4:
            return b""  # not of this format: upstream skips it, too
        time, stream, tags, text = parts
        if self._options.stream and stream.decode("ascii", "replace") != self._options.stream:
            return b""
        if not self._is_recent and not self._reaches_since(time):
            return b""
        prefix = time + b" " if self._options.timestamps and self._at_line_start else b""
        self._at_line_start = not tags.startswith(b"P")
        return prefix + text + (b"\n" if self._at_line_start else b"")

    def _reaches_since(self, time: bytes) -> bool:
        """Times only grow in a file, so what follows the first recent line is recent, too."""
        try:
            since = self._options.since
            self._is_recent = since is None or parse_time(time.decode("ascii")) >= since
        except ValueError:
            return False
        return self._is_recent


def tail_start(file: BinaryIO, lines: int) -> int:
    """The offset of the last `lines` lines of the file; a last line without a newline counts."""
    end = file.seek(0, 2)
    if lines == 0 or end == 0:
        return end
    file.seek(end - 1)
    position = end - 1 if file.read(1) == b"\n" else end
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            lines -= 1
            if lines == 0:
                return position + at + 1
    return 0
