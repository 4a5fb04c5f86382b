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
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are not UTF-8: shown as Go's encoder does
        return text.encode("utf-8", "surrogateescape").decode(errors="replace").encode()
