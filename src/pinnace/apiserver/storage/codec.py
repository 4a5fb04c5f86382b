"""Objects as bytes: encoded once; GET, LIST and WATCH send the stored bytes with the resource version spliced in.

The store keeps an object without its resourceVersion, which is not known before the write. The layout is fixed: `kind`
and `apiVersion` first, then `metadata`; so the first `"metadata":{` is the object's own (a quote inside a string is
escaped), and the version is put right behind it.
"""

from collections.abc import Mapping
from typing import Any

import orjson

_METADATA = b'"metadata":{'
_VERSION = b'"metadata":{"resourceVersion":"'
_NEVER_STORED = ("resourceVersion", "selfLink")


def laid_out(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it is stored, new on its first two levels; the values are shared. It must have a name."""
    metadata = dict(obj["metadata"])
    for field in _NEVER_STORED:
        metadata.pop(field, None)
    stored = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    stored.update(obj)
    stored["metadata"] = metadata
    return stored


def stamped(stored: dict[str, Any], revision: int) -> dict[str, Any]:
    """What was `laid_out`, and belongs to nobody else, as it reads when it is served under this version; changed in place."""
    stored["metadata"] = {"resourceVersion": str(revision), **stored["metadata"]}
    return stored


def restamped(obj: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """Any object as it reads when it is served under this version: new on its first two levels, the values are shared."""
    return stamped(laid_out(obj), revision)


def stamp(stored: bytes, revision: int) -> bytes:
    """Stored bytes -> served bytes."""
    before, _, after = stored.partition(_METADATA)
    return b'%b"metadata":{"resourceVersion":"%d",%b' % (before, revision, after)


def unstamp(raw: bytes) -> bytes:
    """Served bytes -> stored bytes."""
    before, _, rest = raw.partition(_VERSION)
    return b"%b%b%b" % (before, _METADATA, rest[rest.index(b'"') + 2 :])


def restamp(raw: bytes, revision: int) -> bytes:
    """Served bytes with another resource version."""
    return stamp(unstamp(raw), revision)


def decode(raw: bytes) -> dict[str, Any]:
    return orjson.loads(raw)


def dumps(obj: Mapping[str, Any]) -> bytes:
    """What was laid out for the store, or is not stored (a bookmark), as it is."""
    return orjson.dumps(obj)
