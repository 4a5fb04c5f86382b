"""What one mutation makes of an object: the merge of an apply configuration, or a JSON patch.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/mutating/patch
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.apimachinery import cel, errors
from pinnace.apimachinery.apply import fields, shapes
from pinnace.apimachinery.apply.merge import merged
from pinnace.apimachinery.apply.typed import check_typed
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.patch import json_patch
from pinnace.apimachinery.schema import Schema
from pinnace.apiserver.admission.policies.evaluation import Failed

Object = dict[str, Any]


def apply_configuration(obj: Object, result: Any, schema: Schema | None) -> Object:
    """The object with the configuration merged in; raises Failed."""
    _check_names(result, ("Object",))
    change = cel.to_json(result)
    change["apiVersion"], change["kind"] = obj["apiVersion"], obj["kind"]
    if schema is None:
        raise Failed(f"Resource kind {obj['kind']} has no schema: use a JSONPatch")
    try:
        check_typed(change, schema)
    except errors.BadRequest as error:
        _, _, why = error.message.partition("): ")
        raise Failed(
            f"error applying patch: failed to convert patch object to typed object: {why or error.message}"
        ) from error
    if atomics := list(_atomics(change, schema, ())):
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomics)}"
        raise Failed(f"error applying patch: invalid ApplyConfiguration: {why}")
    new: Object = deep_copy(merged(obj, change, schema))
    return new


def patched(obj: Object, result: Any) -> Object:
    """The object with the JSON patch applied; unchanged when one of its tests fails. Raises Failed."""
    operations = [_operation(one) for one in result]
    try:
        return json_patch.apply(obj, operations)
    except errors.StatusError as error:
        why = error.message.removeprefix(f"{json_patch.REJECTED}: ")
        if any(operation["op"] == "test" for operation in operations) and "test" in why:
            return obj
        raise Failed(f"JSONPath: {why}") from error


def _operation(given: Mapping[str, Any]) -> Object:
    operation = {"op": given.get("op", ""), "path": given.get("path", "")}
    if given.get("from"):
        operation["from"] = given["from"]
    if "value" in given:
        value = given["value"]
        if isinstance(value, cel.Struct):
            _check_names(value, tuple(value.type_name.split(".")))
        try:
            operation["value"] = cel.to_json(value)
        except cel.EvaluationError as error:
            why = "JSONPath valueExpression evaluated to a type that could not marshal to JSON"
            raise Failed(f"{why}: {error}") from error
    return operation


def _check_names(value: Any, path: tuple[str, ...]) -> None:
    """`Object.spec{...}` may only stand where the field `spec` of an Object does."""
    if isinstance(value, cel.Struct):
        expected = ".".join(path)
        if value.type_name != expected:
            raise Failed(
                f'type mismatch: unexpected type name "{value.type_name}", expected "{expected}", which matches field '
                "name path from root Object type"
            )
        for name, item in value.items():
            _check_names(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            _check_names(item, path)
    elif isinstance(value, dict):
        for item in value.values():
            _check_names(item, path)


def _atomics(value: Any, schema: Schema | None, path: fields.Path) -> Iterator[str]:
    """Paths of what merging would replace as a whole."""
    if schema is None or not isinstance(value, dict | list):
        return
    if shapes.shape_of(schema, value) == "leaf":
        yield fields.path_text(path)
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _atomics(item, shapes.child_of(schema, name), (*path, fields.field_element(name)))
    else:
        for index, item in enumerate(value):
            yield from _atomics(item, schema.element, (*path, f"i:{index}"))
