"""Requests as spans: who wants what, what admission made of it, and which revision came of it.

Only what changes objects is recorded; events and leases are not, since they would push everything else out of the ring.
"""

from collections.abc import Awaitable
from typing import Any, NamedTuple, TypeVar

from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.storage.item import Item
from pinnace.component.tracing import CURRENT, SPAN_BYTES, About, Remote, Span, Tracer

T = TypeVar("T")
PART = "apiserver"
STATIONS = ("authentication", "authorization", "queued", "admission", "store")
REQUEST_BYTES = SPAN_BYTES + 100
ONE_OF_MANY_BYTES = 300
WRITING = frozenset(("create", "update", "patch", "delete", "deletecollection"))
UNRECORDED = frozenset(("events", "leases"))
# Of one write in so many seconds, or of so many after a pause, it is found out which admission plugin changed what.
LOOK_SECONDS, LOOKS_AT_ONCE = 1.0, 10
Changes = list[tuple[str, list[str]]]


class RequestSpan(Span):
    """`changes` is what each admission plugin changed, None where nobody looked. One is made for every write, so it is made in one step."""

    tracer: "RequestTracer"
    part = PART
    is_request, is_examined = True, False
    source = reason = ""
    changes: Changes | None = None
    code = revision = 0
    queued = 0.0
    is_recorded = False
    more: tuple[str, ...] = ()
    many: dict[str, str] | None = None  # of a request for a collection: the uids by name

    def __init__(
        self, tracer: "RequestTracer", verb: str, gvr: GVR, namespace: str, name: str, subresource: str, user: str, agent: str,
        above: Span | Remote | None, begun: float,
    ) -> None:  # fmt: skip
        self.tracer, self.name, self.subresource, self.user, self.agent = (
            tracer,
            verb,
            subresource,
            user,
            agent,
        )
        self.gvr, self.namespace, self.object = gvr, namespace, name
        self.begun, self.id = begun, tracer.next_id()
        if above is None:
            self.parent, self.trace = 0, tracer.trace_base | self.id
        else:
            self.parent, self.trace = above.id, above.trace

    @property
    def about(self) -> About:  # type: ignore[override]
        return About(self.gvr.qualified, self.namespace, self.object)

    def changed(self, by: str, fields: list[str]) -> None:
        self.changes = [*(self.changes or ()), (by, fields)]

    def wrote(self, gvr: GVR, namespace: str, name: str, uid: str, revision: int, begun: float) -> None:
        tracer = self.tracer
        self.store += tracer.now() - begun
        if self.name == "deletecollection" and gvr.resource == self.gvr.resource:
            self._wrote_one_of_many(name, uid, revision)
        elif self.is_recorded:
            tracer.also_wrote(self, revision)
        elif gvr.resource == self.gvr.resource and self.object in ("", name):
            self.object, self.uid, self.revision, self.is_recorded = name, uid, revision, True
            tracer.record(self, revision, REQUEST_BYTES if self.changes is None else self.size())
        else:  # a quota, an address: what has to be there before the object is
            self.more = (*self.more, "/".join(filter(None, (gvr.qualified, namespace, name))))

    def _wrote_one_of_many(self, name: str, uid: str, revision: int) -> None:
        if self.many is None:
            self.many, self.revision, self.is_recorded = {}, revision, True
            self.tracer.record(self, revision, REQUEST_BYTES)
        else:
            self.tracer.also_wrote(self, revision, ONE_OF_MANY_BYTES)
        self.many[name] = uid

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
        if self.many:
            facts["objects"] = len(self.many)
        if self.more:
            facts["alsoWrote"] = list(self.more)
        return facts


class RequestTracer(Tracer):
    """The API server's; parts in its process record with it too."""

    next_look = 0.0  # when the next request may be examined

    def examines(self, now: float) -> bool:
        """Whether to find out what each plugin changes: that costs as much as some writes take."""
        due = max(self.next_look, now - LOOKS_AT_ONCE * LOOK_SECONDS)
        if due > now:
            return False
        self.next_look = due + LOOK_SECONDS
        return True


class LocalRequest(NamedTuple):
    """A write by a part in this process."""

    tracer: RequestTracer
    verb: str
    gvr: GVR
    namespace: str
    name: str
    subresource: str
    user: str
    agent: str

    def span(self, begun: float) -> RequestSpan:
        return RequestSpan(*self, CURRENT.get(), begun)

    async def recorded(self, work: Awaitable[T]) -> T:
        """With the times of all stations, and everything that is stored."""
        span = self.span(self.tracer.now())
        span.is_examined = not self.subresource
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


class NotedSpan(RequestSpan):
    """The short way, for what happens thousands of times: only the revision, and how long all took."""

    is_recorded = True

    def __init__(
        self, tracer: RequestTracer, verb: str, gvr: GVR, namespace: str, item: Item, subresource: str, user: str, agent: str,
        begun: float,
    ) -> None:  # fmt: skip
        self.tracer, self.name, self.gvr, self.namespace = tracer, verb, gvr, namespace
        self.subresource, self.user, self.agent = subresource, user, agent
        self.object, self.revision = item.name, item.revision
        self.begun, self.ended = begun, tracer.now()
        if (held := item.held) is not None:
            self.uid = held["metadata"].get("uid", "")
        number = self.id = tracer.next_id()
        above = CURRENT.get()
        if above is None:
            self.parent, self.trace = 0, tracer.trace_base | number
        else:
            self.parent, self.trace, above.has_children = above.id, above.trace, True


async def noted(
    tracer: RequestTracer, verb: str, gvr: GVR, namespace: str, name: str, subresource: str, user: str, agent: str,
    work: Awaitable[Item], newest: int,
) -> Item:  # fmt: skip
    """Nothing was written where the revision is not newer than `newest`, that of the cache before."""
    begun = tracer.now()
    try:
        item = await work
    except StatusError as error:
        if error.code != 409:
            span = LocalRequest(tracer, verb, gvr, namespace, name, subresource, user, agent).span(begun)
            span.failed(error.code, str(error))
            span.end()
        raise
    revision = item.revision
    if revision > newest and revision not in tracer.writers:
        made = NotedSpan(tracer, verb, gvr, namespace, item, subresource, user, agent, begun)
        tracer.record(made, revision, REQUEST_BYTES)
    return item
