"""Proxies between us and the server: `proxy-url` of the kubeconfig, else $HTTPS_PROXY, $HTTP_PROXY and $NO_PROXY as Go reads them.

Connections are tunnelled (CONNECT), plain ones too. Left out: SOCKS5 and proxies that speak TLS, which are refused.
"""

import base64
import ipaddress
import os
import socket
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pinnace.cli.errors import PlainError

LONGEST_HEAD = 65536


class Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]


def proxy_for(explicit: str, scheme: str, host: str) -> Proxy | None:
    """`explicit` counts for every server; what the environment names does not for this machine and $NO_PROXY."""
    if explicit:
        return _parsed(explicit)
    name = f"{scheme}_proxy"
    url = os.environ.get(name.upper()) or os.environ.get(name)
    if not url or is_excepted(host, os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""):
        return None
    return _parsed(url if "://" in url else f"http://{url}")


def tunnel(plain: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy for a connection to the server; afterwards the socket is one."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
    plain.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what comes behind is the server's
        byte = plain.recv(1)
        if not byte or len(head) > LONGEST_HEAD:
            raise PlainError("Unable to connect to the server: the proxy closed the connection")
        head += byte
    _, _, status = head.split(b"\r\n", 1)[0].decode(errors="replace").partition(" ")
    if not status.startswith("200"):
        raise PlainError(f"Unable to connect to the server: {status.partition(' ')[2] or status}")


def is_excepted(host: str, exceptions: str) -> bool:
    """`exceptions` are names, `.suffixes`, addresses and networks; `*` is everything."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in exceptions.lower().replace(" ", "").split(","):
        if not entry:
            continue
        if entry == "*" or entry == host.lower():
            return True
        suffix = entry.removeprefix("*")
        if address is None and host.lower().endswith(suffix if suffix.startswith(".") else f".{suffix}"):
            return True
        if address is not None and "/" in entry and _holds(entry, address):
            return True
    return False


def _holds(network: str, address: "ipaddress.IPv4Address | ipaddress.IPv6Address") -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _parsed(url: str) -> Proxy:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise PlainError(
            f'Unable to connect to the server: proxy "{url}": only http:// proxies are there so far'
        )
    headers = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return Proxy(parts.hostname, parts.port or 80, headers)
