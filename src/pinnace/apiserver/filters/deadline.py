"""Gives every short request a deadline: `?timeout=` or the server's default of 60 seconds."""

import re
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from types import coroutine
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apiserver.request import Answer, Handler, Request

DEFAULT_SECONDS = 60.0
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONG_RUNNING = frozenset(("attach", "exec", "log", "portforward", "proxy"))


def is_long_running(request: Request) -> bool:
    return request.info.verb == "watch" or request.info.subresource in _LONG_RUNNING


async def enforce_deadline(inner: Handler, request: Request) -> Answer:
    if is_long_running(request):
        return await inner(request)
    clock = request.services.clock
    seconds = min(parse_duration(request.param("timeout")) or DEFAULT_SECONDS, DEFAULT_SECONDS)
    request.deadline = clock.monotonic() + seconds
    work = inner(request)
    try:
        awaited = work.send(None)
    except StopIteration as done:  # most reads never wait: they need no timer
        answer: Answer = done.value
        return answer
    try:
        return await clock.wait_for(_rest(work, awaited), seconds)
    except TimeoutError:
        request.services.metrics.terminated(request, 504)
        raise errors.Timeout("request did not complete within the allotted timeout") from None


@coroutine
def _rest(work: Coroutine[Any, Any, Answer], awaited: Any) -> Generator[Any, Any, Answer]:
    """Go on with a coroutine that has been started and waits for `awaited`."""
    while True:
        try:
            sent = yield awaited
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # a cancellation on its way in
            awaited = _step(work.throw, error)
        else:
            awaited = _step(work.send, sent)
        if isinstance(awaited, _Done):
            return awaited.answer


@dataclass(slots=True)
class _Done:
    answer: Answer


def _step(proceed: Callable[[Any], Any], value: Any) -> Any:
    try:
        return proceed(value)
    except StopIteration as done:
        return _Done(done.value)


def parse_duration(text: str) -> float:
    """A Go duration (`1m30s`) in seconds; "" and "0" give 0."""
    if text in ("", "0"):
        return 0.0
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise errors.BadRequest(f'invalid timeout specified in the request URL - "{text}": invalid duration')
    return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _PART.findall(text))
