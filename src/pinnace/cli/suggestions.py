"""Did you mean this? For commands in cobra's words and by its rule; for types, which kubectl has no such help for, at a terminal only. Pure."""

from collections.abc import Iterable

DISTANCE = 2  # cobra's
# kubectl's commands in the order in which it offers them; ours follow
ORDER = (
    "create", "expose", "run", "set", "explain", "get", "edit", "delete", "rollout", "scale", "autoscale", "certificate", "cluster-info",
    "top", "cordon", "uncordon", "drain", "taint", "describe", "logs", "attach", "exec", "port-forward", "proxy", "cp", "auth", "debug",
    "events", "diff", "apply", "patch", "replace", "wait", "kustomize", "label", "annotate", "completion", "config", "plugin", "version",
    "api-versions", "api-resources", "options",
)  # fmt: skip


def unknown_command(name: str, program: str, commands: Iterable[str]) -> str:
    """The message, without its `error: `."""
    known = set(commands)
    ordered = [*(word for word in ORDER if word in known), *sorted(known - set(ORDER))]
    close = [word for word in ordered if distance(name, word) <= DISTANCE or word.startswith(name.lower())]
    return f'unknown command "{name}" for "{program}"{listed(close)}'


def listed(words: Iterable[str]) -> str:
    lines = "".join(f"\n\t{word}" for word in words)
    return f"\n\nDid you mean this?{lines}" if lines else ""


def close_to(name: str, words: Iterable[str], most: int = 3) -> list[str]:
    """The nearest, at most two letters away, or a third of the word's."""
    allowed = min(DISTANCE, max(1, len(name) // 3))
    ranked = sorted((distance(name, word), word) for word in set(words))
    return [word for away, word in ranked if away <= allowed][:most]


def distance(one: str, other: str) -> int:
    """Letters to put in, take out or exchange, whatever their case."""
    one, other = one.lower(), other.lower()
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, wanted in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (letter != wanted))
    return row[-1]
