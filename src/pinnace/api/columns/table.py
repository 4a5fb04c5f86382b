"""The shape of a printed table: columns with upstream's names and descriptions, and a function from object to cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pinnace.api.meta import Object
from pinnace.apimachinery import times

Cell = str | int | float | bool | None
Cells = Callable[[Object, datetime], list[Cell]]

UNKNOWN, NONE, UNSET = "<unknown>", "<none>", "<unset>"

NAME_TEXT = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
AGE_TEXT = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"


@dataclass(frozen=True, slots=True)
class Column:
    """priority 0 is always shown, 1 only by `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class TableDef:
    """`cells(obj, now)` gives one value for each column; ages are relative to `now`."""

    columns: tuple[Column, ...]
    cells: Cells
    conditions: Callable[[Object], list[dict[str, str]]] | None = None  # of a row; none where it is not set

    def definitions(self) -> list[dict[str, Any]]:
        """`columnDefinitions` of a meta.k8s.io/v1 Table."""
        return [column.as_dict() for column in self.columns]


NAME = Column("Name", "string", "name", NAME_TEXT)
AGE = Column("Age", "string", "", AGE_TEXT)


def wide(name: str, description: str = "", type: str = "string") -> Column:
    return Column(name, type, "", description, 1)


def number(name: str, description: str = "") -> Column:
    return Column(name, "integer", "", description)


def age_of(text: str | None, now: datetime) -> str:
    """How long ago, or `<unknown>` where there is no time."""
    if not text:
        return UNKNOWN
    try:
        return times.human_duration((now - times.parse_time(text)).total_seconds())
    except ValueError:
        return UNKNOWN


def age(obj: Object, now: datetime) -> str:
    return age_of(obj["metadata"].get("creationTimestamp"), now)


def name(obj: Object) -> str:
    return obj["metadata"].get("name", "")


def labels_text(labels: dict[str, str] | None) -> str:
    """`a=b,c=d` sorted, or `<none>`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def joined(values: Sequence[str], empty: str = NONE) -> str:
    return ",".join(values) if values else empty
