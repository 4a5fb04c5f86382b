"""The way of a request: through the filters, outermost first, to its handler.

The order is upstream's (`DefaultBuildHandlerChain`); each filter is one file under `filters/`.
"""

from functools import partial
from typing import Protocol

from pinnace.apiserver.filters.authentication import authenticate
from pinnace.apiserver.filters.authorization import authorize
from pinnace.apiserver.filters.deadline import enforce_deadline
from pinnace.apiserver.filters.errors import answer_errors
from pinnace.apiserver.filters.impersonation import impersonate
from pinnace.apiserver.filters.in_flight import limit_in_flight
from pinnace.apiserver.filters.metrics import record_metrics
from pinnace.apiserver.filters.pretty import print_pretty
from pinnace.apiserver.filters.request_info import resolve_request_info
from pinnace.apiserver.request import Answer, Handler, Request


class Filter(Protocol):
    async def __call__(self, inner: Handler, request: Request) -> Answer: ...


FILTERS: tuple[Filter, ...] = (
    resolve_request_info,
    record_metrics,
    print_pretty,
    answer_errors,
    enforce_deadline,
    authenticate,
    impersonate,
    limit_in_flight,
    authorize,
)


def filters_for(*, audited: bool, logged: bool = False, traced: bool = False) -> tuple[Filter, ...]:
    """The stations of auditing, of the request log and of tracing are there only where it is on."""
    filters = FILTERS
    if audited:
        from pinnace.apiserver.filters.audit import audit, audit_unauthenticated

        before = filters.index(authenticate)
        filters = (*filters[:before], audit_unauthenticated, authenticate, audit, *filters[before + 1 :])
    if logged:
        from pinnace.apiserver.filters.httplog import log_request

        filters = (filters[0], log_request, *filters[1:])
    if traced:
        from pinnace.apiserver.filters.tracing import trace_request

        filters = (filters[0], trace_request, *filters[1:])
    return filters


def compose(handler: Handler, filters: tuple[Filter, ...] = FILTERS) -> Handler:
    for outer in reversed(filters):
        handler = partial(outer, handler)
    return handler
