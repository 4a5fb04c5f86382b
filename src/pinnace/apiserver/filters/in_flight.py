"""Backpressure: with priority and fairness every request runs within the seats of its priority level (`flowcontrol`).

Without (`--enable-priority-and-fairness=false`): at most so many reading and so many changing requests at once; the rest
is told to come back (429).
"""

from dataclasses import dataclass

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import MASTERS
from pinnace.apiserver.filters.deadline import is_long_running
from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher
from pinnace.apiserver.flowcontrol.width import seats_of
from pinnace.apiserver.request import Answer, Handler, Request, UpgradeResponse

_READING = frozenset(("get", "list", "watch"))


@dataclass(slots=True)
class InFlight:
    """Counters and limits, upstream's defaults (`--max-requests-inflight`, `--max-mutating-requests-inflight`)."""

    reading_limit: int = 400
    mutating_limit: int = 200
    reading: int = 0
    mutating: int = 0


async def limit_in_flight(inner: Handler, request: Request) -> Answer:
    fairness = request.services.fairness
    if fairness is not None:
        return await _run_fairly(inner, request, fairness)
    if is_long_running(request) or MASTERS in request.user.groups:
        return await inner(request)
    limits = request.services.in_flight
    if request.info.verb in _READING:
        if limits.reading >= limits.reading_limit:
            request.services.metrics.terminated(request, 429)
            raise _too_many()
        limits.reading += 1
        try:
            return await inner(request)
        finally:
            limits.reading -= 1
    if limits.mutating >= limits.mutating_limit:
        request.services.metrics.terminated(request, 429)
        raise _too_many()
    limits.mutating += 1
    try:
        return await inner(request)
    finally:
        limits.mutating -= 1


async def _run_fairly(inner: Handler, request: Request, fairness: Dispatcher) -> Answer:
    """A watch holds its seat until it is open; streams of other kinds (exec, log, proxy) take none, as upstream."""
    if request.info.subresource and is_long_running(request):
        return await inner(request)
    found = fairness.classify(request.user, request.info)
    counts = request.flow = found.counts
    if found.level.exempt:
        counts.dispatched += 1
        counts.executing += 1
        try:
            answer = await inner(request)
        finally:
            counts.executing -= 1
    else:
        try:
            seat = await fairness.enter(found, seats_of(request))
        except errors.TooManyRequests:
            request.flow = None  # it was not executed
            request.services.metrics.terminated(request, 429)
            raise
        request.queued_seconds = seat.waited_seconds
        try:
            answer = await inner(request)
        finally:
            fairness.leave(seat)
    if not isinstance(answer, UpgradeResponse):
        answer.headers["X-Kubernetes-PF-FlowSchema-UID"] = found.schema.uid
        answer.headers["X-Kubernetes-PF-PriorityLevel-UID"] = found.level.uid
    return answer


def _too_many() -> errors.TooManyRequests:
    return errors.TooManyRequests("Too many requests, please try again later.", retry_after_seconds=1)
