"""Unknown fields, duplicate keys and wrong types in what a client sent: ignored, warned about or refused (`?fieldValidation=`).

Unknown fields are dropped, as upstream's decoder drops them; a wrong type is an error whatever the client asked for.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.protobuf.codec import MAGIC
from pinnace.apimachinery.schema import Problem, Schema
from pinnace.apiserver.registry.context import WriteContext

Object = dict[str, Any]
_MOST_WARNINGS = 20


def check(
    row: Resource,
    schema: Schema | None,
    obj: Object,
    ctx: WriteContext,
    raw: bytes | None = None,
    *,
    settled: Collection[str] = (),
) -> None:
    """Prune `obj` in place; raises BadRequest for wrong types always, for the rest when Strict. Fields that are `settled` are not looked into."""
    if schema is None:
        return
    repeated = duplicates(obj, ctx, raw)
    with set_aside(obj, settled):
        problems = schema.prune(obj)
    wrong = [problem for problem in problems if problem.kind == "type"]
    if wrong:
        raise errors.BadRequest(
            f'{row.kind} in version "{row.gvr.version}" cannot be handled as a {row.kind}: {wrong[0].message}'
        )
    report(row, [*repeated, *problems], ctx)


def report(row: Resource, found: list[Problem], ctx: WriteContext) -> None:
    """Duplicate fields and unknown ones, as the client wants to be told."""
    if ctx.field_validation == "Ignore" or not found:
        return
    if ctx.field_validation == "Strict":
        texts = ", ".join(problem.message for problem in found)
        raise errors.BadRequest(
            f'{row.kind} in version "{row.gvr.version}" cannot be handled as a {row.kind}: '
            f"strict decoding error: {texts}"
        )
    for problem in found[:_MOST_WARNINGS]:
        ctx.warn(problem.message)


@contextmanager
def set_aside(obj: Object, fields: Collection[str]) -> Iterator[None]:
    """While these fields of an object are empty structures, at their places."""
    if not fields:
        yield
        return
    held = {name: obj[name] for name in fields}
    obj.update({name: {} for name in fields})
    try:
        yield
    finally:
        obj.update(held)


def duplicates(obj: Object, ctx: WriteContext, raw: bytes | None) -> list[Problem]:
    """Keys that the text repeats; `obj` is what was decoded from it, before anything is taken out."""
    if (
        raw is None or ctx.field_validation == "Ignore" or raw.startswith(MAGIC)
    ):  # protobuf has no keys to repeat
        return []
    from pinnace.apimachinery import schema_duplicates

    if raw.lstrip()[:1] != b"{":
        return schema_duplicates.in_yaml(raw)
    return schema_duplicates.in_json(raw) if schema_duplicates.may_hold_duplicates(raw, obj) else []
