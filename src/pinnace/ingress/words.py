"""Words of HAProxy's configuration language, whatever text is in them."""

import re
from urllib.parse import quote

_SAFE = re.compile(r"[A-Za-z0-9._/:~*+-]")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


def quoted(text: str) -> str:
    """One word, whatever is in it."""
    escaped = "".join(
        char if _SAFE.match(char) else f"\\x{ord(char):02x}" if ord(char) < 128 else char for char in text
    )
    return escaped or '""'


def formatted(text: str) -> str:
    """One word where HAProxy expects a format: a percent sign in the text stands for itself."""
    return quoted(text.replace("%", "%%"))


def map_key(text: str) -> str:
    """A key of a map file, which ends at the first space: as it would be written in a URL."""
    return quote(text, safe=_PRINTABLE)
