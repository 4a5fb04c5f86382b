"""Tables: objects as rows of cells, the form in which kubectl asks for what it prints.

One function serves lists, single objects and watch events (which name their columns in the first event only).
Form: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pinnace.api.columns import TableDef
from pinnace.apimachinery import errors

Object = dict[str, Any]

INCLUDE_POLICIES = ("None", "Metadata", "Object")


@dataclass(frozen=True, slots=True)
class TableForm:
    """What the client asked for: `version` of meta.k8s.io (v1, v1beta1) and how much of each object rows carry."""

    version: str = "v1"
    include_object: str = "Metadata"

    @classmethod
    def of_query(cls, version: str, include_object: str) -> "TableForm":
        """Raises BadRequest for an unknown `?includeObject=`; empty means Metadata."""
        if include_object and include_object not in INCLUDE_POLICIES:
            raise errors.BadRequest(
                "Unable to convert to Table as requested: includeObject: Invalid value: "
                f"\"{include_object}\": must be 'Metadata', 'Object', 'None', or empty"
            )
        return cls(version, include_object or "Metadata")


@dataclass(frozen=True, slots=True)
class Row:
    """An object to print; `raw`, its bytes as served, saves encoding it again when rows carry whole objects."""

    obj: Object
    raw: bytes | None = None


def table(
    definition: TableDef, rows: Iterable[Row], now: datetime, form: TableForm, *, metadata: Object, headers: bool = True
) -> bytes:  # fmt: skip
    """The encoded Table. `metadata` is that of the list, or the resourceVersion of a single object."""
    return orjson.dumps(
        {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{form.version}",
            "metadata": metadata,
            "columnDefinitions": definition.definitions() if headers else None,
            "rows": [_row(definition, row, now, form) for row in rows],
        }
    )


def _row(definition: TableDef, row: Row, now: datetime, form: TableForm) -> Object:
    shown = {"cells": definition.cells(row.obj, now), "object": _embedded(row, form)}
    if definition.conditions is not None and (found := definition.conditions(row.obj)):
        shown["conditions"] = found
    return shown


def single(definition: TableDef, row: Row, now: datetime, form: TableForm, *, headers: bool = True) -> bytes:
    """A Table of one object: the answer to a get, a create or an update, and the object of a watch event."""
    version = row.obj.get("metadata", {}).get("resourceVersion")
    metadata = {"resourceVersion": version} if version else {}
    return table(definition, [row], now, form, metadata=metadata, headers=headers)


def _embedded(row: Row, form: TableForm) -> Any:
    match form.include_object:
        case "None":
            return None
        case "Object":
            return row.obj if row.raw is None else orjson.Fragment(row.raw)
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": row.obj.get("metadata", {}),
    }
