"""Completion of plugins, as kubectl does it: their names, and what their own `kubectl_complete-NAME` offers.

That program is called with the words behind the plugin's name, the last of them the one at the cursor; it answers as `__complete` does:
a candidate a line, then `:` and a directive. Without a directive, or if it fails, the shell offers files.
"""

import os
from collections.abc import Iterator

from pinnace.cli.unknown import PREFIX, look_up

COMPLETER = "kubectl_complete-"
MEANING = "The command {} is a plugin installed by the user"


def named(before: list[str], current: str) -> list[str]:
    """The next words of plugins whose name begins with the words `before`."""
    start = PREFIX + "".join(f"{_in_file(word)}-" for word in before)
    found = {
        file.removeprefix(start).split("-", 1)[0].split(".", 1)[0].replace("_", "-")
        for file in _programs()
        if file.startswith(start)
    }
    return [f"{word}\t{MEANING.format(word)}" for word in sorted(found) if word.startswith(current)]


def offered(words: list[str], current: str) -> tuple[list[str], int] | None:
    """(candidates, directive) of the plugin that `words` call; None where they call none."""
    names = [_in_file(word) for word in _until_flag(words)]
    for count in range(len(names), 0, -1):
        name = "-".join(names[:count])
        if look_up(PREFIX + name):
            candidates, directive = _asked(COMPLETER + name, [*words[count:], current])
            return named(words, current) + candidates, directive
    return None


def _asked(program: str, arguments: list[str]) -> tuple[list[str], int]:
    import subprocess

    path = look_up(program)
    if not path:
        return [], 0
    try:
        done = subprocess.run(
            [path, *arguments], stdout=subprocess.PIPE, text=True, errors="replace", check=False
        )
    except OSError:
        return [], 0
    if done.returncode:
        return [], 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    last = lines[-1] if lines else ""
    if last.startswith(":") and last[1:].isdigit():
        return lines[:-1], int(last[1:])
    return lines, 0


def _until_flag(words: list[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("-"):
            return
        yield word


def _in_file(word: str) -> str:
    return word.replace("-", "_")


def _programs() -> Iterator[str]:
    """The names of what can be run and is a plugin."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208 (start-up time)
        except OSError:
            continue
        for name in entries:
            if name.startswith(PREFIX) and os.access(os.path.join(folder, name), os.X_OK):  # noqa: PTH118
                yield name
