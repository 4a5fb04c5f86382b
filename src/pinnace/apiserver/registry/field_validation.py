"""Unknown fields and wrong types in what a client sent: ignored, warned about or refused, by `?fieldValidation=`."""

from typing import Any

from pinnace.api.resources import Resource
from pinnace.apiserver.registry.context import WriteContext

Object = dict[str, Any]


def check(row: Resource, obj: Object, ctx: WriteContext) -> None:
    """Raises BadRequest for wrong types always, for unknown fields when Strict; else warns."""
