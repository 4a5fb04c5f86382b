"""Regular expressions as Go reads them (RE2), on top of Python's `re`.

Differences that matter are rewritten: `\\z`, `\\pL` classes, POSIX classes, `$` that matches at the very end only.
Look-around and back-references, which RE2 has not, are refused.
"""

import re
from functools import lru_cache
from typing import Protocol

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_FOREIGN = re.compile(r"\(\?(?:<?[=!]|\()|(?<!\\)(?:\\\\)*\\[1-9]")
_TOKEN = re.compile(r"\\.|\[\[:\^?\w+:\]|\[:\^?\w+:\]|\$|\[|\]|.", re.DOTALL)


class Pattern(Protocol):
    def search(self, text: str) -> object: ...


class PatternError(ValueError):
    """Not a regular expression that Go would take."""


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Raises PatternError."""
    if _FOREIGN.search(text):
        raise PatternError(f"error parsing regexp: invalid or unsupported Perl syntax: `{text}`")
    try:
        return re.compile(_translated(text), re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"error parsing regexp: {error}: `{text}`") from error


def _translated(text: str) -> str:
    out, in_class = [], False
    for token in _TOKEN.findall(text):
        if token == r"\z" or (token == "$" and not in_class):
            out.append(r"\Z")
        elif token.startswith("[:") and in_class and not token.startswith("[:^"):
            out.append(_POSIX.get(token[2:-2], re.escape(token)))
        elif token.startswith("[[:") and not in_class:
            in_class = True
            name = token[3:-2]
            out.append("[" + (_POSIX.get(name, "") if not name.startswith("^") else ""))
        elif token == "[" and in_class:
            out.append(r"\[")
        else:
            in_class = True if token == "[" else False if token == "]" else in_class
            out.append(token)
    return "".join(out)
