"""First station: reads verb, resource and name from the URL."""

from pinnace.apiserver.request import Answer, Handler, Request
from pinnace.apiserver.request_info import resolve


async def resolve_request_info(inner: Handler, request: Request) -> Answer:
    request.info = resolve(request.method, request.path, request.query)
    return await inner(request)
