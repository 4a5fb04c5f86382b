"""Counts and times every request under upstream's metric names."""

from pinnace.apiserver.filters.deadline import is_long_running
from pinnace.apiserver.request import Answer, Handler, Request, UpgradeResponse


async def record_metrics(inner: Handler, request: Request) -> Answer:
    clock, metrics = request.services.clock, request.services.metrics
    begun = clock.monotonic()
    answer = await inner(request)
    code = 101 if isinstance(answer, UpgradeResponse) else answer.status
    metrics.count(request.info, code)
    if not is_long_running(request):
        metrics.observe(request.info, clock.monotonic() - begun)
    return answer
