"""TLS inside of TLS: a plain socket whose bytes a thread carries over an encrypted one, since `ssl` wraps real sockets only."""

import contextlib
import select
import socket
import ssl
import threading


def relayed(outer: socket.socket) -> socket.socket:
    """A socket with the same other end as `outer`, which belongs to the thread from here on."""
    inner, ours = socket.socketpair()
    inner.settimeout(outer.gettimeout())
    outer.setblocking(False)
    ours.setblocking(False)
    threading.Thread(target=_carry, args=(outer, ours), name="relay", daemon=True).start()
    return inner


def _carry(outer: socket.socket, inner: socket.socket) -> None:
    with outer, inner, contextlib.suppress(OSError):
        while True:
            decrypted = isinstance(outer, ssl.SSLSocket) and outer.pending()
            ready = [outer, inner] if decrypted else select.select([outer, inner], [], [])[0]
            for source, sink in ((outer, inner), (inner, outer)):
                if source in ready and not _moved(source, sink):
                    return


def _moved(source: socket.socket, sink: socket.socket) -> bool:
    """What there is; False at the end."""
    try:
        data = source.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return True
    if not data:
        return False
    left = memoryview(data)
    while left:
        try:
            left = left[sink.send(left) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            select.select([], [sink], [], 60)
    return True
