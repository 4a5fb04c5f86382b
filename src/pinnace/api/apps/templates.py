"""Hashes that tell pod templates apart, in upstream's alphabet; values do not equal upstream's, which hash Go structures."""

import orjson

from pinnace.api.meta import Object

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_OFFSET, _PRIME, _MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def fnv1a_32(data: bytes) -> int:
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _MASK
    return value


def safe_encode(text: str) -> str:
    """Each character replaced by one that makes no words (no vowels, no 0, 1 or 3)."""
    return "".join(_ALPHABET[ord(char) % len(_ALPHABET)] for char in text)


def template_hash(template: Object, collision_count: int | None = None) -> str:
    """The value of label `pod-template-hash`: equal templates give equal hashes whatever the order of their keys."""
    data = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    if collision_count is not None:
        data += collision_count.to_bytes(8, "little")
    return safe_encode(str(fnv1a_32(data)))
