"""Text to tokens."""

import re
from typing import Any, NamedTuple

from pinnace.apimachinery.cel.errors import CompileError, Issue
from pinnace.apimachinery.cel.values import UInt

RESERVED = frozenset(
    ["as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
     "namespace", "return", "var", "void", "while"]
)  # fmt: skip
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+|//[^\n]*)
  | (?P<string>[bB]?[rR]?(?:\"\"\"|'''|"|')|[rR][bB](?:\"\"\"|'''|"|'))
  | (?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)
  | (?P<ident>[_a-zA-Z][_a-zA-Z0-9]*)
  | (?P<quoted>`[a-zA-Z0-9_.\-/ ]+`)
  | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.ASCII,
)
_SIMPLE_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "?": "?", '"': '"', "'": "'", "`": "`",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))|\\"
)


class Token(NamedTuple):
    kind: str  # ident, quoted, literal, op, end
    text: str
    offset: int
    value: Any = None


def tokenize(source: str) -> list[Token]:
    tokens, at = [], 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if not match:
            raise _error(f"Syntax error: token recognition error at: '{source[at]}'", at, source)
        kind, text = str(match.lastgroup), match[0]
        if kind == "string":
            value, end = _string(source, at, text)
            tokens.append(Token("literal", source[at:end], at, value))
            at = end
            continue
        if kind == "ident":
            tokens.append(Token("ident", text, at))
        elif kind == "quoted":
            tokens.append(Token("quoted", text, at, text[1:-1]))
        elif kind in ("int", "float"):
            tokens.append(Token("literal", text, at, _number(kind, text)))
        elif kind == "op":
            tokens.append(Token("op", text, at))
        at = match.end()
    tokens.append(Token("end", "<EOF>", len(source)))
    return tokens


def _number(kind: str, text: str) -> Any:
    if kind == "float":
        return float(text)
    unsigned = text[-1] in "uU"
    digits = text.rstrip("uU")
    if len(digits) > 40:  # no number of CEL has as many, and reading them takes time
        return 1 << 80
    number = int(digits, 16 if digits.startswith("0x") else 10)
    return UInt(number) if unsigned else number


def _string(source: str, at: int, prefix: str) -> tuple[str | bytes, int]:
    quote = prefix.lstrip("bBrR")
    flags = prefix[: len(prefix) - len(quote)].lower()
    start, raw = at + len(prefix), "r" in flags
    end = start
    while True:
        if end >= len(source) or (len(quote) == 1 and source[end] in "\r\n"):
            text = source[at : at + 20].partition("\n")[0]
            raise _error(f"Syntax error: token recognition error at: '{text}'", at, source)
        if source.startswith(quote, end):
            break
        end += 2 if source[end] == "\\" and not raw else 1
    body = source[start:end]
    if "b" in flags:
        return _unescape_bytes(body, raw, at, source), end + len(quote)
    return (body if raw else _unescape(body, at, source)), end + len(quote)


def _unescape(body: str, at: int, source: str) -> str:
    def one(match: re.Match[str]) -> str:
        simple, *numeric, octal = match.groups()
        if simple:
            return _SIMPLE_ESCAPES[simple]
        digits = next((group for group in numeric if group), None)
        code = int(digits, 16) if digits else int(octal, 8) if octal else -1
        if code < 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise _error("Syntax error: invalid escape sequence", at, source)
        return chr(code)

    return _ESCAPE.sub(one, body) if "\\" in body else body


def _unescape_bytes(body: str, raw: bool, at: int, source: str) -> bytes:
    if raw or "\\" not in body:
        return body.encode()
    out, last = bytearray(), 0
    for match in _ESCAPE.finditer(body):
        out += body[last : match.start()].encode()
        simple, small_x, big_x, _, _, octal = match.groups()
        if simple:
            out += _SIMPLE_ESCAPES[simple].encode()
        elif small_x or big_x:
            out.append(int(small_x or big_x, 16))
        elif octal:
            out.append(int(octal, 8))
        else:
            raise _error("Syntax error: invalid escape sequence", at, source)
        last = match.end()
    return bytes(out + body[last:].encode())


def _error(message: str, at: int, source: str) -> CompileError:
    return CompileError([Issue(message, at)], source)
