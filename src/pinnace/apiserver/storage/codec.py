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
_NEVER_STORED = frozenset(("resourceVersion", "selfLink"))
_HEAD = frozenset(("kind", "apiVersion", "metadata"))


def encode(obj: Mapping[str, Any]) -> bytes:
    """The bytes to store; `obj` is not changed. It must have a name."""
    metadata = {field: value for field, value in obj["metadata"].items() if field not in _NEVER_STORED}
    head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    return orjson.dumps({**head, **{field: value for field, value in obj.items() if field not in _HEAD}})


def stamped(obj: Mapping[str, Any], revision: int) -> dict[str, Any]:
    """An object that was encoded, as it reads when it is served under this version: the values are shared."""
    metadata = {field: value for field, value in obj["metadata"].items() if field not in _NEVER_STORED}
    served = {
        "kind": obj["kind"],
        "apiVersion": obj["apiVersion"],
        "metadata": {"resourceVersion": str(revision), **metadata},
    }
    return {**served, **{field: value for field, value in obj.items() if field not in _HEAD}}


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
    """An object that is not stored (a bookmark), as it is."""
    return orjson.dumps(obj)
