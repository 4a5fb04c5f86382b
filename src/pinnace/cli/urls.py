"""Putting URLs together and taking servers' addresses apart, without the 3 ms that urllib.parse takes to import. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


_SCHEME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.")


class Server(NamedTuple):
    is_tls: bool
    host: str
    port: int
    path: str  # without the slash at its end


def server_of(text: str) -> Server:
    """`https://host:port/path`; a bare `host:port` is plain HTTP, as upstream reads it. ValueError for what is neither."""
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    place, slash, path = rest.partition("/")
    place = place.rsplit("@", 1)[-1]
    if not place or " " in place or (found and not _SCHEME.issuperset(scheme)):
        raise ValueError(text)
    is_tls = scheme.lower() == "https"
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError(text)
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    if port and not (port.isascii() and port.isdecimal() and len(port) < 10):
        raise ValueError(text)
    path = (slash + path).split("?", 1)[0].split("#", 1)[0].rstrip("/")
    number = int(port) if port else (443 if is_tls else 80)
    return Server(is_tls, host.lower() or "localhost", number, path)


def quote(text: str) -> str:
    """One segment of a path, or a part of a query."""
    if _PLAIN.issuperset(text):
        return text
    return "".join(char if char in _PLAIN else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def encode(query: "Mapping[str, str] | Iterable[tuple[str, str]]") -> str:
    """`a=b&c=d`."""
    pairs = query.items() if isinstance(query, Mapping) else query
    return "&".join(f"{quote(str(name))}={quote(str(value))}" for name, value in pairs)


def resolved(place: str, target: str, location: str) -> tuple[str, str]:
    """(server, path with query) that a redirect of `target` at `place` (`https://host:port`) leads to."""
    from urllib.parse import urljoin, urlsplit

    parts = urlsplit(urljoin(place + target, location))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(location)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}:{port}", (parts.path or "/") + query
