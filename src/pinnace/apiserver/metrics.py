"""What the API server counts of its requests, under upstream's names; `metrics_families` gives names and help at a scrape.

On the request path counting is one dict look-up per request and a few additions. What other parts count stays with them:
`sources` are asked at each scrape only.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pinnace.component.metrics import Histogram, Source, exponential

if TYPE_CHECKING:
    from pinnace.apiserver.request import Request
    from pinnace.apiserver.request_info import RequestInfo

DURATIONS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)  # fmt: skip
SLI_FROM = 2  # apiserver_request_sli_duration_seconds has the same bounds without the first two
RESPONSE_SIZES = exponential(1000, 10, 7)
BODY_SIZES = tuple(float(50_000 + 100_000 * step) for step in range(31))
EVENT_SIZES = exponential(1024, 2, 8)
AUTH_DURATIONS = exponential(0.001, 2, 15)
CERTIFICATES = (0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000)  # fmt: skip

_METHODS = {"create": "POST", "update": "PUT"}
_CONNECTIONS = frozenset(("attach", "exec", "portforward", "proxy"))
_READING = frozenset(("GET", "LIST", "WATCH"))
_PATHS = frozenset(("healthz", "livez", "metrics", "readyz"))
_APPLY = "application/apply-patch"


class Series:
    """The requests that share these labels: verb, group, version, resource, subresource, scope."""

    __slots__ = (
        "aborted", "codes", "deprecated", "dry_run", "durations", "is_long_running", "is_reading", "labels", "running", "sizes",
        "waited", "waited_seconds",
    )  # fmt: skip

    def __init__(
        self, labels: tuple[str, ...], dry_run: str = "", *, is_long_running: bool = False, deprecated: bool = False
    ) -> None:  # fmt: skip
        self.labels, self.dry_run, self.is_long_running = labels, dry_run, is_long_running
        self.is_reading, self.deprecated = labels[0] in _READING, deprecated
        self.codes: dict[int, int] = {}
        self.durations = Histogram(DURATIONS)
        self.sizes = Histogram(RESPONSE_SIZES) if labels[0] in ("GET", "LIST") else None
        self.running = self.aborted = 0
        # How the distribution without time in queues differs from `durations`, per bound.
        self.waited: list[int] | None = None
        self.waited_seconds = 0.0

    def finished(self, code: int, seconds: float, size: int = 0) -> None:
        codes = self.codes
        codes[code] = codes.get(code, 0) + 1
        self.durations.observe(seconds)
        if self.sizes is not None:
            self.sizes.observe(size)

    def was_queued(self, seconds: float, waited: float) -> None:
        """A finished request spent this part of its time in a queue."""
        if self.waited is None:
            self.waited = [0] * (len(DURATIONS) + 1)
        before, after = Histogram(DURATIONS), Histogram(DURATIONS)
        before.observe(seconds)
        after.observe(seconds - waited)
        self.waited = [m + a - b for m, a, b in zip(self.waited, after.counts, before.counts, strict=True)]
        self.waited_seconds += waited


class WatchEvents:
    """Events sent to the clients of one resource."""

    __slots__ = ("sizes",)

    def __init__(self) -> None:
        self.sizes = Histogram(EVENT_SIZES)

    def sent(self, messages: list[bytes]) -> None:
        observe = self.sizes.observe
        for message in messages:
            observe(len(message))


class Metrics:
    def __init__(self) -> None:
        self._series: dict[tuple[object, ...], Series] = {}  # several keys may lead to one series
        self._by_labels: dict[tuple[tuple[str, ...], str], Series] = {}
        self.sources: list[Source] = []  # asked at each scrape, so that they cost nothing between
        self.parts: dict[
            str, Source
        ] = {}  # of other parts in this process; one that starts anew replaces itself
        self.terminations: Counter[tuple[tuple[str, ...], int]] = Counter()
        self.bodies: dict[tuple[str, str, str], Histogram] = {}
        self.watch_events: dict[tuple[str, str, str], WatchEvents] = {}
        self.authentication = {
            result: Histogram(AUTH_DURATIONS) for result in ("success", "failure", "error")
        }
        self.authorization = {result: Histogram(AUTH_DURATIONS) for result in ("allowed", "denied", "no-opinion", "error")}  # fmt: skip
        self.users: dict[str, int] = {}
        self.certificates = Histogram(CERTIFICATES)
        self.wall_offset = 0.0  # of the wall clock from the monotonic one, as of the newest scrape

    @property
    def series(self) -> list[Series]:
        return list(self._by_labels.values())

    def series_of(self, request: "Request") -> Series:
        info, query = request.info, request.query
        verb = info.verb
        if verb == "patch" and request.headers.get("Content-Type", "").startswith(_APPLY):
            verb = "apply"
        dry_run = "All" if query and "dryRun" in query else ""
        key = (
            verb, info.group, info.version, info.resource, info.subresource, info.name_in_path, info.namespace == "", dry_run,
            info.is_resource or info.path,
        )  # fmt: skip
        found = self._series.get(key)
        return found if found is not None else self._make(key, request, verb, dry_run)

    def _make(self, key: tuple[object, ...], request: "Request", verb: str, dry_run: str) -> Series:
        """What names nothing that is served shares one series per verb: made-up paths must not fill the memory."""
        info = request.info
        if not info.is_resource:
            first, _, rest = info.path.strip("/").partition("/")
            known = f"/{info.path.strip('/')}" if first in _PATHS and not rest else ""
            return self._unique(Series((info.verb.upper(), "", "", "", known, "")))
        row = request.services.registries.row(info.gvr)
        sub = info.subresource
        if row is None or (sub and row.subresource(sub) is None):
            return self._unique(Series((_verb(verb, ""), "", "", "", "", "")))
        labels = (_verb(verb, sub), info.group, info.version, info.resource, sub, _scope(info))
        is_long = verb == "watch" or sub == "log" or sub in _CONNECTIONS
        made = Series(labels, dry_run, is_long_running=is_long, deprecated=bool(row.deprecation))
        self._series[key] = made = self._unique(made)
        return made

    def _unique(self, made: Series) -> Series:
        return self._by_labels.setdefault((made.labels, made.dry_run), made)

    def terminated(self, request: "Request", code: int) -> None:
        """The server gave this request up to protect itself: it took too long, or there were too many."""
        self.terminations[self.series_of(request).labels, code] += 1

    def body_read(self, info: "RequestInfo", size: int) -> None:
        key = info.group, info.resource, info.verb
        histogram = self.bodies.get(key)
        if histogram is None:
            histogram = self.bodies[key] = Histogram(BODY_SIZES)
        histogram.observe(size)

    def events_of(self, group: str, version: str, resource: str) -> WatchEvents:
        return self.watch_events.setdefault((group, version, resource), WatchEvents())

    def authenticated(self, username: str) -> None:
        name = _compressed(username)
        self.users[name] = self.users.get(name, 0) + 1

    def exposition(self, media: str, *, constant: Mapping[str, str]) -> bytes:
        """`constant` are the labels of kubernetes_build_info."""
        from pinnace.apiserver.metrics_families import families
        from pinnace.component.metrics import render

        return render(families(self, constant), media)


def _verb(verb: str, subresource: str) -> str:
    if subresource in _CONNECTIONS:
        return "CONNECT"
    return _METHODS.get(verb, verb.upper())


def _scope(info: "RequestInfo") -> str:
    if info.name_in_path or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"


def _compressed(username: str) -> str:
    """As upstream, so that users do not multiply the series."""
    if username in ("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"):
        return username
    return "email_id" if "@" in username else "other"
