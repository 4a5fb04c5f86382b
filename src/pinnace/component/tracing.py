"""Spans: what a part did, from when to when, about which object, and because of what. Kept in a ring of so many bytes.

What a task does now is in `CURRENT`; a span that begins meanwhile is its child. What a revision of an object causes later, in whatever task,
is tied to the request that wrote it: `Tracer.writer_of(revision)`. Nothing is written into objects.

A part that records nothing pays one look at `CURRENT` or at an attribute that is None.
"""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, Protocol

from pinnace.component.clock import Clock

MOST_BYTES = 4 * 1024 * 1024
SPAN_BYTES = 700  # of a span with its numbers and its place in ring and index
OPEN = -1.0  # the end of a span that has not ended


class About(NamedTuple):
    """An object: `resource` is qualified by its group, `deployments.apps`; the name is "" where it is not known yet."""

    resource: str
    namespace: str
    name: str


class Remote(NamedTuple):
    """A span that another program has begun: the header `traceparent` of a request."""

    trace: int
    id: int
    is_sampled: bool = True


class Span:
    """`cause` is the revision because of which it began; `facts` is shown as it is.

    What most spans do not have stands in the class: making a span is to cost a microsecond.
    """

    ended = OPEN
    uid = cause = ""
    many: dict[str, str] | None = None  # other objects that it was about, their uids by name
    has_children = False
    is_request = is_examined = False  # the latter: whether to find out what each admission plugin changes
    facts: dict[str, Any] | None = None
    authentication = authorization = admission = store = (
        0.0  # seconds at these stations: what requests want to know
    )

    def __init__(
        self, tracer: "Tracer", part: str, name: str, about: About, parent: "Span | Remote | None"
    ) -> None:
        self.tracer, self.part, self.name, self.about = tracer, part, name, about
        self.begun, self.id = tracer.now(), tracer.next_id()
        if parent is None:
            self.parent, self.trace = 0, tracer.trace_base | self.id
        else:
            self.parent, self.trace = parent.id, parent.trace

    def end(self) -> None:
        self.ended = self.tracer.now()

    def told(self) -> Mapping[str, Any]:
        """The facts, made when somebody reads them."""
        return self.facts or {}

    def size(self) -> int:
        """About how many bytes it keeps."""
        facts = self.facts
        return (
            SPAN_BYTES if facts is None else SPAN_BYTES + sum(120 + len(str(fact)) for fact in facts.values())
        )

    def changed(self, by: str, fields: list[str]) -> None:
        """An admission plugin changed these fields."""

    def wrote(self, gvr: Any, namespace: str, name: str, uid: str, revision: int, begun: float) -> None:
        """Something was stored meanwhile, which took since `begun`."""


CURRENT: ContextVar[Span | None] = ContextVar("pinnace span", default=None)


class Within:
    """What happens inside is the work of a span: a context manager, since a generator would cost several times as much."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token: Token[Span | None] = CURRENT.set(self._span)
        return self._span

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        CURRENT.reset(self._token)
        span = self._span
        if span.ended == OPEN:
            span.end()
        if error is not None:
            span.facts = {**(span.facts or {}), "error": str(error) or type(error).__name__}


_NOTHING: AbstractContextManager[None] = nullcontext()


class Exporter(Protocol):
    """Who sends spans to another program."""

    def follow(self, trace: int) -> None: ...
    def wants(self, span: Span) -> bool: ...
    def offer(self, span: Span) -> None: ...


class Tracer:
    """`recorded` are spans from the oldest on; the ring holds those of the last `most_bytes`."""

    def __init__(self, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        self._clock, self._most = clock, most_bytes
        self.now = clock.monotonic
        self._ring: deque[tuple[Span, int, int]] = deque()  # with its size and the revision that it wrote
        self.writers: dict[int, Span] = {}
        self.bytes = self.dropped = 0
        self.dropped_until = 0.0
        self.since = clock.now()
        first = random.SystemRandom().getrandbits(62)
        self.next_id = itertools.count(first | 1).__next__
        self.trace_base = random.SystemRandom().getrandbits(63) << 64 | 1 << 127
        self.exporter: Exporter | None = None

    @property
    def recorded(self) -> Iterator[Span]:
        return (span for span, _, _ in self._ring)

    def __len__(self) -> int:
        return len(self._ring)

    def begin(
        self, part: str, name: str, about: About, *, parent: Span | Remote | None = None, cause: str = ""
    ) -> Span:
        """A span that is recorded when `record` is called, now or later. Its parent: the one given, else who wrote the revision
        that caused it, else what this task is doing."""
        if parent is None and cause:
            parent = self.writer_of(cause)
        if parent is None:
            parent = CURRENT.get()
        if isinstance(parent, Span):
            parent.has_children = True
        span = Span(self, part, name, about, parent)
        if cause:
            span.cause = cause
        return span

    def record(self, span: Span, revision: int = 0, size: int = 0) -> None:
        """Keep it; it may still be going on. The oldest go where there are too many."""
        size = size or span.size()
        self._ring.append((span, size, revision))
        if revision:
            self.writers[revision] = span
        if self.exporter is not None:
            self.exporter.offer(span)
        self.bytes += size
        while self.bytes > self._most and self._ring:
            old, size, revision = self._ring.popleft()
            self.writers.pop(revision, None)
            self.bytes -= size
            self.dropped += size > 0
            self.dropped_until = old.begun

    def also_wrote(self, span: Span, revision: int, size: int = 0) -> None:
        """A recorded span that stored something more: leaves the ring's account with an entry of its own."""
        self._ring.append((span, size, revision))
        self.bytes += size
        self.writers[revision] = span

    def writer_of(self, revision: str) -> Span | None:
        """The span that stored this resourceVersion, while it is remembered."""
        return self.writers.get(int(revision)) if revision.isdigit() else None

    def offset(self) -> float:
        """What makes of a moment of the monotonic clock seconds since 1970."""
        return self._clock.now().timestamp() - self._clock.monotonic()

    def spans(self) -> list[Span]:
        """Each once, the oldest first."""
        found = list(dict.fromkeys(self.recorded))
        for span in found:
            if span.cause and not span.parent:
                self._find_parent(span)
        return found

    def _find_parent(self, span: Span) -> None:
        """A watch may tell of a revision before the request that wrote it is recorded."""
        writer = self.writer_of(span.cause)
        if writer is not None and writer is not span:
            span.parent, span.trace = writer.id, writer.trace


