"""The table of kubectl's commands and flags: `docs/kubectl.md` is made from our parser and three lists in `tests/kubectl`.

- `upstream.tsv`: every command of kubectl 1.36 with its flags;
- `missing.tsv`: command, flag, why it is not there (`*`: any command; flag `-`: the whole command);
- `more.tsv`: command, flag (`-`: the command) that we have and upstream has not, and what it is for.

A flag is done when our parser takes it and some code reads it (`unread` looks for that), and `missing.tsv` does not say otherwise.
Run as a program (`./dev kubectl-table`) it writes the page, and drops what is not missing any more from `missing.tsv`.
"""

import ast
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import side_by_side
from pinnace.cli import main
from pinnace.cli.command import GLOBAL_FLAGS, Command
from pinnace.cli.flags import Flag

HERE = Path(__file__).resolve().parent
LISTS, PAGE = HERE / "kubectl", HERE.parent / "docs" / "kubectl.md"
CLI = HERE.parent / "src" / "pinnace" / "cli"
EVERYWHERE = "(all)"  # the name under which flags of all commands stand
Flags = dict[str, str]  # name -> shorthand


class Note(NamedTuple):
    command: str
    flag: str
    why: str

    def is_about(self, command: str, flag: str) -> bool:
        return self.command in (command, "*") and self.flag == flag


class State(NamedTuple):
    """Of one command: flags that work, flags that do not and why, flags of our own."""

    command: str
    done: list[str]
    missing: dict[str, str]
    more: dict[str, str]
    absent: str = ""  # why there is no such command
    own: str = ""  # what a command that upstream lacks is for


