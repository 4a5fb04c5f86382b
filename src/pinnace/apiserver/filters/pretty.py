"""`?pretty=true`: JSON with line breaks, for people with curl."""

import orjson

from pinnace.apiserver.request import JSON, Answer, Handler, Request, Response

_WANTED = ("true", "1", "")


async def print_pretty(inner: Handler, request: Request) -> Answer:
    answer = await inner(request)
    if "pretty" not in request.query or request.param("pretty") not in _WANTED:
        return answer
    if isinstance(answer, Response):
        answer.join()
    if isinstance(answer, Response) and answer.content_type == JSON and answer.body:
        answer.body = orjson.dumps(orjson.loads(answer.body), option=orjson.OPT_INDENT_2) + b"\n"
    return answer
