"""Texts of others without what could take over a terminal. Pure."""

import unicodedata

_ESCAPES = {0x1B: "^[", 0x0D: "\\r"}
_BIDI = {
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
}  # these let text be seen in another order than it is in


def escaped(text: str) -> str:
    """As kubectl writes cells and descriptions: escape and carriage return."""
    return text.translate(_ESCAPES) if "\x1b" in text or "\r" in text else text


def shown(text: str) -> str:
    """Every control character but tab and line end, and what turns the direction; for errors and for our own commands."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    code = ord(char)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if char in "\n\t" or (unicodedata.category(char) != "Cc" and code not in _BIDI):
        return char
    return f"^{chr(code + 64)}" if code < 32 else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
