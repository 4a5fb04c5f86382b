"""Counts and times every request under upstream's metric names; one that lasts (a watch, exec) when it ends."""

from pinnace.apiserver.metrics import Series
from pinnace.apiserver.request import Answer, Handler, Request, Response
from pinnace.component.clock import Clock


async def record_metrics(inner: Handler, request: Request) -> Answer:
    clock = request.services.clock
    series = request.services.metrics.series_of(request)
    begun = clock.monotonic()
    series.running += 1
    try:
        answer = await inner(request)
    except BaseException:  # cancelled: errors have become answers further in
        series.running -= 1
        series.aborted += 1
        raise
    if not isinstance(answer, Response):
        answer.on_end = (*answer.on_end, _Lasting(series, clock, begun))
        return answer
    series.running -= 1
    seconds = clock.monotonic() - begun
    series.finished(
        answer.status, seconds, len(answer.body) if answer.pieces is None else answer.pieces.length
    )
    flow = request.flow
    if flow is not None:
        flow.executed.observe(seconds - request.queued_seconds)
        if request.queued_seconds:
            series.was_queued(seconds, request.queued_seconds)
    return answer


class _Lasting:
    """A stream that is open; called when it has ended."""

    __slots__ = ("_begun", "_clock", "_series")

    def __init__(self, series: Series, clock: Clock, begun: float) -> None:
        self._series, self._clock, self._begun = series, clock, begun

    def __call__(self, code: int) -> None:
        self._series.running -= 1
        self._series.finished(code, self._clock.monotonic() - self._begun)
