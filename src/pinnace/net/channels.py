"""The channels of exec and attach over WebSocket: which byte of which message belongs to which stream.

Every message starts with the number of its channel. v4 added the `Status` JSON on the error channel, v5 the CLOSE signal
(a message of two bytes, 255 and the channel that ends). In the base64 variants messages are text: the digit of the channel, then base64.
Left out: port-forward over v4 channels, which is spliced to the runtime unread.
https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/websocket.go
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"

# SPDY: X-Stream-Protocol-Version values, newest first, and the header that names a stream's role
SPDY_VERSIONS = (V4, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
STREAM_PROTOCOL_HEADER = "X-Stream-Protocol-Version"
STREAM_TYPE = "streamtype"


@dataclass(frozen=True, slots=True)
class ChannelProtocol:
    """`name` is the WebSocket subprotocol."""

    name: str
    is_base64: bool = False
    has_status: bool = False  # the error channel carries a Status, and says Success too
    has_close: bool = False

    def encode(self, channel: int, data: bytes) -> bytes | str:
        if self.is_base64:
            return f"{channel}{base64.b64encode(data).decode()}"
        return bytes((channel,)) + data

    def close_signal(self, channel: int) -> bytes:
        """The end of one channel; only where `has_close`."""
        return bytes((CLOSE, channel))

    def decode(self, message: bytes | str) -> tuple[int, bytes]:
        """(channel, data). Raises ValueError for a message that is not of this protocol."""
        if not message:
            raise ValueError("a message without a channel")
        if not self.is_base64:
            data = message.encode() if isinstance(message, str) else message
            return data[0], data[1:]
        text = message if isinstance(message, str) else message.decode("ascii", "replace")
        try:
            return int(text[0]), base64.b64decode(text[1:], validate=True)
        except (ValueError, binascii.Error) as error:
            raise ValueError(f"not a base64 channel message: {error}") from error


REMOTE_COMMAND = {
    protocol.name: protocol
    for protocol in (
        ChannelProtocol(V5, has_status=True, has_close=True),
        ChannelProtocol(V4, has_status=True),
        ChannelProtocol("v4.base64.channel.k8s.io", is_base64=True, has_status=True),
        ChannelProtocol("channel.k8s.io"),
        ChannelProtocol("base64.channel.k8s.io", is_base64=True),
        ChannelProtocol(""),
    )
}


def choose(offered: Sequence[str]) -> ChannelProtocol | None:
    """The first offered protocol that we speak; a client that offers none gets the oldest."""
    if not offered:
        return REMOTE_COMMAND[""]
    return next((REMOTE_COMMAND[name] for name in offered if name in REMOTE_COMMAND), None)
