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
STATIONS = ("authentication", "authorization", "queued", "admission", "store")
REQUEST_BYTES = SPAN_BYTES + 100
WRITING = frozenset(("create", "update", "patch", "delete", "deletecollection"))
UNRECORDED = frozenset(("events", "leases"))
EXAMINED_PER_SECOND = 10.0  # writes of which it is found out which plugin changed what
Changes = list[tuple[str, list[str]]]


class RequestSpan(Span):
    """`changes` is what each admission plugin changed, None where nobody looked."""

    tracer: "RequestTracer"
    subresource = source = user = agent = reason = ""
    changes: Changes | None = None
    code = revision = 0
    queued = 0.0
    is_recorded = False
    more: tuple[str, ...] = ()

    def examines(self) -> bool:
        return not self.subresource and self.tracer.examines()

    def changed(self, by: str, fields: list[str]) -> None:
        self.changes = [*(self.changes or ()), (by, fields)]

    def wrote(self, resource: str, namespace: str, name: str, uid: str, revision: int, begun: float) -> None:
        tracer, asked = self.tracer, self.about
        self.store += tracer.now() - begun
        if self.is_recorded:
            tracer.also_wrote(self, revision)
        elif asked[0] == resource and asked[2] in ("", name):
            if not asked[2]:
                self.about = About(resource, namespace, name)
            self.uid, self.revision, self.is_recorded = uid, revision, True
            tracer.record(self, revision)
        else:  # a quota, an address: what has to be there before the object is
            self.more = (*self.more, "/".join(filter(None, (resource, namespace, name))))

    def failed(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        if not self.is_recorded:
            self.is_recorded = True
            self.tracer.record(self)

    def size(self) -> int:
        if self.changes is None:
            return REQUEST_BYTES + len(self.reason)
        changed = sum(200 + sum(60 + len(path) for path in paths) for _, paths in self.changes)
        return REQUEST_BYTES + len(self.reason) + changed

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
        stations = {name: round(getattr(self, name) * 1000, 3) for name in STATIONS}
        facts["milliseconds"] = {name: took for name, took in stations.items() if took}
        if self.changes is not None:
            facts["admissionChanges"] = [{"by": name, "fields": paths} for name, paths in self.changes]
        if self.more:
            facts["alsoWrote"] = list(self.more)
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
        span = RequestSpan(self, PART, verb, About(gvr.qualified, namespace, name), above)
        span.agent = agent
        if subresource:
            span.subresource = subresource
        if source:
            span.source = source
        return span


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
        span.ended = span.tracer.now()
        if span.is_recorded and (above := CURRENT.get()) is not None:
            above.has_children = True
