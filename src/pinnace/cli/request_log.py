"""What `-v=6` and more show of each request, on standard error: the lines of kubectl (klog's format), secrets masked.

6: one line an answer. 7: the request and its headers. 8: bodies and the answer's headers. 9: the request as a curl command, times in
detail, longer bodies; from 10 on bodies whole. The places in front (`round_trippers.go:632]`) are those of kubectl 1.33, since tools
look for them. Left out: what kubectl logs of anything but requests.
"""

import json
import os
import sys

from pinnace.cli import clock
from pinnace.cli.harmless import shown
from pinnace.net import http_client

Headers = list[tuple[str, str]]
KNOWN_SCHEMES = ("bearer", "basic", "negotiate")
SHOWN_OF_BODY = {8: 1024, 9: 10240}
REQUEST, RESPONSE, DIALED = "round_trippers.go:527", "round_trippers.go:632", "round_trippers.go:562"
BODIES = {"GET": "helper.go:105", "POST": "helper.go:246", "PUT": "helper.go:334", "PATCH": "helper.go:293",
          "DELETE": "helper.go:158"}  # fmt: skip


class RequestLog:
    """One request and its answer; `level` is that of -v, 6 or more."""

    def __init__(
        self, level: int, method: str, url: str, headers: Headers, data: bytes | None, *, fresh: bool
    ) -> None:
        self._level, self._method, self._url, self._fresh = level, method, url, fresh
        self._place = _place_of(method, url)
        if level >= 8:
            _line(self._place, f'"Request Body"{self._body(data or b"")}')
        if level >= 9:
            words = "".join(f" -H {json.dumps(f'{n}: {v}', ensure_ascii=False)}" for n, v in _shown(headers))
            _line(
                REQUEST,
                f'"Request"{_value("curlCommand", f"curl -v -X{method} {words} {chr(39)}{url}{chr(39)}", block=True)}',
            )
        elif level >= 7:
            _line(
                REQUEST,
                f'"Request" verb="{method}" url="{url}"{_value("headers", _lines(headers), block=True)}',
            )
        self._begun = clock.monotonic()

    def answered(self, response: http_client.Response, connection: http_client.Connection) -> None:
        taken = _milliseconds(clock.monotonic() - self._begun)
        if self._level >= 9 and self._fresh and (peer := connection.peer):
            _line(DIALED, f'"HTTP Trace: Dial succeed" network="tcp" address="{peer}"')
        text = (
            f'"Response" verb="{self._method}" url="{self._url}"'
            if self._level in (6, 9) or self._level > 9
            else '"Response"'
        )
        text += f' status="{response.status} {response.reason}"'
        if self._level >= 8:
            text += _value("headers", _lines(response.headers), block=True)
        text += f" milliseconds={taken}"
        if self._level >= 9:
            text += self._details(connection, taken)
        _line(RESPONSE, text)

    def _details(self, connection: http_client.Connection, taken: int) -> str:
        if not self._fresh:
            return f" getConnectionMilliseconds=0 serverProcessingMilliseconds={taken}"
        dialed, shaken = map(_milliseconds, connection.times)
        rest = max(0, taken - dialed - shaken)
        return (
            f" dnsLookupMilliseconds=0 dialMilliseconds={dialed} tlsHandshakeMilliseconds={shaken} "
            f"serverProcessingMilliseconds={rest}"
        )

    def failed(self) -> None:
        text = f'verb="{self._method}" url="{self._url}"' if self._level in (6, 9) or self._level > 9 else ""
        taken = _milliseconds(clock.monotonic() - self._begun)
        _line(
            RESPONSE,
            " ".join(part for part in ('"Response"', text, f'status="" milliseconds={taken}') if part),
        )

    def body(self, payload: bytes) -> None:
        if self._level >= 8:
            _line(self._place, f'"Response Body"{self._body(payload)}')

    def _body(self, payload: bytes) -> str:
        text = payload.decode(errors="backslashreplace")
        most = SHOWN_OF_BODY.get(self._level)
        if most is not None and len(text) > most:
            text = f"{text[:most]} [truncated {len(text) - most} chars]"
        return _value("body", text)


def _place_of(method: str, url: str) -> str:
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    if path in ("api", "apis"):
        return "discovery_client.go:252" if path == "api" else "discovery_client.go:318"
    return BODIES.get(method, "request.go:1212")


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))


def masked(name: str, value: str) -> str:
    if name.lower() not in ("authorization", "proxy-authorization") or not value:
        return value
    scheme, space, rest = value.partition(" ")
    if scheme.lower() not in KNOWN_SCHEMES:
        return "<masked>"
    return f"{scheme} <masked>" if space and rest else scheme


def _shown(headers: Headers) -> Headers:
    return sorted((name, masked(name, value)) for name, value in headers if name != "Host")


def _lines(headers: Headers) -> str:
    return "\n".join(f"{name}: {value}" for name, value in _shown(headers))


def _value(name: str, text: str, *, block: bool = False) -> str:
    """As klog writes it: quoted, or, of several lines, as a block."""
    if block or "\n" in text:
        inner = "".join(f"\t{line}\n" for line in text.removesuffix("\n").split("\n"))
        return f" {name}=<\n{inner} >"
    return f" {name}={json.dumps(text, ensure_ascii=False)}"


def _line(place: str, text: str) -> None:
    now = clock.now()
    when = clock.local(now)
    micro = int(now % 1 * 1_000_000)
    head = f"I{when.tm_mon:02}{when.tm_mday:02} {when.tm_hour:02}:{when.tm_min:02}:{when.tm_sec:02}.{micro:06} {os.getpid():7}"
    print(f"{head} {place}] {shown(text)}", file=sys.stderr)
