"""The table of all controllers, with upstream's names, and the selection that `--controllers '*,-NAME'` makes."""

from collections.abc import Sequence

from pinnace.controllers import deployment, replicaset
from pinnace.controllers.runtime import Controller

PURE: tuple[Controller, ...] = (
    deployment.CONTROLLER,
    replicaset.CONTROLLER,
)


class UnknownController(ValueError):
    """`--controllers` names something that is not in the table."""


def select(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """`*` turns on all, `name` one, `-name` turns one off; the last word on a name counts. Raises UnknownController."""
    for word in asked:
        if word != "*" and word.removeprefix("-") not in known:
            raise UnknownController(f'"{word.removeprefix("-")}" is not in the list of known controllers')
    chosen = []
    for name in known:
        words = [word for word in asked if word.removeprefix("-") == name]
        if (not words[-1].startswith("-")) if words else "*" in asked:
            chosen.append(name)
    return chosen
