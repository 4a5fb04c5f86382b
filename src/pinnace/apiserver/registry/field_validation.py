"""Unknown fields, duplicate keys and wrong types in what a client sent: ignored, warned about or refused (`?fieldValidation=`).

Unknown fields are dropped, as upstream's decoder drops them; a wrong type is an error whatever the client asked for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pinnace.api import fields
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.patch.go_text import go_text
from pinnace.apimachinery.protobuf.codec import MAGIC
from pinnace.apimachinery.schema import Problem, Schema
from pinnace.apiserver.registry.context import WriteContext
from pinnace.client.interface import JSON_PATCH, STRATEGIC_MERGE_PATCH

Object = dict[str, Any]
_MOST_WARNINGS = 20
_OPERATION = frozenset(("op", "path", "from", "value"))


@dataclass(eq=False)
class Undecodable(errors.BadRequest):
    """`why` without the words around it: a patch that leads here is told in other words."""

    why: str = ""


def undecodable(row: Resource, why: str) -> Undecodable:
    place = f'{row.kind} in version "{row.gvr.version}" cannot be handled as a {row.kind}'
    return Undecodable(f"{place}: {why}", why=why)


def check(
    row: Resource,
    schema: Schema | None,
    obj: Object,
    ctx: WriteContext,
    raw: bytes | None = None,
    *,
    settled: Collection[str] = (),
    slips: Sequence[Problem] = (),
) -> bool:
    """Prune `obj` in place; raises BadRequest for wrong types always, for the rest when Strict. Fields that are `settled` are not looked into.

    True when the schema had nothing to object to.
    """
    if schema is None:
        return True
    repeated = duplicates(obj, ctx, raw)
    with set_aside(obj, settled):
        problems = schema.prune(obj)
    wrong = [problem for problem in problems if problem.kind == "type"]
    if wrong:
        raise undecodable(row, wrong[0].message)
    report(row, [*slips, *repeated, *problems], ctx)
    return not problems


def report(row: Resource, found: list[Problem], ctx: WriteContext) -> None:
    """Duplicate fields and unknown ones, as the client wants to be told."""
    if ctx.field_validation == "Ignore" or not found:
        return
    if ctx.field_validation == "Strict":
        texts = ", ".join(problem.message for problem in found)
        raise undecodable(row, f"strict decoding error: {texts}")
    for problem in found[:_MOST_WARNINGS]:
        ctx.warn(problem.message)


class set_aside:  # noqa: N801 - reads as the context manager that it is; a generator costs three times as much
    """While these fields of an object are empty structures, at their places."""

    __slots__ = ("_held", "_obj")

    def __init__(self, obj: Object, fields: Collection[str]) -> None:
        self._obj, self._held = obj, {name: obj[name] for name in fields}

    def __enter__(self) -> None:
        for name in self._held:
            self._obj[name] = {}

    def __exit__(self, *_: object) -> None:
        self._obj.update(self._held)


def duplicates(obj: Object, ctx: WriteContext, raw: bytes | None) -> list[Problem]:
    """Keys that the text repeats; `obj` is what was decoded from it, before anything is taken out."""
    if (
        raw is None or ctx.field_validation == "Ignore" or raw.startswith(MAGIC)
    ):  # protobuf has no keys to repeat
        return []
    from pinnace.apimachinery.schema_duplicates import in_json, in_yaml, may_hold_duplicates

    if raw.lstrip()[:1] != b"{":
        return in_yaml(raw)
    return in_json(raw) if may_hold_duplicates(raw, obj) else []


def slips_of_patch(media: str, change: Any, ctx: WriteContext, raw: bytes | None) -> list[Problem]:
    """What is wrong with the text of a patch itself: repeated keys, and fields that no JSON patch operation has."""
    if raw is None or ctx.field_validation == "Ignore":
        return []
    from pinnace.apimachinery import schema_duplicates

    found = schema_duplicates.in_json(raw) if schema_duplicates.may_hold_duplicates(raw, change) else []
    if media != JSON_PATCH:
        return found
    for place, operation in enumerate(change):
        unknown = operation.keys() - _OPERATION if isinstance(operation, dict) else ()
        paths = [f"[{place}].{name}" for name in sorted(unknown)]
        found += [Problem("unknown", path, f'unknown field "{path}"') for path in paths]
    return [Problem(slip.kind, slip.path, f"json patch {slip.message}") for slip in found]


def of_patch(error: Undecodable, media: str, change: Any, patched: Object) -> errors.Invalid:
    """A patch that leads to what cannot be decoded is Invalid, not a BadRequest: so upstream tells it."""
    shown = go_text(change) if media == STRATEGIC_MERGE_PATCH else orjson.dumps(patched).decode()
    return errors.invalid("", "", [fields.invalid("patch", shown, error.why)])


def check_configuration(applied: Object, ctx: WriteContext, raw: bytes | None) -> None:
    """Repeated keys in what is applied, which is read as YAML always."""
    if raw is None or ctx.field_validation == "Ignore":
        return
    from pinnace.apimachinery import schema_duplicates

    is_json = raw.lstrip()[:1] == b"{"
    if is_json and not schema_duplicates.may_hold_duplicates(raw, applied):
        return
    for problem in schema_duplicates.in_yaml(raw):
        text = f"error converting YAML to JSON: {problem.message}"
        if ctx.field_validation == "Strict":
            raise errors.BadRequest(f"error strict decoding YAML: {text}")
        ctx.warn(text)
