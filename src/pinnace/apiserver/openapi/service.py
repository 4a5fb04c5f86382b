"""Answers to `/openapi/v2`, `/openapi/v3` and the documents below it: built when asked for, kept compressed."""

import gzip
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.schema import schemas
from pinnace.apimachinery.schema_definitions import Definitions
from pinnace.apiserver.openapi import documents, gnostic
from pinnace.apiserver.openapi.custom import CustomDefinitions

JSON = "application/json"
# Accepted -> answered, the first for wildcards.
_V2_TYPES = {JSON: JSON, gnostic.ACCEPTED: gnostic.CONTENT_TYPE, gnostic.CONTENT_TYPE: gnostic.CONTENT_TYPE}
_V3_TYPES = {JSON: JSON}
_ROOT = "/openapi/v3"
# Level 3 halves the time of the default and gives up a tenth of the size.
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 200 with a body, 301 to `location`, or 304. `headers` are complete but for Content-Length."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class OpenApi:
    """The documents of one list of rows; when rows come or go, build a new one."""

    def __init__(
        self, rows: Iterable[Resource], version: str = "unversioned", definitions: Definitions | None = None,
        custom: CustomDefinitions | None = None,
    ) -> None:  # fmt: skip
        self._rows = tuple(rows)
        self._version = version
        self._definitions = definitions or schemas.definitions
        self._custom = custom
        self._compressed: dict[tuple[str, str], bytes] = {}

    def answer(
        self,
        path: str,
        *,
        accept: str = "",
        accept_encoding: str = "",
        if_none_match: str = "",
        asked_hash: str = "",
    ) -> Answer | None:
        """The answer, or None for a path that is none of ours; raises NotAcceptable. `asked_hash` is `?hash=`."""
        path = path.rstrip("/")
        if path == "/openapi/v2":
            media, fingerprint = _accepted(accept, _V2_TYPES), self._fingerprint(self._rows)
        elif path == _ROOT:
            media, fingerprint = _accepted(accept, _V3_TYPES), self._fingerprint(self._rows)
        elif rows := self._group_version(path.removeprefix(f"{_ROOT}/")):
            media, fingerprint = _accepted(accept, _V3_TYPES), self._fingerprint(rows)
            if asked_hash and asked_hash != fingerprint:
                return Answer(301, {"Location": f"{path}?hash={fingerprint}"})
        else:
            return None
        etag = f'"{fingerprint}"'
        headers = {"Content-Type": media, "ETag": etag, "Vary": "Accept, Accept-Encoding"}
        headers["Cache-Control"] = "public, max-age=31536000" if asked_hash else "no-cache, private"
        if etag in (tag.strip() for tag in if_none_match.split(",")):
            return Answer(304, headers)
        body = self._body(path, media)
        if "gzip" in accept_encoding:
            return Answer(200, {**headers, "Content-Encoding": "gzip"}, body)
        return Answer(200, headers, gzip.decompress(body))

    def _group_version(self, name: str) -> tuple[Resource, ...]:
        """The rows of `api/v1` or `apis/GROUP/VERSION`."""
        return tuple(row for row in self._rows if _place(row) == name)

    def _fingerprint(self, rows: Iterable[Resource]) -> str:
        """What the documents are made of, told without making them."""
        return hashlib.sha512(repr((self._version, tuple(rows))).encode()).hexdigest().upper()

    def _body(self, path: str, media: str) -> bytes:
        key = (path, media)
        if key not in self._compressed:
            self._compressed[key] = gzip.compress(self._build(path, media), _LEVEL, mtime=0)
        return self._compressed[key]

    def _build(self, path: str, media: str) -> bytes:
        encode: Callable[[dict[str, Any]], bytes] = orjson.dumps if media == JSON else gnostic.encode
        if path == "/openapi/v2":
            return encode(documents.v2(self._rows, self._definitions, self._version, self._custom))
        if path == _ROOT:
            return encode(self._index())
        rows = self._group_version(path.removeprefix(f"{_ROOT}/"))
        return encode(documents.v3(rows, self._definitions, self._version, self._custom))

    def _index(self) -> dict[str, Any]:
        places = sorted({_place(row) for row in self._rows})
        return {
            "paths": {
                place: {
                    "serverRelativeURL": f"{_ROOT}/{place}?hash={self._fingerprint(self._group_version(place))}"
                }
                for place in places
            }
        }


def _place(row: Resource) -> str:
    return f"apis/{row.gvr.group}/{row.gvr.version}" if row.gvr.group else f"api/{row.gvr.version}"


def _accepted(accept: str, types: dict[str, str]) -> str:
    """The first type of ours that the client accepts; no header, or a wildcard, means JSON."""
    for clause in accept.split(",") if accept else ["*/*"]:
        media = clause.partition(";")[0].strip()
        if media in ("*/*", "application/*"):
            return JSON
        if media in types:
            return types[media]
    raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(types)}")
