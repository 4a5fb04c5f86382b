"""Reading and writing JSON: the standard library for small texts, orjson (10 ms to import) where it pays."""

import json
from typing import Any

WORTH_IT = 200_000  # bytes


def loads(payload: bytes) -> Any:
    """Raises ValueError."""
    if len(payload) < WORTH_IT:
        return json.loads(payload)
    import orjson

    return orjson.loads(payload)


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
