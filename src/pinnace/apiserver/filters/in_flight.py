"""Backpressure: at most so many reading and so many changing requests at once; the rest is told to come back (429)."""

from dataclasses import dataclass

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import MASTERS
from pinnace.apiserver.filters.deadline import is_long_running
from pinnace.apiserver.request import Answer, Handler, Request

_READING = frozenset(("get", "list", "watch"))


@dataclass(slots=True)
class InFlight:
    """Counters and limits, upstream's defaults (`--max-requests-inflight`, `--max-mutating-requests-inflight`)."""

    reading_limit: int = 400
    mutating_limit: int = 200
    reading: int = 0
    mutating: int = 0


async def limit_in_flight(inner: Handler, request: Request) -> Answer:
    if is_long_running(request) or MASTERS in request.user.groups:
        return await inner(request)
    limits = request.services.in_flight
    if request.info.verb in _READING:
        if limits.reading >= limits.reading_limit:
            raise _too_many()
        limits.reading += 1
        try:
            return await inner(request)
        finally:
            limits.reading -= 1
    if limits.mutating >= limits.mutating_limit:
        raise _too_many()
    limits.mutating += 1
    try:
        return await inner(request)
    finally:
        limits.mutating -= 1


def _too_many() -> errors.TooManyRequests:
    return errors.TooManyRequests("Too many requests, please try again later.", retry_after_seconds=1)
