"""What an object holds and what changed between two objects, as sets of fields."""

from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery.apply import fields, shapes
from pinnace.apimachinery.apply.fields import SELF, Fields
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]

# Structs and lists that upstream's Go types always hold, so that adding to them does not mean to own them. Custom objects have no Go
# types: of theirs only the metadata is nobody's.
_ALWAYS_THERE = frozenset(
    ("metadata", "spec", "status", "template", "jobTemplate", "strategy", "updateStrategy", "loadBalancer", "nodeInfo",
     "daemonEndpoints", "kubeletEndpoint", "containers", "resources", "source")
)  # fmt: skip


@dataclass(slots=True)
class Comparison:
    added: Fields = field(default_factory=dict)
    modified: Fields = field(default_factory=dict)
    removed: Fields = field(default_factory=dict)

    def _attach(self, element: str, inner: "Comparison") -> None:
        for name in ("added", "modified", "removed"):
            if subtree := getattr(inner, name):
                getattr(self, name)[element] = subtree

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.modified or self.removed)


def fields_of(value: Any, schema: Schema | None) -> Fields:
    """The fields that somebody who applies this value owns."""
    shape, result = shapes.shape_of(schema, value), {}
    if shape == "map":
        for name, item in value.items():
            subtree = _owned(item, shapes.child_of(schema, name), shapes.is_declared(schema, name))
            if subtree is not None:
                result[fields.field_element(name)] = subtree
    elif shape == "list":
        assert schema is not None
        for element, item in shapes.indexed(schema, value).items():
            subtree = fields.node(True, fields_of(item, schema.element))
            assert subtree is not None
            result[element] = subtree
    return result


def _owned(value: Any, schema: Schema | None, is_declared: bool) -> Fields | None:
    """A declared field with content is owned through its content alone; a map entry and a leaf by themselves."""
    if value in (None, {}) or shapes.shape_of(schema, value) == "leaf":
        return {}
    return fields.node(not is_declared, fields_of(value, schema))


def nulls_of(value: Any, schema: Schema | None) -> Fields:
    """The fields that a configuration sets to null, which means: it wants them absent."""
    result: Fields = {}
    if shapes.shape_of(schema, value) == "map":
        for name, item in value.items():
            subtree = fields.node(item is None, nulls_of(item, shapes.child_of(schema, name)))
            if subtree is not None:
                result[fields.field_element(name)] = subtree
    return result


_CONTAINERS = (dict, list)


def _unknown(name: str) -> None:
    return None


def _everything(value: Any, schema: Schema | None) -> Fields:
    """All that comes or goes with a value: each level is a member."""
    if type(value) is dict:
        if shapes.shape_of(schema, value) == "leaf":
            return {}
        child = schema.child if schema else _unknown
        result = {
            f"f:{name}": _everything(item, child(name)) if type(item) in _CONTAINERS else {}
            for name, item in value.items()
        }
    elif type(value) is list and schema is not None and schema.list_type != "atomic":
        result = {
            element: _everything(item, schema.element)
            for element, item in shapes.indexed(schema, value).items()
        }
    else:
        return {}
    if result:
        result[SELF] = {}
    return result


def compare(old: Object, new: Object, schema: Schema | None) -> Comparison:
    """What changed from `old` to `new`, two granular objects. Typed fields need no telling of true from 1."""
    result = Comparison()
    for name, item in new.items():
        element, child = fields.field_element(name), shapes.child_of(schema, name)
        before = old.get(name)
        if before is None and name not in old:
            before = _initial(name, item, schema)
        if before is None and name not in old:
            result.added[element] = _everything(item, child)
        elif before != item:
            _compare_values(result, element, before, item, child)
    for name in old.keys() - new.keys():
        result.removed[fields.field_element(name)] = _everything(old[name], shapes.child_of(schema, name))
    return result


def _initial(name: str, value: Any, schema: Schema | None) -> Any:
    if value and (name == "metadata" or (name in _ALWAYS_THERE and _is_go_type(schema))):
        return {} if isinstance(value, dict) else [] if isinstance(value, list) else None
    return None


def _is_go_type(schema: Schema | None) -> bool:
    return schema is None or (schema.struct is not None and schema.struct.name.startswith("io.k8s."))


def _compare_values(result: Comparison, element: str, old: Any, new: Any, schema: Schema | None) -> None:
    shape = shapes.shape_of(schema, new)
    if shape == "leaf" or shapes.shape_of(schema, old) != shape:
        result.modified[element] = {}
    elif shape == "map":
        result._attach(element, compare(old, new, schema))
    else:
        assert schema is not None
        result._attach(element, _compare_lists(old, new, schema))


def _compare_lists(old: list[Any], new: list[Any], schema: Schema) -> Comparison:
    result = Comparison()
    before, after = shapes.indexed(schema, old), shapes.indexed(schema, new)
    for element, item in after.items():
        if element not in before:
            result.added[element] = _everything(item, schema.element)
        elif before[element] != item:
            _compare_values(result, element, before[element], item, schema.element)
    for element in before.keys() - after.keys():
        result.removed[element] = _everything(before[element], schema.element)
    return result
