"""The table against the OpenAPI definitions: a property that it lacks would be missing from every protobuf answer."""

from typing import Any

from pinnace.apimachinery.protobuf import special, table
from pinnace.apimachinery.protobuf.table import Field
from pinnace.apimachinery.schema_definitions import Definitions

API, META = "io.k8s.api.", "io.k8s.apimachinery.pkg.apis.meta.v1."
TYPE_META = {"kind", "apiVersion"}
TYPES = {"string": "s", "integer": "i", "boolean": "b", "number": "d"}
IN_TABLE_ONLY = {"shardInfo"}  # of list metadata, newer than the definitions
NOT_IN_TABLE = {"Patch", "DeleteOptions", "Table", "APIVersions"}
DEFINITIONS = Definitions()


def message_name(definition: str) -> str | None:
    if definition.startswith(API):
        return definition.removeprefix(API)
    if definition.startswith(META):
        return f"meta.v1.{definition.removeprefix(META)}"
    return None


def fields_of(message: str) -> dict[str, Field]:
    """With those of inline messages, which are the same JSON object."""
    known = table.message(message)
    assert known, message
    found: dict[str, Field] = {}
    for field in known.fields:
        found |= fields_of(field.kind) if field.is_inline else {field.name: field}
    return found


def type_of(schema: dict[str, Any]) -> str:
    """A type that may be null comes as a list of two."""
    found = schema.get("type", "")
    return found if isinstance(found, str) else next(name for name in found if name != "null")


def shape_of(schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if type_of(schema) == "array":
        return "list", schema["items"]
    if isinstance(schema.get("additionalProperties"), dict):
        return "map", schema["additionalProperties"]
    return "one", schema


def referenced(schema: dict[str, Any]) -> str:
    found: str = schema.get("$ref", "") or next((part["$ref"] for part in schema.get("allOf", ())), "")
    return found.rpartition("/")[2]


def problem(name: str, field: Field, schema: dict[str, Any]) -> str:
    shape, value = shape_of(schema)
    if field.kind in special.DECODERS:
        return ""
    if field.shape != shape:
        return f"{name}.{field.name} is a {shape}"
    target = referenced(value)
    if target:
        wanted = message_name(target)
        return f"{name}.{field.name} is a {target}" if wanted and wanted != field.kind else ""
    kind = "y" if value.get("format") == "byte" else TYPES.get(type_of(value), field.kind)
    return f"{name}.{field.name} is a {value}" if kind != field.kind else ""


def test_the_table_has_every_property_with_its_type() -> None:
    problems, seen = [], 0
    for definition in DEFINITIONS:
        name = message_name(definition)
        if name is None or (name.startswith("meta.v1.") and name.rpartition(".")[2] in NOT_IN_TABLE):
            continue
        properties = DEFINITIONS.get(definition).get("properties")
        if not properties:
            continue
        known = fields_of(name)
        problems += [f"{name}.{lost}" for lost in properties.keys() - known.keys() - TYPE_META]
        problems += [f"{name}.{more}" for more in known.keys() - properties.keys() - IN_TABLE_ONLY]
        for field in known.keys() & properties.keys():
            problems.append(problem(name, known[field], properties[field]))
        seen += 1
    assert [found for found in problems if found] == []
    assert seen > 500


def test_a_required_number_counts_when_it_is_zero() -> None:
    """An empty string that is required is refused as missing, said or not."""
    lost = set()
    for definition in DEFINITIONS:
        name = message_name(definition)
        schema = DEFINITIONS.get(definition)
        if name is None or table.message(name) is None:
            continue
        known = fields_of(name)
        for required in schema.get("required", ()):
            field = known.get(required)
            if field is not None and field.shape == "one" and field.kind in "ibd" and not field.keeps_zero:
                lost.add(f"{name}.{required}")
    assert lost == set()
