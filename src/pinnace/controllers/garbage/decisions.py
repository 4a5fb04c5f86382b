"""What is to be done with one object, given the state of each of its owners. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pinnace.api.meta import Object
from pinnace.controllers.garbage.graph import FOREGROUND, ORPHAN, Node

OwnerState = Literal["solid", "dangling", "waiting", "impossible"]
"""solid: exists; dangling: does not; waiting: is being deleted in the foreground and waits for its dependents; impossible: a
namespaced owner of something without a namespace, about which nothing can be said."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the object, without the owner references of these uids."""

    drop: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete it. With `unblock`, its own references stop blocking first, which breaks a circle of owners."""

    policy: str
    unblock: bool = False


def decide(node: Node, owners: Sequence[tuple[Object, OwnerState]]) -> Keep | Remove | None:
    """None: hands off, as upstream does with an impossible owner."""
    if any(state == "impossible" for _, state in owners):
        return None
    if not owners or any(state == "solid" for _, state in owners):
        return Keep(frozenset(ref["uid"] for ref, state in owners if state != "solid"))
    if any(state == "waiting" for _, state in owners) and node.dependents:
        in_circle = any(dependent.is_deleting_dependents for dependent in node.dependents.values())
        return Remove("Foreground", unblock=in_circle)
    if ORPHAN in node.finalizers:
        return Remove("Orphan")
    return Remove("Foreground" if FOREGROUND in node.finalizers else "Background")
