"""Cuts a template into text and actions, and an action into tokens."""

import json
import re
from dataclasses import dataclass
from typing import Any

from pinnace.apimachinery.gotemplate.errors import TemplateError

_ACTION = re.compile(
    r"""\{\{(?P<left>-\s)?\s*
    (?:(?P<comment>/\*.*?\*/)|(?P<body>(?:"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\])+'|(?!-?\}\}).)*?))
    \s*(?P<right>(?<=\s)-)?\}\}""",
    re.DOTALL | re.VERBOSE,
)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:\\.|[^"\\])*")|(?P<raw>`[^`]*`)|(?P<char>'(?:\\.|[^'\\])+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+))
    |(?P<variable>\$[A-Za-z0-9_]*)|(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>:=|[=|(),.])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """`spaced`: whitespace stands before it, which separates arguments from field chains."""

    kind: str  # constant variable field word mark
    text: str
    value: Any = None
    spaced: bool = False


def pieces(source: str) -> list[tuple[str, str]]:
    """("text", ...) and ("action", ...) in turn; comments are left out and trim markers applied."""
    found: list[tuple[str, str]] = []
    position, trims = 0, False
    for match in _ACTION.finditer(source):
        text = source[position : match.start()]
        text = text.lstrip() if trims else text
        text = text.rstrip() if match["left"] else text
        if text:
            found.append(("text", text))
        if match["comment"] is None:
            found.append(("action", match["body"].strip()))
        position, trims = match.end(), bool(match["right"])
    rest = source[position:].lstrip() if trims else source[position:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    if rest:
        found.append(("text", rest))
    return found


def tokens(action: str) -> list[Token]:
    found: list[Token] = []
    position, end = 0, len(action.rstrip())
    while position < end:
        match = _TOKEN.match(action, position)
        if match is None or match.lastgroup is None:
            raise TemplateError(f"unexpected {action[position:].strip()[:20]!r} in {{{{{action}}}}}")
        text = match[match.lastgroup]
        spaced = match.start(match.lastgroup) > position
        if match.lastgroup in ("string", "raw", "char", "number"):
            found.append(Token("constant", text, _constant(match.lastgroup, text), spaced))
        elif text in ("true", "false", "nil"):
            found.append(Token("constant", text, {"true": True, "false": False}.get(text), spaced))
        else:
            found.append(Token(match.lastgroup, text, None, spaced))
        position = match.end()
    return found


def _constant(kind: str, text: str) -> Any:
    if kind == "raw":
        return text[1:-1]
    if kind == "char":
        character = json.loads(f'"{text[1:-1]}"') if text[1:-1] != "\\'" else "'"
        return ord(character)
    if kind == "string":
        try:
            return json.loads(text, strict=False)
        except ValueError:  # Go's own escapes
            return text[1:-1].encode().decode("unicode_escape").encode("latin-1").decode()
    plain = text.replace("_", "")
    try:
        return int(plain, 0) if not re.fullmatch(r"[+-]?0\d+", plain) else int(plain, 8)
    except ValueError:
        return float(plain)
