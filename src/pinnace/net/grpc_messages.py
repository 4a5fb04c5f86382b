"""Protobuf messages from a table of facts instead of generated code.

One line a message: its name, then `number name type` for each field. `*` marks a repeated field, `map` is a map of strings,
a capital letter starts the name of another message. Enumerations are written int32, and the members of a oneof as plain
fields, which is the same on the wire. A line that begins with spaces continues the one before.
Left out: nested messages (a message of its own is the same on the wire), maps of anything but strings.
"""

from typing import Any


def parse_table(table: str) -> dict[str, list[tuple[int, str, str]]]:
    """Message name -> (number, field, type) of each field."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    for line in table.replace(",\n   ", ",").splitlines():
        name, _, fields = line.partition(":")
        if name:
            parts = [field.split() for field in fields.split(",") if field.strip()]
            found[name] = [(int(number), field, kind) for number, field, kind in parts]
    return found


def build_classes(package: str, table: str) -> dict[str, Any]:
    """The classes of a table by name; protobuf is imported here. Costs milliseconds: callers keep the result."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name=f"pinnace/{package}.proto", package=package, syntax="proto3"
    )
    field_type = descriptor_pb2.FieldDescriptorProto
    for name, fields in parse_table(table).items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            entry = message.field.add(name=field, number=number)
            entry.label = (
                field_type.LABEL_REPEATED if kind[0] == "*" or kind == "map" else field_type.LABEL_OPTIONAL
            )
            kind = kind.lstrip("*")
            if kind == "map":
                kind = _add_map_entry(message, field)
            if kind[0].isupper():
                entry.type, entry.type_name = field_type.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                entry.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message.name}"))
        for message in file.message_type
    }


def _add_map_entry(message: Any, field: str) -> str:
    """A map of strings is a repeated nested message on the wire; returns the nested message's name."""
    name = "".join(part.capitalize() for part in field.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for number, part in ((1, "key"), (2, "value")):
        entry.field.add(name=part, number=number, type=9, label=1)  # an optional string
    return f"{message.name}.{name}"