def step(name: str, **facts: Any) -> AbstractContextManager[object]:
    """A part of what the current span does, about the same object; nothing where nothing is recorded."""
    above = CURRENT.get()
    if above is None:
        return _NOTHING
    span = above.tracer.begin(above.part, name, above.about)
    span.uid, span.facts = above.uid, facts or None
    above.tracer.record(span)
    return Within(span)


def happened(name: str, **facts: Any) -> None:
    """A moment of what the current span does."""
    with step(name, **facts):
        pass


@contextmanager
def slow_step(name: str, at_least: float) -> Iterator[None]:
    """A step that is no news when it took less than so many seconds."""
    above = CURRENT.get()
    begun = above.tracer.now() if above is not None else 0.0
    yield
    if above is not None and above.tracer.now() - begun >= at_least:
        with step(name) as span:
            if isinstance(span, Span):
                span.begun = begun


def note(**facts: Any) -> None:
    """What somebody who asks what the current pass or step did, and why, is told besides."""
    span = CURRENT.get()
    if span is not None and not span.is_request:
        span.facts = {**(span.facts or {}), **facts}


def traceparent(span: Span) -> str:
    """The W3C header that carries a span to another program; its last digit says whether a collector is sent this trace."""
    exporter = span.tracer.exporter
    sampled = exporter is not None and exporter.wants(span)
    return f"00-{span.trace:032x}-{span.id:016x}-{sampled:02d}"


def parse_traceparent(header: str) -> Remote | None:
    """None for what the standard says is to be ignored."""
    parts = header.strip().split("-")
    if (
        len(parts) < 4
        or [len(part) for part in parts[:4]] != [2, 32, 16, 2]
        or (parts[0] == "00" and len(parts) > 4)
    ):
        return None
    try:
        version, trace, span, flags = (int(part, 16) for part in parts[:4])
    except ValueError:
        return None
    if header != header.lower() or version == 0xFF or not trace or not span:
        return None
    return Remote(trace, span, bool(flags & 1))


def related(spans: Iterable[Span], is_seed: Callable[[Span], bool]) -> list[Span]:
    """The seeds, what led to them, and all that followed from them."""
    by_id: dict[int, Span] = {}
    children: dict[int, list[Span]] = {}
    for span in spans:
        by_id[span.id] = span
        children.setdefault(span.parent, []).append(span)
    chosen: dict[int, Span] = {}
    waiting = [span for span in by_id.values() if is_seed(span)]
    for seed in waiting:
        at = by_id.get(seed.parent)
        while at is not None and at.id not in chosen:
            chosen[at.id] = at
            at = by_id.get(at.parent)
    seen: set[int] = set()
    while waiting:
        span = waiting.pop()
        if span.id in seen:
            continue
        seen.add(span.id)
        chosen[span.id] = span
        waiting += children.get(span.id, ())
    return [span for span in by_id.values() if span.id in chosen]
