"""YAML as kubectl writes it (go-yaml): keys sorted, lists not indented below their key, quotes only where they are needed.

Which strings need quotes follows go-yaml's resolver (YAML 1.1 words, numbers, timestamps) and libyaml's rules for plain scalars.
"""

import re
from typing import Any

_WORDS = frozenset(
    [
        "y",
        "Y",
        "yes",
        "Yes",
        "YES",
        "on",
        "On",
        "ON",
        "n",
        "N",
        "no",
        "No",
        "NO",
        "off",
        "Off",
        "OFF",
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        "~",
        "null",
        "Null",
        "NULL",
        ".nan",
        ".NaN",
        ".NAN",
        ".inf",
        ".Inf",
        ".INF",
        "+.inf",
        "+.Inf",
        "+.INF",
        "-.inf",
        "-.Inf",
        "-.INF",
        "<<",
        "=",
    ]
)
_NUMBER = re.compile(
    r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*|(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?)"
)
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d*)?\s*(Z|[-+]\d\d:?\d\d)?)?")
_FIRST_FORBIDDEN = frozenset("#,[]{}&*!|>'\"%@`")
_UNPRINTABLE = re.compile("[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
WIDTH = 80  # a line that is longer is broken at its next space
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x07": "\\a", "\x08": "\\b",
            "\x0b": "\\v", "\x0c": "\\f", "\x1b": "\\e", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P"}  # fmt: skip


def dump(value: Any) -> str:
    lines: list[str] = []
    if isinstance(value, (dict, list)) and value:
        _block(value, 0, lines)
    else:
        lines.append(_flow(value, 0))
    return "\n".join(lines) + "\n"


def _block(value: Any, indent: int, lines: list[str]) -> None:
    pad = " " * indent
    if isinstance(value, dict):
        for key in sorted(value, key=_natural):
            _entry(f"{pad}{_key(key)}:", value[key], indent, lines, is_list=False)
    else:
        for item in value:
            _entry(f"{pad}-", item, indent, lines, is_list=True)


def _entry(head: str, value: Any, indent: int, lines: list[str], *, is_list: bool) -> None:
    if not (isinstance(value, (dict, list)) and value):
        lines.append(f"{head} {_flow(value, indent + 2, len(head) + 1)}")
    elif is_list:  # the first line of what is nested stands behind the dash
        start = len(lines)
        _block(value, indent + 2, lines)
        lines[start] = f"{head} {lines[start][indent + 2 :]}"
    else:
        lines.append(head)
        _block(value, indent if isinstance(value, list) else indent + 2, lines)


def _natural(key: str) -> list[Any]:
    """go-yaml's order of keys: digits by value, letters before other characters where they differ."""
    parts: list[Any] = []
    for number, text in re.findall(r"(\d+)|(\D)", key):
        if number:
            parts.append((1, int(number), number))
        else:
            parts.append((2 if text.isalpha() else 0, ord(text), text))
    return parts


def _flow(value: Any, indent: int, column: int = 0) -> str:
    """`column` is where it begins; lines that it is folded into begin at `indent`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        text = _string(value, indent)
        return text if len(text) + column <= WIDTH or text[0] == "|" else _folded(text, indent, column)
    return "{}" if isinstance(value, dict) else "[]"


def _float(value: float) -> str:
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def _key(key: str) -> str:
    return _string(key, 0, multiline=False)


def _string(text: str, indent: int, *, multiline: bool = True) -> str:
    if needs_double_quotes(text):
        return _double(text)
    if "\n" in text:
        return _literal(text, indent) if multiline and _literal_allowed(text) else _double(text)
    if _plain_allowed(text):
        return text
    return "'" + text.replace("'", "''") + "'"


def needs_double_quotes(text: str) -> bool:
    """Read back plain it would not be a string, or it holds characters that only escapes can write."""
    if text == "" or text in _WORDS or _UNPRINTABLE.search(text):
        return True
    first = text[0]
    if first.isdigit() or first in "+-.":
        return any(pattern.fullmatch(text) for pattern in (_NUMBER, _BASE60, _TIMESTAMP))
    return False


def _plain_allowed(text: str) -> bool:
    if text[0] == " " or text[-1] == " " or text[0] in _FIRST_FORBIDDEN:
        return False
    if text.startswith(("---", "...")):
        return False
    if text[0] in "-?" and (len(text) == 1 or text[1] == " "):
        return False
    return ": " not in text and not text.endswith(":") and " #" not in text and text[0] != ":"


def _folded(text: str, indent: int, column: int) -> str:
    """Broken at single spaces (in double quotes at the first of several) once a line is longer than it should be."""
    quote = text[0] if text[0] in "'\"" else ""
    last = len(text) - 1 - len(quote)
    out: list[str] = []
    after_space = False
    for at, char in enumerate(text):
        is_inside = not quote or 1 < at < last
        if char == " " and not after_space and column > WIDTH and is_inside:
            more = text[at + 1] == " "
            if quote == '"' or not more:
                out.append(f"\n{' ' * indent}{chr(92) if more else ''}")
                column, after_space = indent + more, True
                continue
        out.append(char)
        column += 1
        after_space = char == " "
    return "".join(out)


def _literal_allowed(text: str) -> bool:
    return " \n" not in text and not text.endswith(" ") and not text.startswith(("\n", "---", "..."))


def _literal(text: str, indent: int) -> str:
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    chomp = "-" if ends == 0 else "" if ends == 1 else "+"
    hint = "2" if text[0] == " " else ""
    pad = " " * indent
    lines = body.split("\n") + [""] * max(0, ends - 1)
    return "\n".join([f"|{hint}{chomp}", *(pad + line if line else "" for line in lines)])


def _double(text: str) -> str:
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif _UNPRINTABLE.match(char):
            code = ord(char)
            out.append(
                f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}" if code < 65536 else f"\\U{code:08X}"
            )
        else:
            out.append(char)
    return f'"{"".join(out)}"'
