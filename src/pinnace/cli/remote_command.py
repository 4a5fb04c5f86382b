"""exec and attach over a WebSocket (v5 and v4 channel protocols), with the terminal in raw mode where asked for.

Channels: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size; v5 adds 255, which closes a channel.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from pinnace.cli import json_text
from pinnace.cli.detach_keys import Detacher
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.terminal import Terminal
from pinnace.cli.transport import Query, Transport
from pinnace.net import websocket_frames as frames

STDIN, STDOUT, STDERR, ERROR, RESIZE, END = 0, 1, 2, 3, 4, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


class ExitCode(PlainError):
    """The command ended with a code of its own, which becomes ours."""

    def __init__(self, code: int) -> None:
        super().__init__(f"command terminated with exit code {code}", code)


class RemoteCommand:
    """`detach_keys` end the session, and nothing else, when they are typed. `redraw` makes the other side draw its screen anew."""

    def __init__(self, http: Transport, path: str, query: Query, *, stdin: bool, terminal: bool, redraw: bool = False,
                 detach_keys: bytes = b"") -> None:  # fmt: skip
        key = frames.new_key()
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": f"{V5}, {V4}",
        }
        self._socket, answer = http.upgrade(path, query, headers)
        if answer.get("sec-websocket-accept") != frames.accept_of(key):
            raise CliError("unable to upgrade connection: the server did not accept the WebSocket handshake")
        self._socket.settimeout(None)
        self._protocol = answer.get("sec-websocket-protocol", "")
        self._stdin = stdin
        self._terminal = Terminal(self._tell_size, redraw=redraw) if terminal else None
        self._detacher = Detacher(detach_keys) if detach_keys else None
        self._has_answered = False
        self._lock = threading.Lock()
        self.has_ended = False  # and said how: not only the connection broke

    def run(self) -> None:
        """Until the command ends; raises ExitCode or CliError when it failed."""
        with self._terminal.raw() if self._terminal else contextlib.nullcontext():
            if self._stdin:
                threading.Thread(target=self._feed_stdin, name="stdin", daemon=True).start()
            self._drain()

    def _drain(self) -> None:
        reader = frames.FrameReader()
        while data := self._receive():
            for message in reader.feed(data):
                if message.opcode == frames.PING:
                    self._send_frame(frames.PONG, message.data)
                elif message.opcode == frames.CLOSE or (
                    message.data and self._message(message.data[0], message.data[1:])
                ):
                    return

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except (ConnectionError, OSError):
            return b""

    def _message(self, channel: int, data: bytes) -> bool:
        """True when the command has ended."""
        if channel == STDOUT:
            if self._terminal and data and not self._has_answered:
                self._has_answered = True
                self._terminal.tell_again()
            self.write_out(data)
        elif channel == STDERR:
            self.write_error(data)
        elif channel == ERROR and data:
            self.has_ended = True
            self._send_frame(frames.CLOSE, b"\x03\xe8")
            _raise_for(json_text.loads(data))
            return True
        return False

    # --- what goes out

    def _send(self, channel: int, data: bytes) -> None:
        self._send_frame(frames.BINARY, bytes((channel,)) + data)

    def _send_frame(self, opcode: int, data: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(frames.client_frame(opcode, data))

    def _tell_size(self, columns: int, lines: int) -> None:
        self._send(RESIZE, json_text.dumps({"Width": columns, "Height": lines}))

    def _feed_stdin(self) -> None:
        for data in self.read_in():
            typed, has_left = self._detacher.feed(data) if self._detacher else (data, False)
            if typed:
                self._send(STDIN, typed)
            if has_left:
                self._leave()
                return
        if self._protocol == V5:
            self._send_frame(frames.BINARY, bytes((END, STDIN)))

    def _leave(self) -> None:
        """The other side goes on; `_drain` ends."""
        self._send_frame(frames.CLOSE, b"\x03\xe8")
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    # --- where bytes come from and go to; `cp` has others

    def read_in(self) -> Iterator[bytes]:
        while data := os.read(0, 32768):
            yield data

    def write_out(self, data: bytes) -> None:
        _write(1, data)

    def write_error(self, data: bytes) -> None:
        _write(2, data)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _raise_for(status: dict[str, Any]) -> None:
    if status.get("status") != "Failure":
        return
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            raise ExitCode(int(cause["message"]))
    raise CliError(status.get("message") or "the command failed")
