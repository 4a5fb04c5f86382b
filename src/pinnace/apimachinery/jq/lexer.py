"""A query as tokens."""

import json
import re

from pinnace.apimachinery.jq.errors import JqError

Token = tuple[str, str]  # its kind (string, number, field, word, variable, mark) and text

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*")|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<variable>\$[A-Za-z0-9_]*)|(?P<mark>\.\.|//|==|!=|<=|>=|[.\[\](){}|,:;?<>+\-*/%]))""",
    re.VERBOSE,
)


def tokens_of(source: str) -> list[Token]:
    """Raises JqError at what is no token."""
    tokens: list[Token] = []
    position, end = 0, len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position)
        if match is None or match.lastgroup is None:
            raise JqError(f"unexpected {source[position:].strip()[:12]!r} in {source!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


def text_of(literal: str) -> str:
    """What a string token means."""
    if "\\(" in literal:
        raise JqError(f"string interpolation is not known here: {literal}")
    text: str = json.loads(literal, strict=False)
    return text
