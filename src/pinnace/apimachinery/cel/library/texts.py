"""Strings: CEL's own functions and its strings extension."""

from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.library.formatting import format_string

_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_QUOTED = str.maketrans(
    {
        "\\": "\\\\",
        '"': '\\"',
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
    }
)
_LONGEST = 64 * 1024 * 1024  # characters that a single call may make


def char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise EvaluationError(f"index out of range: {at}")
    return text[at : at + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text) and not (start == 0 or part == ""):
        raise EvaluationError(f"index out of range: {start}")
    if start < 0 or (start >= len(text) > 0 and part != ""):
        raise EvaluationError(f"index out of range: {start}")
    return start if part == "" else text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return len(text) if part == "" else text.rfind(part)
    if not 0 <= start < max(len(text), 1):
        raise EvaluationError(f"index out of range: {start}")
    return start if part == "" else text.rfind(part, 0, start + len(part))


def join(texts: list[str], separator: str = "") -> str:
    if not all(type(text) is str for text in texts):
        raise EvaluationError("no such overload")
    return separator.join(texts)


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    found = text.count(old) if count < 0 else min(count, text.count(old))
    if len(text) + found * (len(new) - len(old)) > _LONGEST:
        raise EvaluationError("the result of replace() is too long")
    return text.replace(old, new, count)


def split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if separator == "":
        if count < 0 or count >= len(text):
            return list(text)
        return [*text[: count - 1], text[count - 1 :]]
    return text.split(separator, count - 1 if count > 0 else -1)


def substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise EvaluationError(f"index out of range: {start}")
        return text[start:]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    if not 0 <= end <= len(text):
        raise EvaluationError(f"index out of range: {end}")
    return text[start:end]


def quote(text: str) -> str:
    return f'"{text.translate(_QUOTED)}"'


def _format(template: str, values: list[Any]) -> str:
    return format_string(template, values)


ROWS: tuple[Row, ...] = (
    ("contains", "contains_string", "string.(string) -> bool", str.__contains__),
    ("startsWith", "starts_with_string", "string.(string) -> bool", str.startswith),
    ("endsWith", "ends_with_string", "string.(string) -> bool", str.endswith),
    ("charAt", "string_char_at_int", "string.(int) -> string", char_at),
    ("indexOf", "string_index_of_string", "string.(string) -> int", index_of),
    ("indexOf", "string_index_of_string_int", "string.(string, int) -> int", index_of),
    ("lastIndexOf", "string_last_index_of_string", "string.(string) -> int", last_index_of),
    ("lastIndexOf", "string_last_index_of_string_int", "string.(string, int) -> int", last_index_of),
    ("join", "list_join", "list(string).() -> string", join),
    ("join", "list_join_string", "list(string).(string) -> string", join),
    ("lowerAscii", "string_lower_ascii", "string.() -> string", lambda text: text.translate(_LOWER)),
    ("upperAscii", "string_upper_ascii", "string.() -> string", lambda text: text.translate(_UPPER)),
    ("replace", "string_replace_string_string", "string.(string, string) -> string", replace),
    ("replace", "string_replace_string_string_int", "string.(string, string, int) -> string", replace),
    ("split", "string_split_string", "string.(string) -> list(string)", split),
    ("split", "string_split_string_int", "string.(string, int) -> list(string)", split),
    ("substring", "string_substring_int", "string.(int) -> string", substring),
    ("substring", "string_substring_int_int", "string.(int, int) -> string", substring),
    ("trim", "string_trim", "string.() -> string", lambda text: text.strip(_SPACE)),
    ("format", "string_format", "string.(list(dyn)) -> string", _format),
    ("strings.quote", "strings_quote", "(string) -> string", quote),
)
