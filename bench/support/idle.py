"""What connections cost that are open and say nothing."""

import contextlib
import resource
import socket
import ssl
import time
from urllib.parse import urlsplit

from support.processes import cpu_seconds, pss_mib

REQUEST = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def idle_connections(cluster, count):
    """Open `count` connections, one request on each; the server's memory and CPU for one of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pid, address = cluster.processes()["pinnace"], urlsplit(cluster.server)
    context = ssl.create_default_context(cafile=str(cluster.ca))
    memory, cpu = pss_mib(pid), cpu_seconds(pid)
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            raw = socket.create_connection((address.hostname, address.port), 30)
            connection = opened.enter_context(context.wrap_socket(raw, server_hostname=address.hostname))
            connection.sendall(REQUEST)
            connection.recv(65536)
        time.sleep(1)
        return {
            "connections": count,
            "kib_each": round((pss_mib(pid) - memory) * 1024 / count, 1),
            "cpu_us_each": round((cpu_seconds(pid) - cpu) / count * 1e6),
        }
