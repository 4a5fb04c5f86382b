"""Patterns of schemas, by RE2 as upstream: Go's syntax, and no pattern takes more than linear time."""

from functools import lru_cache
from typing import Any, Protocol

_MOST_MEMORY = 8 << 20


class Pattern(Protocol):
    def search(self, text: str) -> Any: ...


class PatternError(ValueError):
    """Not a regular expression that RE2 takes."""


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Raises PatternError."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    try:
        compiled: Pattern = re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"error parsing regexp: {said}") from error
    return compiled
