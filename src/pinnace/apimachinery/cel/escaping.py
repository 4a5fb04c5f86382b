"""Field names in expressions: `a-b` is written `a__dash__b`, and CEL's own words are wrapped in underscores."""

import re

_RESERVED = frozenset(
    ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
     "let", "loop", "package", "namespace", "return", "var", "void", "while"]
)  # fmt: skip
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}
_IDENT = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)
_TO_ESCAPE = re.compile(r"__|[./-]")
_ESCAPED = re.compile("|".join(_UNESCAPES))


def escape(name: str) -> str | None:
    """The name as expressions write it; None if they cannot name it."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _IDENT.fullmatch(name):
        return None
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], name)


def unescape(name: str) -> str:
    if name.startswith("__") and name.endswith("__") and name[2:-2] in _RESERVED:
        return name[2:-2]
    return _ESCAPED.sub(lambda match: _UNESCAPES[match[0]], name)
