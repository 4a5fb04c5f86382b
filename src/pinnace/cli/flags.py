"""Flags as kubectl takes them (pflag): before and after arguments, `--name=value`, `-n value`, `-nvalue`, `-it`, `--` ends them.

Leaner than argparse: it takes under a millisecond to import, and the errors are kubectl's.
"""

from typing import Any, NamedTuple

from pinnace.cli.errors import UsageError


class Flag(NamedTuple):
    """kind: str, bool, int, list (comma-separated or repeated), repeat (repeated), duration (seconds), map (a=b,c=d or repeated).

    `bare` is the value of a flag that is given without one, where that is allowed (`--dry-run`).
    `key` is the name of the value where it differs: a command's `--user` hides the global one without replacing its value.
    """

    name: str
    short: str = ""
    kind: str = "str"
    default: Any = None
    help: str = ""
    bare: str | None = None
    key: str = ""

    @property
    def value_name(self) -> str:
        return self.key or self.name


class Values(dict[str, Any]):
    """The value of every flag, default or given; `given` names those that the user wrote."""

    def __init__(self, flags: "tuple[Flag, ...] | list[Flag]") -> None:
        super().__init__({flag.value_name: _default(flag) for flag in flags})
        self.given: set[str] = set()


def _default(flag: Flag) -> Any:
    if flag.default is not None:
        return flag.default
    return {"bool": False, "int": 0, "list": [], "repeat": [], "str": "", "duration": 0.0, "map": {}}[
        flag.kind
    ]


def parse(
    argv: list[str], flags: "tuple[Flag, ...] | list[Flag]", command: str, *, stop_at_argument: bool = False
) -> tuple[Values, list[str]]:
    """(flag values, arguments). `stop_at_argument` leaves everything from the first argument on unread.

    `values["--"]` is the number of arguments before `--`, or -1 without it.
    """
    values = Values(flags)
    rest: list[str] = []
    by_name = {flag.name: flag for flag in reversed(flags)}  # a command's own come first, and win
    by_short = {flag.short: flag for flag in flags if flag.short}
    values["--"] = -1
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if word == "--":
            values["--"] = len(rest)
            rest += argv[position:]
            break
        if word.startswith("--"):
            position = _long(word, argv, position, by_name, values, command)
        elif word.startswith("-") and len(word) > 1:
            position = _short(word, argv, position, by_short, values, command)
        elif stop_at_argument:
            rest = argv[position - 1 :]
            break
        else:
            rest.append(word)
    return values, rest


def _long(
    word: str, argv: list[str], position: int, flags: dict[str, Flag], values: Values, command: str
) -> int:
    name, equals, text = word[2:].partition("=")
    flag = flags.get(name)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}", command)
    if not equals:
        if flag.kind == "bool":
            text = "true"
        elif flag.bare is not None:
            text = flag.bare
        elif position >= len(argv):
            raise UsageError(f"flag needs an argument: --{name}", command)
        else:
            text, position = argv[position], position + 1
    _set(values, flag, text, command)
    return position


def _short(
    word: str, argv: list[str], position: int, flags: dict[str, Flag], values: Values, command: str
) -> int:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = flags.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}", command)
        if letters.startswith("="):
            text, letters = letters[1:], ""
        elif flag.kind == "bool":
            text = "true"
        elif flag.bare is not None:
            text = flag.bare
        elif letters:
            text, letters = letters, ""
        elif position < len(argv):
            text, position = argv[position], position + 1
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {word}", command)
        _set(values, flag, text, command)
    return position


def _set(values: Values, flag: Flag, text: str, command: str) -> None:
    name = flag.value_name
    shown = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
    if flag.kind == "bool":
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise UsageError(
                f'invalid argument "{text}" for "{shown}" flag: strconv.ParseBool: parsing "{text}": invalid syntax',
                command,
            )
        values[name] = text.lower() in ("true", "1", "t")
    elif flag.kind == "int":
        try:
            values[name] = int(text)
        except ValueError:
            raise UsageError(
                f'invalid argument "{text}" for "{shown}" flag: strconv.ParseInt: parsing "{text}": invalid syntax',
                command,
            ) from None
    elif flag.kind == "duration":
        try:
            values[name] = duration(text)
        except ValueError:
            raise UsageError(
                f'invalid argument "{text}" for "{shown}" flag: time: invalid duration "{text}"',
                command,
            ) from None
    elif flag.kind == "map":
        try:
            found = _pairs(text)
        except ValueError as error:
            raise UsageError(f'invalid argument "{text}" for "{shown}" flag: {error}', command) from None
        values[name] = {**(values[name] if name in values.given else {}), **found}
    elif flag.kind in ("list", "repeat"):
        before = values[name] if name in values.given else []
        values[name] = [*before, *(text.split(",") if flag.kind == "list" else [text])]
    else:
        values[name] = text
    values.given.add(name)


def _pairs(text: str) -> dict[str, str]:
    """`a=b,c=d`; a comma in a single pair belongs to its value."""
    parts = [text] if text.count("=") == 1 else text.split(",")
    found = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part} must be formatted as key=value")
        found[key] = value
    return found


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def duration(text: str) -> float:
    """Seconds of a Go duration: `1h30m`, `10s`, `0`; raises ValueError."""
    body = text.lstrip("+-")
    if body == "0":
        return 0.0
    import re  # here, since few commands are given one

    if not re.fullmatch(r"(\d+(\.\d*)?(h|ms|us|µs|ns|m|s))+", body):
        raise ValueError(text)
    total = sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+(?:\.\d*)?)(h|ms|us|µs|ns|m|s)", body))
    return -total if text.startswith("-") else total
