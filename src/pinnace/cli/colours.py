"""Colours at a terminal: of states, headers, and of the pods of a log. Pure but for `are_wanted`.

Nothing is coloured where output is no terminal: what a script sees never changes. `NO_COLOR` (any value) and `TERM=dumb` switch colours off,
`PINNACE_COLOR=never` as well; `PINNACE_COLOR=always` switches them on for a pager.
"""

import os
import re
from typing import TextIO

RESET, BOLD = "\x1b[0m", "\x1b[1m"
RED, GREEN, YELLOW = "\x1b[31m", "\x1b[32m", "\x1b[33m"
OF_PODS = tuple(f"\x1b[{code}m" for code in (36, 35, 34, 33, 32, 96, 95, 94, 93, 92))

GOOD = frozenset(["Running", "Ready", "Active", "Bound", "Available", "Complete", "Completed", "Succeeded", "Established", "True", "Approved,Issued"])  # fmt: skip
UNDECIDED = frozenset(["Pending", "ContainerCreating", "PodInitializing", "Terminating", "Unknown", "Waiting", "Released", "Suspended", "NotReady,SchedulingDisabled", "Ready,SchedulingDisabled", "Warning"])  # fmt: skip
PALE = "\x1b[2m"
_SPAN = re.compile(r"( *\+[\d.]+ m?s .{0,13}?  )([│├└─ ]*)([^:]+):(.*)\n")
BAD = (
    "BackOff",
    "Err",
    "Fail",
    "Evicted",
    "OOMKilled",
    "NotReady",
    "Lost",
    "Invalid",
    "ContainerCannotRun",
    "DeadlineExceeded",
    "Denied",
)
STATES = ("STATUS", "PHASE", "STATE")


def are_wanted(stream: TextIO) -> bool:
    wanted = os.environ.get("PINNACE_COLOR", "auto")
    if wanted in ("always", "never"):
        return wanted == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def of_state(text: str) -> str:
    """The colour of a word for a state, or nothing."""
    if text in GOOD:
        return GREEN
    if text in UNDECIDED or (text.startswith("Init:") and "Err" not in text and "BackOff" not in text):
        return YELLOW
    return RED if any(part in text for part in BAD) else ""


def of_cell(header: str, text: str) -> str:
    """The colour of one cell of a table."""
    if header in STATES:
        return of_state(text)
    if header == "READY":
        ready, slash, wanted = text.partition("/")
        return YELLOW if slash and ready != wanted else ""
    if header == "TYPE" and text == "Warning":
        return YELLOW
    return ""


def of_description(text: str) -> str:
    """A description with its headings in bold and its states in colour; what is shown stays in its column."""
    return "".join(_line(line) for line in text.splitlines(keepends=True))


def _line(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    heading, colon, value = line[indent:].partition(":")
    if not colon or not heading[:1].isupper() or (value[:1] not in (" ", "\n", "")):
        return line
    shown = f"{line[:indent]}{BOLD}{heading}:{RESET}"
    word = value.strip()
    colour = (
        of_state(word) if heading in ("Status", "State", "Last State", "Reason", "Phase", "Ready") else ""
    )
    return shown + (value.replace(word, f"{colour}{word}{RESET}", 1) if colour else value)


def of_pod(number: int) -> str:
    return OF_PODS[number % len(OF_PODS)]


def of_trace(text: str) -> str:
    """A tree of spans: its times pale, the names of parts in a colour each, what failed in red."""
    return "".join(_of_span(line) for line in text.splitlines(keepends=True))


def _of_span(line: str) -> str:
    found = _SPAN.match(line)
    if found is None:
        return line
    times, branches, part, words = found.groups()
    failed = " refused" in words or "with errors" in words or " error" in words
    words = f"{RED}{words}{RESET}" if failed else words
    return f"{PALE}{times}{branches}{RESET}{of_pod(sum(map(ord, part)))}{part}{RESET}:{words}\n"
