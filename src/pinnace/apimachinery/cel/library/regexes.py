"""Regular expressions, by RE2 as upstream: no pattern takes more than linear time."""

from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row

_MOST_MEMORY = 8 << 20


def compile_pattern(pattern: str) -> Any:
    """Raises EvaluationError for a pattern that RE2 refuses."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise EvaluationError(f"error parsing regexp: {text}") from None


def matches(text: str, pattern: str) -> bool:
    return compile_pattern(pattern).search(text) is not None


def find(text: str, pattern: str) -> str:
    found = compile_pattern(pattern).search(text)
    return found[0] if found else ""


def find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found: list[str] = []
    if count == 0:
        return found
    for match in compile_pattern(pattern).finditer(text):
        found.append(match[0])
        if len(found) == count:
            break
    return found


ROWS: tuple[Row, ...] = (
    ("matches", "matches", "(string, string) -> bool", matches),
    ("matches", "matches_string", "string.(string) -> bool", matches),
    ("find", "string_find_string", "string.(string) -> string", find),
    ("findAll", "string_find_all_string", "string.(string) -> list(string)", find_all),
    ("findAll", "string_find_all_string_int", "string.(string, int) -> list(string)", find_all),
)
