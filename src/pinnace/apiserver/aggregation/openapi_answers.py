"""Answers for `/openapi/v2` and `/openapi/v3` while extension servers are there: our document, and theirs in it."""

import asyncio
import gzip
import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.apiserver.aggregation.openapi import with_places
from pinnace.apiserver.openapi import gnostic

if TYPE_CHECKING:
    from pinnace.apiserver.aggregation.aggregator import Aggregator
    from pinnace.apiserver.openapi import OpenApi
    from pinnace.apiserver.openapi.service import Answer

V2, V3 = "/openapi/v2", "/openapi/v3"


async def merged(
    aggregator: "Aggregator",
    own: "OpenApi",
    path: str,
    *,
    accept: str,
    accept_encoding: str,
    if_none_match: str,
) -> "Answer | None":
    """None for any other path, and while there is nothing to merge."""
    from pinnace.apiserver.openapi.service import Answer

    path = path.rstrip("/")
    if path not in (V2, V3) or not aggregator.has_available:
        return None
    first = await asyncio.to_thread(own.answer, path, accept=accept)
    plain = await asyncio.to_thread(own.answer, path)
    if first is None or plain is None:
        return first
    document: dict[str, Any] = orjson.loads(plain.body)
    if path == V3:
        document = with_places(document, await aggregator.openapi_places())
    else:
        document = await aggregator.openapi_v2(document)
    media = first.headers["Content-Type"]
    encode = gnostic.encode if media == gnostic.CONTENT_TYPE else orjson.dumps
    body: bytes = await asyncio.to_thread(encode, document)
    headers = {**first.headers, "ETag": f'"{hashlib.sha512(body).hexdigest().upper()}"'}
    if headers["ETag"] in (tag.strip() for tag in if_none_match.split(",")):
        return Answer(304, headers)
    if "gzip" in accept_encoding:
        packed = await asyncio.to_thread(gzip.compress, body, 3)
        return Answer(200, {**headers, "Content-Encoding": "gzip"}, packed)
    return Answer(200, headers, body)
