"""A request on its way through the pipeline, and the three shapes of an answer; free of any HTTP library.

The edge (`edge.py`) makes a `Request` of what came off the wire and writes the answer back. Filters add facts (`info`, `user`,
`deadline`); later stations only read them.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from multidict import MultiMapping

from pinnace.apiserver.authn.user import ANONYMOUS, User
from pinnace.apiserver.request_info import RequestInfo

if TYPE_CHECKING:
    from aiohttp import web

    from pinnace.apiserver.audit.record import Record
    from pinnace.apiserver.flowcontrol.flows import FlowCounts
    from pinnace.apiserver.services import Services

JSON = "application/json"
Query = Mapping[str, list[str]]
_UNRESOLVED = RequestInfo("", "get", False)


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What the TLS layer verified about the client: the subject's common name and organizations, and its issuer's name.

    It was not expired then; a connection may last longer.
    """

    common_name: str
    organizations: tuple[str, ...] = ()
    issuer: tuple[Any, ...] = ()  # as `ssl` gives it
    uid: str = ""
    not_after: float = math.inf  # seconds since the epoch


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: Query
    headers: MultiMapping[str]  # case-insensitive
    services: "Services"
    read_body: Callable[[], Awaitable[bytes]]
    in_process: bool = False  # there is no connection: the answer must come whole
    raw_target: str = ""  # path and query as they came off the wire, for proxying
    remote: str = ""
    certificate: PeerCertificate | None = None
    info: RequestInfo = _UNRESOLVED
    user: User = ANONYMOUS
    deadline: float | None = None  # of the clock's monotonic time
    warnings: list[str] = field(default_factory=list)
    audit: "Record | None" = None  # None: the request is not audited
    audit_annotations: dict[str, str] = field(default_factory=dict)
    flow: "FlowCounts | None" = None  # what priority and fairness counts it under
    queued_seconds: float = 0.0

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def header_values(self, name: str) -> tuple[str, ...]:
        return tuple(self.headers.getall(name, ()))

    @property
    def user_agent(self) -> str:
        return self.headers.get("User-Agent", "")


class Pieces:
    """A long body, made while it is sent: `length` bytes in all."""

    __slots__ = ("_make", "length")

    def __init__(self, length: int, make: Callable[[], Iterator[bytes]]) -> None:
        self.length, self._make = length, make

    def __iter__(self) -> Iterator[bytes]:
        return self._make()


@dataclass(slots=True)
class Response:
    """A whole answer; `revision`-bearing JSON bodies are the stored bytes. With `pieces`, `body` is not used."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Pieces | None = None
    warnings: tuple[str, ...] = ()  # values of Warning headers: one line each

    def join(self) -> None:
        """Make one body of the pieces, for who needs it whole."""
        if self.pieces is not None:
            self.body, self.pieces = b"".join(self.pieces), None


@dataclass(slots=True)
class StreamingResponse:
    """An answer of unknown length: watch events, logs. The edge closes `chunks` when the client goes away."""

    chunks: AsyncGenerator[bytes, None]
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    on_end: tuple[Callable[[int], None], ...] = ()  # called with the status when nothing more is sent
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class UpgradeResponse:
    """Let `serve` speak on the client's connection: an upgrade, or an answer passed on as it comes from a backend."""

    serve: Callable[["web.BaseRequest"], Awaitable["web.StreamResponse"]]
    on_end: tuple[Callable[[int], None], ...] = ()  # called with the status when the connection is over
    code: int = 101  # of what was answered, known when it was


Answer = Response | StreamingResponse | UpgradeResponse
Handler = Callable[[Request], Coroutine[Any, Any, Answer]]
Object = dict[str, Any]
