"""Continue tokens: where the next page of a list starts, and at which revision, as upstream encodes them.

https://github.com/kubernetes/apiserver/blob/master/pkg/storage/continue.go
"""

import base64
import binascii
import re
from typing import NamedTuple

import orjson

from pinnace.apimachinery.errors import BadRequest, Expired

_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_VERSION = "meta.k8s.io/v1"
ANY_REVISION = -1  # go on with what is there now: an inconsistent list, which the client chose

LIST_EXPIRED = "The resourceVersion for the provided list is too old."
CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class Continuation(NamedTuple):
    """`start` is relative to the storage prefix and is the first key that may come."""

    revision: int
    start: str

    def encode(self) -> str:
        token = orjson.dumps({"v": _VERSION, "rv": self.revision, "start": self.start})
        return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def decode(token: str) -> Continuation:
    """Raises BadRequest."""
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        good = _BASE64.match(token)
        place = good.end() if good else 0
        why = f"illegal base64 data at input byte {place if place < len(token) else len(token) // 4 * 4}"
        raise BadRequest(f"continue key is not valid: {why}") from None
    try:
        fields = orjson.loads(text)
        version, revision, start = fields["v"], fields["rv"], fields["start"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(f"continue key is not valid: {error}") from error
    if version != _VERSION:
        raise BadRequest(
            f'continue key is not valid: server does not recognize this encoded version "{version}"'
        )
    if not isinstance(revision, int) or not revision:
        raise BadRequest(
            "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
        )
    if not isinstance(start, str) or not start:
        raise BadRequest("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")
    if ".." in start.split("/"):
        raise BadRequest(f"continue key is not valid: {start}")
    return Continuation(revision, start)


def expired(continuation: Continuation | None) -> Expired:
    """410 for an exact revision that was compacted; for a page, with a token that goes on inconsistently."""
    if continuation is None:
        return Expired(LIST_EXPIRED)
    token = Continuation(ANY_REVISION, continuation.start).encode()
    return Expired(CONTINUE_EXPIRED, metadata={"continue": token})
