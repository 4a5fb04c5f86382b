"""Proxies between us and the server: `proxy-url` of the kubeconfig, else $HTTPS_PROXY, $HTTP_PROXY and $NO_PROXY as Go reads them.

Servers with TLS are reached by a tunnel (CONNECT), those without are asked for by their whole URL, as HTTP has it; SOCKS5 carries both.
"""

import base64
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pinnace.cli.errors import PlainError

LONGEST_HEAD = 65536
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
SOCKS = ("socks5", "socks5h")  # names are the proxy's to look up, in both
FAILURES = ("", "general SOCKS server failure", "connection not allowed by ruleset", "network unreachable", "host unreachable",
            "connection refused", "TTL expired", "command not supported", "address type not supported")  # fmt: skip
Wrap = Callable[[socket.socket, str], socket.socket]  # TLS, with the name that the certificate must have


class Proxy(NamedTuple):
    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str = ""

    @property
    def headers(self) -> dict[str, str]:
        if self.username is None:
            return {}
        pair = f"{self.username}:{self.password}".encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def proxy_for(explicit: str, scheme: str, host: str, port: int = 0) -> Proxy | None:
    """`explicit` counts for every server; what the environment names does not for this machine and $NO_PROXY."""
    if explicit:
        return _parsed(explicit)
    name = f"{scheme}_proxy"
    url = os.environ.get(name.upper()) or os.environ.get(name)
    if not url or is_excepted(host, os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", port):
        return None
    return _parsed(url if "://" in url else f"http://{url}")


def reached_through(
    plain: socket.socket, proxy: Proxy, host: str, port: int, *, is_tls: bool, wrap: Wrap
) -> socket.socket:
    """A socket that the server is at the other end of (or, without TLS, the proxy that asks for us)."""
    if proxy.scheme in SOCKS:
        _socks(plain, proxy, host, port)
    else:
        if proxy.scheme == "https":
            plain = wrap(plain, proxy.host)
        if is_tls:
            _tunnel(plain, proxy, host, port)
            if proxy.scheme == "https":
                from pinnace.cli.relayed import relayed

                plain = relayed(plain)
    return wrap(plain, "") if is_tls else plain


def _tunnel(plain: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy for a connection to the server; afterwards the socket is one."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
    plain.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what comes behind is the server's
        byte = plain.recv(1)
        if not byte or len(head) > LONGEST_HEAD:
            raise PlainError("Unable to connect to the server: proxyconnect tcp: EOF")
        head += byte
    _, _, status = head.split(b"\r\n", 1)[0].decode(errors="replace").partition(" ")
    if not status.startswith("200"):
        raise PlainError(f"Unable to connect to the server: {status.partition(' ')[2] or status}")


def _socks(plain: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """RFC 1928, with user and password (RFC 1929) where the URL has them."""
    plain.sendall(b"\x05\x02\x00\x02" if proxy.username is not None else b"\x05\x01\x00")
    version, method = _exactly(plain, 2)
    if version != 5:
        raise _refused(f"unexpected protocol version {version}")
    if method == 2 and proxy.username is not None:
        user, password = proxy.username.encode(), proxy.password.encode()
        if not 0 < len(user) < 256 or len(password) > 255:
            raise _refused("invalid username/password")
        plain.sendall(bytes((1, len(user))) + user + bytes((len(password),)) + password)
        if _exactly(plain, 2)[1]:
            raise _refused("username/password authentication failed")
    elif method != 0:
        raise _refused("no acceptable authentication methods")
    plain.sendall(b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big"))
    _, code, _, kind = _exactly(plain, 4)
    if code:
        raise _refused(FAILURES[code] if code < len(FAILURES) else f"unknown code: {code}")
    length = {1: 4, 4: 16}.get(kind) or _exactly(plain, 1)[0]
    _exactly(plain, length + 2)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna") if not host.isascii() else host.encode()
        if len(name) > 255:
            raise _refused("FQDN too long") from None
        return bytes((3, len(name))) + name
    return bytes((1 if address.version == 4 else 4,)) + address.packed


def _exactly(plain: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        data = plain.recv(count - len(found))
        if not data:
            raise _refused("EOF")
        found += data
    return found


def _refused(reason: str) -> PlainError:
    return PlainError(f"Unable to connect to the server: socks connect: {reason}")


def is_excepted(host: str, exceptions: str, port: int = 0) -> bool:
    """`exceptions` are names (`name`, `.suffix`), addresses and networks, perhaps with `:port`; `*` is everything."""
    host = host.lower().rstrip(".")
    address = _ip(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_covers(entry.strip(), host, address, port) for entry in exceptions.lower().split(","))


def _covers(
    entry: str, host: str, address: "ipaddress.IPv4Address | ipaddress.IPv6Address | None", port: int
) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    if "/" in entry:
        return address is not None and _holds(entry, address)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.startswith("[")):
        if port != int(number):
            return False
        entry = name
    entry = entry.strip("[]")
    if (listed := _ip(entry)) is not None or address is not None:
        return listed == address
    suffix = entry.removeprefix("*")
    return host == entry or host.endswith(suffix if suffix.startswith(".") else f".{suffix}")


def _ip(text: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _holds(network: str, address: "ipaddress.IPv4Address | ipaddress.IPv6Address") -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _parsed(url: str) -> Proxy:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in PORTS or port == -1:
        raise PlainError(f"Unable to connect to the server: proxyconnect tcp: unknown scheme: {parts.scheme}")
    username = None if parts.username is None else unquote(parts.username)
    return Proxy(
        parts.scheme,
        parts.hostname or "localhost",
        port or PORTS[parts.scheme],
        username,
        unquote(parts.password or ""),
    )
