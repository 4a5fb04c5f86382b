"""DELETE of a collection: every object that the selectors match, each as a delete of its own.

Some are deleted at a time, because deletes that wait together share a commit; the first refusal ends it after those.
"""

import asyncio

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.delete import read_options
from pinnace.apiserver.handlers.options import list_options, scope_of, write_context
from pinnace.apiserver.handlers.render import accepted_form, list_response
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult

AT_ONCE = 64


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row)
    ctx = write_context(request, "DeleteOptions")
    options, dry_run = await read_options(request)
    ctx.dry_run = ctx.dry_run or dry_run
    registry = request.services.registries.of(row.gvr)
    scope = scope_of(request, request.info.namespace, registry.strategy)
    found = await registry.storage.list(list_options(request, scope))
    deleted: list[Item] = []
    for begin in range(0, len(found.items), AT_ONCE):
        some = found.items[begin : begin + AT_ONCE]
        answers = await asyncio.gather(
            *(registry.delete(item.name, item.namespace, options, ctx) for item in some),
            return_exceptions=True,
        )
        for answer in answers:
            if not isinstance(answer, BaseException):
                deleted.append(answer[0])
            elif not isinstance(answer, errors.NotFound):
                raise answer
    return await list_response(request, registry, ListResult(deleted, found.resource_version), accepted)
