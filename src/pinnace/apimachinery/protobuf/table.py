"""The table of messages: which field has which number and type.

A line of `messages.txt` is `package.Message field=NUMBER[flag]:[*|%]TYPE ...`:
- TYPE is s (string), i (varint number), b (bool), y (bytes), d (double), or a message (`.Name` in the same package);
- `*` is a list, `%` a map from strings;
- flag `!`: a zero value that was sent counts (a pointer in upstream's Go types, or a required field);
- flag `^`: the message's fields stand in the parent's JSON object itself.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Shape = Literal["one", "list", "map"]
SCALARS = frozenset("sibyd")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    number: int
    kind: str  # a scalar letter or a message's full name
    shape: Shape
    keeps_zero: bool
    is_inline: bool

    @property
    def is_scalar(self) -> bool:
        return self.kind in SCALARS


@dataclass(frozen=True, slots=True)
class Message:
    name: str
    fields: tuple[Field, ...]
    by_number: dict[int, Field]


@cache
def _lines() -> dict[str, str]:
    text = resources.files(__package__).joinpath("messages.txt").read_text()
    return {name: rest for name, _, rest in (line.partition(" ") for line in text.splitlines())}


@cache
def message(name: str) -> Message | None:
    """The message `package.Name`, e.g. `core.v1.Pod`; None when it is not in the table."""
    line = _lines().get(name)
    if line is None:
        return None
    package = name.rpartition(".")[0]
    fields = tuple(_field(text, package) for text in line.split())
    return Message(name, fields, {field.number: field for field in fields})


def _field(text: str, package: str) -> Field:
    name, _, rest = text.partition("=")
    number, _, kind = rest.partition(":")
    flags = number.lstrip("0123456789")
    shape: Shape = "list" if kind[0] == "*" else "map" if kind[0] == "%" else "one"
    kind = kind.lstrip("*%")
    full = package + kind if kind.startswith(".") else kind
    return Field(name, int(number.rstrip("!^")), full, shape, "!" in flags, "^" in flags)


GROUP_PACKAGES = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
}
META_KINDS = frozenset(
    (
        "DeleteOptions",
        "Status",
        "CreateOptions",
        "UpdateOptions",
        "PatchOptions",
        "ListOptions",
        "GetOptions",
        "WatchEvent",
    )
)


def message_for(group: str, version: str, kind: str) -> Message | None:
    """The message of a kind; options and Status are meta kinds in every group."""
    if kind in META_KINDS:
        return message(f"meta.v1.{kind}")
    package = GROUP_PACKAGES.get(group, group.partition(".")[0])
    return message(f"{package}.{version}.{kind}")
