"""Requests as spans: who wants what, what admission made of it, and which revision came of it.

Only what changes objects is recorded; events and leases are not, since they would push everything else out of the ring.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar

from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.component.tracing import CURRENT, SPAN_BYTES, About, Remote, Span, Tracer

T = TypeVar("T")
PART = "apiserver"
WRITING = frozenset(("create", "update", "patch", "delete", "deletecollection"))
_UNRECORDED = frozenset(("events", "leases"))
EXAMINED_PER_SECOND = 50.0  # writes of which it is found out which plugin changed what
Changes = list[tuple[str, list[str]]]


def is_recorded(gvr: GVR) -> bool:
    return gvr.resource not in _UNRECORDED


class RequestSpan(Span):
    """`seconds` are times of the stations; `changes` is what each admission plugin changed, None where nobody looked."""

    __slots__ = ("agent", "changes", "code", "is_recorded", "more", "reason", "revision", "seconds", "source", "subresource", "user")  # fmt: skip

    def __init__(
        self, tracer: Tracer, verb: str, about: About, subresource: str, parent: Span | Remote | None, agent: str, source: str = ""
    ) -> None:  # fmt: skip
        super().__init__(tracer, PART, verb, about, parent)
        self.subresource, self.agent, self.source, self.user = subresource, agent, source, ""
        self.seconds: dict[str, float] = {}
        self.changes: Changes | None = None
        self.code = self.revision = 0
        self.reason, self.is_recorded = "", False
        self.more: list[About] | None = None

    def took(self, station: str, seconds: float) -> None:
        self.seconds[station] = self.seconds.get(station, 0.0) + seconds

    def examines(self) -> bool:
        tracer = self._tracer
        return isinstance(tracer, RequestTracer) and tracer.examines()

    def changed(self, by: str, fields: list[str]) -> None:
        self.changes = [*(self.changes or ()), (by, fields)]

    def wrote(self, about: About, uid: str, revision: int, begun: float) -> None:
        now = self._tracer.now()
        self.took("store", now - begun)
        asked = self.about
        if self.is_recorded:
            self._tracer.also_wrote(self, revision)
        elif asked.resource == about.resource and asked.name in ("", about.name):
            self.about, self.uid, self.revision, self.is_recorded = about, uid, revision, True
            self._tracer.record(self, revision)
        else:  # a quota, an address: what has to be there before the object is
            self.more = [*(self.more or ()), about]

    def failed(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        if not self.is_recorded:
            self.is_recorded = True
            self._tracer.record(self)

    def size(self) -> int:
        changed = sum(200 + len(name) + sum(map(len, paths)) for name, paths in self.changes or ())
        return SPAN_BYTES + 500 + changed + len(self.agent) + len(self.reason)

    def told(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"verb": self.name, "user": self.user, "userAgent": self.agent}
        if self.subresource:
            facts["subresource"] = self.subresource
        if self.source:
            facts["sourceIP"] = self.source
        if self.revision:
            facts["revision"] = str(self.revision)
        if self.code:
            facts["code"] = self.code
        if self.reason:
            facts["error"] = self.reason
        facts["milliseconds"] = {name: round(seconds * 1000, 3) for name, seconds in self.seconds.items()}
        if self.changes is not None:
            facts["admissionChanges"] = [{"by": name, "fields": paths} for name, paths in self.changes]
        if self.more:
            facts["alsoWrote"] = ["/".join(filter(None, about)) for about in self.more]
        return facts


class RequestTracer(Tracer):
    """The API server's; parts in its process record with it too."""

    _looks, _looks_at = EXAMINED_PER_SECOND, 0.0

    def examines(self) -> bool:
        """Whether to find out what each plugin changes: costs as much as some writes take, so only of so many in a second."""
        now = self.now()
        self._looks = min(EXAMINED_PER_SECOND, self._looks + (now - self._looks_at) * EXAMINED_PER_SECOND)
        self._looks_at = now
        if self._looks < 1:
            return False
        self._looks -= 1
        return True

    def request(
        self, verb: str, gvr: GVR, namespace: str, name: str, subresource: str, agent: str, *,
        source: str = "", parent: Remote | None = None,
    ) -> RequestSpan:  # fmt: skip
        above: Span | Remote | None = parent if parent is not None else CURRENT.get()
        return RequestSpan(
            self, verb, About(gvr.qualified, namespace, name), subresource, above, agent, source
        )


async def recorded(span: RequestSpan, user: str, work: Awaitable[T]) -> T:
    """A request without a connection."""
    span.user = user
    token = CURRENT.set(span)
    try:
        return await work
    except StatusError as error:
        if error.code != 409:  # the next look at the object comes of itself
            span.failed(error.code, str(error))
        raise
    finally:
        CURRENT.reset(token)
        span.end()
        if span.is_recorded and (above := CURRENT.get()) is not None:
            above.has_children = True
