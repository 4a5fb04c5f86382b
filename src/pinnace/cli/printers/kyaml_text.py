"""KYAML: YAML with braces and quotes everywhere, so that nothing is guessed and no indentation counts.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/5295-kyaml; keys come sorted, each document begins with `---`.
"""

import json
import re
from typing import Any

_GUESSED = frozenset(["null", "~", "true", "false", "y", "yes", "on", "n", "no", "off", "t", "f", "0", "1",
                      ".inf", "-.inf", "+.inf", ".nan", "inf", "infinity", "nan"])  # fmt: skip
_NUMBER = re.compile(r"[-+]?(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?)")
_BASE60 = re.compile(r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d)?)?")
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\0": "\\0", "\x1b": "\\e",
            "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P", '"': '\\"', "\\": "\\\\"}  # fmt: skip
_FOLD = "\\\n"
STEP = "  "


def dump(value: Any) -> str:
    return f"---\n{_node(value, 0)}\n"


def _node(value: Any, level: int) -> str:
    if isinstance(value, dict):
        return _mapping(value, level)
    if isinstance(value, list):
        return _sequence(value, level)
    if isinstance(value, str):
        return _string(value, level + 1)
    return json.dumps(value)


def _mapping(value: dict[str, Any], level: int) -> str:
    if not value:
        return "{}"
    pad = STEP * (level + 1)
    lines = [f"{pad}{_key(key)}: {_node(value[key], level + 1)},\n" for key in sorted(value)]
    return "{\n" + "".join(lines) + STEP * level + "}"


def _sequence(value: list[Any], level: int) -> str:
    """Brackets hug the braces of items that are maps or lists; other items stand on lines of their own."""
    if not value:
        return "[]"
    if all(isinstance(item, (dict, list)) for item in value):
        return "[" + ", ".join(_node(item, level) for item in value) + "]"
    pad = STEP * (level + 1)
    return "[\n" + "".join(f"{pad}{_node(item, level + 1)},\n" for item in value) + STEP * level + "]"


def _key(key: str) -> str:
    return f'"{_escaped(key, chr(92) + "n")}"' if _needs_quotes(key) else key


def _needs_quotes(key: str) -> bool:
    bare = key.replace("_", "")
    if key.lower() in _GUESSED or _NUMBER.fullmatch(bare) or _BASE60.fullmatch(key) or _DATE.fullmatch(key):
        return True
    inner = key[1:-1] if len(key) > 2 else ""
    ends = key if len(key) <= 2 else key[0] + key[-1]
    return (
        not key
        or not all(c.isalnum() or c == "_" for c in ends)
        or not all(c.isalnum() or c in "_-./" for c in inner)
    )


def _string(text: str, level: int) -> str:
    """In quotes; of several lines each stands on one of its own, joined by escaped line ends."""
    if "\n" not in text:
        return f'"{_escaped(text, "")}"'
    pad, lines = STEP * level, text.split("\n")
    last = lines.pop()
    out = [f'"{_FOLD}', *(f"{pad}{_lead(line)}{_escaped(line, '')}\\n{_FOLD}" for line in lines)]
    if last:
        out.append(f"{pad}{_lead(last)}{_escaped(last, '')}{_FOLD}")
    return "".join(out) + f'{pad}"'


def _lead(line: str) -> str:
    """White space in front of a line must be escaped to count; other lines are moved, so that all stand below each other."""
    return "\\" if line[:1].isspace() else " "


def _escaped(text: str, newline: str) -> str:
    return "".join(_char(char, newline) for char in text)


def _char(char: str, newline: str) -> str:
    if char == "\n":
        return newline
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x20 or code == 0x7F
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