def notes(name: str) -> list[Note]:
    lines = (LISTS / name).read_text().splitlines()
    return [Note(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def upstream() -> dict[str, Flags]:
    families: dict[str, list[str]] = {}
    found: dict[str, Flags] = {}
    for line in (LISTS / "upstream.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, _, text = line.partition("\t")
        words = [flag for word in text.split() for flag in families.get(word, [word])]
        if name.startswith("@"):
            families[name] = words
        else:
            found[name] = {flag.partition(",")[0]: flag.partition(",")[2] for flag in words}
    return found


def ours() -> dict[str, Flags]:
    """What the parser takes."""
    found = {EVERYWHERE: _flags(GLOBAL_FLAGS)}
    for name, target in main.COMMANDS.items():
        module, attribute = target.split(":")
        command = getattr(import_module(f"pinnace.cli.commands.{module}"), attribute)
        found.update(_of(name, command))
    return found


def _of(path: str, command: Command) -> Iterator[tuple[str, Flags]]:
    yield path, _flags(command.flags)
    seen: list[Command] = []
    for name, sub in command.subcommands.items():
        if not any(sub is other for other in seen):  # a second name of the same command is an alias
            seen.append(sub)
            yield from _of(f"{path} {name}", sub)


def _flags(flags: tuple[Flag, ...]) -> Flags:
    return {flag.name: flag.short for flag in flags}


SHARED = ("*.py", "printers/*.py", "commands/create.py")  # what reads flags for several commands


def unread() -> list[str]:
    """Flags whose names stand nowhere in the code of their command, nor in what commands share, but where they are declared."""
    shared = _words(path for pattern in SHARED for path in CLI.glob(pattern))
    found = [f"{EVERYWHERE} --{flag.name}" for flag in GLOBAL_FLAGS if flag.name not in shared]
    words: dict[str, set[str]] = {}  # of a command's modules, which its subcommands share
    for command, flags in ours().items():
        if command == EVERYWHERE:
            continue
        module = main.COMMANDS[command.split()[0]].partition(":")[0].partition("_")[0]
        if module not in words:
            words[module] = _words(CLI.glob(f"commands/{module}*.py"))
        own = words[module]
        found += [f"{command} --{flag}" for flag in flags if flag not in own | shared]
    return found


def _words(paths: Iterable[Path]) -> set[str]:
    """The strings of these modules, but not the names that `Flag(...)` declares."""
    found: set[str] = set()
    for path in paths:
        tree = ast.parse(path.read_text())
        declared = {
            id(call.args[0])
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "Flag"
            and call.args
            and not any(word.arg == "key" for word in call.keywords)  # read by another name
        }
        strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        found |= {str(node.value) for node in strings if id(node) not in declared}
    return found


def states() -> list[State]:
    theirs, mine, missing, more = upstream(), ours(), notes("missing.tsv"), notes("more.tsv")
    found = []
    for command in sorted({*theirs, *mine}, key=lambda name: (name != EVERYWHERE, name)):
        wanted, there = theirs.get(command, {}), mine.get(command, {})
        there = {**there, **{f: mine[EVERYWHERE][f] for f in wanted if f in mine[EVERYWHERE]}}
        absent = _why(missing, command, "-") if command not in mine else ""
        own = _why(more, command, "-") if command not in theirs else ""
        gaps = [f for f in wanted if f not in there or _said(missing, command, f)] if not absent else []
        not_done = {f: _why(missing, command, f) for f in gaps}
        extra = {} if own else {f: _why(more, command, f) for f in there if f not in wanted}
        done = [_shown(f, there[f]) for f in sorted(there) if (f in wanted or own) and f not in not_done]
        found.append(State(command, done, not_done, extra, absent, own))
    return found


def _said(found: list[Note], command: str, flag: str) -> bool:
    return any(note.command == command and note.flag == flag for note in found)


def _why(found: list[Note], command: str, flag: str) -> str:
    """The reason; raises LookupError where there is none."""
    exact = [note for note in found if note.command == command and note.flag == flag]
    for note in [*exact, *(note for note in found if note.is_about(command, flag))]:
        return note.why
    what = f"`{command}`" if flag == "-" else f"`--{flag}` of `{command}`"
    raise LookupError(f"{what}: say why in tests/kubectl/missing.tsv, or in more.tsv if upstream has it not")


def _shown(name: str, short: str) -> str:
    return f"`-{short}/--{name}`" if short else f"`--{name}`"


def wrong_shorthands() -> list[str]:
    theirs, mine = upstream(), ours()
    return [
        f"{command} --{flag}: -{short} upstream, -{mine[command][flag]} here"
        for command, flags in theirs.items()
        for flag, short in flags.items()
        if command in mine and flag in mine[command] and mine[command][flag] != short
    ]


def page() -> str:
    table = states()
    theirs = [state for state in table if not state.own]
    flags = sum(len(s.done) + len(s.missing) for s in theirs if not s.absent)
    flags += sum(len(upstream()[s.command]) for s in theirs if s.absent)
    there = [s for s in theirs if not s.absent]
    lines = [
        "# kubectl's commands and flags",
        "",
        "Made from the parser by `./dev kubectl-table`; a test compares it with `tests/kubectl/upstream.tsv`, kubectl 1.36's list.",
        "A flag is *done* when it does what it does in kubectl; one that parses and has no effect is not. How outputs compare, and",
        "what differs in detail: [conformance/cli.md](conformance/cli.md).",
        "",
        f"**Commands: {sum(s.command != EVERYWHERE for s in there)} of {len(theirs) - 1} · "
        f"flags: {sum(len(s.done) for s in there)} of {flags}**",
        "",
        "| command | done | not done | ours only |",
        "|---|---|---|---|",
    ]
    for state in table:
        name = "every command" if state.command == EVERYWHERE else f"`{state.command}`"
        done = " ".join(state.done)
        missing = state.absent or "; ".join(
            f"`--{flag}`: {why}" for flag, why in sorted(state.missing.items())
        )
        more = state.own or "; ".join(f"`--{flag}`: {why}" for flag, why in sorted(state.more.items()))
        if state.absent:
            missing = f"the command: {missing}"
        lines.append(f"| {name} | {done} | {missing} | {more} |".replace("  ", " "))
    return "\n".join([*lines, "", *_compared(), ""])


def _compared() -> list[str]:
    shares = side_by_side.shares()
    lines, equal = sum(share[1] for share in shares), sum(share[2] for share in shares)
    found = [
        "## Side by side",
        "",
        f"**{equal} of {lines} command lines are answered as kubectl {side_by_side.VERSION} answers them: standard output, standard "
        "error and exit code, to the byte.**",
        "`tests/side_by_side` has the command lines and kubectl's answers; the rules of what may differ (times, uids, what later",
        "kubectls say otherwise, words of help texts) are at the top of `tests/side_by_side.py`.",
        "",
        "| file | command lines | equal |",
        "|---|---|---|",
        *(f"| {name} | {there} | {same} |" for name, there, same in shares),
        "",
        "Not equal:",
        "",
        "| command line | why |",
        "|---|---|",
    ]
    return found + [
        f"| `{line.replace('|', chr(92) + '|')}` | {why} |"
        for (_, line), why in side_by_side.reasons().items()
    ]


def prune() -> None:
    """Drop rows of `missing.tsv` about flags that nobody misses any more."""
    theirs, mine = upstream(), ours()
    kept = []
    for line in (LISTS / "missing.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            note = Note(*line.split("\t"))
            commands = [name for name in theirs if note.command in (name, "*")]
            inert = note.why.startswith("without effect") and note.flag in mine.get(note.command, {})
            if not inert and not any(_is_missing(note.flag, theirs[c], mine.get(c)) for c in commands):
                continue
        kept.append(line)
    (LISTS / "missing.tsv").write_text("\n".join(kept) + "\n")


def _is_missing(flag: str, wanted: Flags, there: Flags | None) -> bool:
    if flag == "-" or there is None:
        return flag == "-" and there is None
    return flag in wanted and flag not in there and flag not in _flags(GLOBAL_FLAGS)


if __name__ == "__main__":
    prune()
    PAGE.write_text(page())
