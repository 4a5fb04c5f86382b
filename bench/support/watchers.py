"""A process that holds many watches: raw TLS connections in one epoll loop, events counted and never decoded.

    python watchers.py HOST PORT CA PATH WATCHERS EVENTS LIMIT_S     (token in $BENCH_TOKEN)

Prints `open` once all watches have answered, then one JSON line: the arrival times of the events by watcher, and the CPU used. A line of
JSON ends an event; the line breaks of the chunk framing are CRLF and are told apart by that.
"""

import array
import json
import os
import select
import socket
import ssl
import sys
import time


class Watch:
    def __init__(self, connection):
        self.connection, self.times, self.last = connection, array.array("d"), b""

    def read(self):
        """Note the events that are there; False when the server ended the watch."""
        while True:
            try:
                data = self.connection.recv(262_144)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            if not data:
                return False
            framing = data.count(b"\r\n") + (self.last == b"\r" and data[:1] == b"\n")
            events = data.count(b"\n") - framing
            self.times.extend([time.time()] * events)
            self.last = data[-1:]


def opened(address, context, request):
    connection = context.wrap_socket(socket.create_connection(address, 60), server_hostname=address[0])
    connection.sendall(request)
    return connection


def await_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            break
        head += data
    if b" 200 " not in head[:20]:
        raise SystemExit(f"a watch was answered {head[:80]!r}")
    connection.setblocking(False)


def main():
    host, port, ca, path, count, events, limit = sys.argv[1:]
    token = os.environ["BENCH_TOKEN"]
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    context = ssl.create_default_context(cafile=ca)
    connections = [opened((host, int(port)), context, request) for _ in range(int(count))]
    poll, watches = select.epoll(), {}
    for connection in connections:
        await_head(connection)
        watches[connection.fileno()] = Watch(connection)
        poll.register(connection.fileno(), select.EPOLLIN)
    print("open", flush=True)
    waiting, closed, end, cpu = set(watches), 0, time.time() + float(limit), time.process_time()
    while waiting and time.time() < end:
        for descriptor, _ in poll.poll(1.0):
            watch = watches[descriptor]
            if not watch.read():
                poll.unregister(descriptor)
                closed += 1
                waiting.discard(descriptor)
            elif len(watch.times) >= int(events):
                waiting.discard(descriptor)
    times = [list(watch.times)[: int(events)] for watch in watches.values()]
    print(json.dumps({"times": times, "closed": closed, "cpu_s": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main()
