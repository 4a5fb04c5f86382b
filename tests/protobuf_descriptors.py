"""Classes of the protobuf runtime for the messages of our table: a reader and writer of the wire format that is not ours."""

import re
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pinnace.apimachinery.protobuf import table

_TYPES = {"s": "STRING", "i": "INT64", "b": "BOOL", "y": "BYTES", "d": "DOUBLE"}
_Proto = descriptor_pb2.FieldDescriptorProto


def _flat(name: str) -> str:
    """One package for all, so that names cannot clash with packages."""
    return name.replace(".", "_")


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in table.SCALARS:
        field.type = getattr(_Proto, f"TYPE_{_TYPES[kind]}")
    else:
        field.type, field.type_name = _Proto.TYPE_MESSAGE, f".table.{_flat(kind)}"


def _add_map(message: descriptor_pb2.DescriptorProto, field: table.Field) -> str:
    name = "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_Proto.TYPE_STRING, label=_Proto.LABEL_OPTIONAL)
    _set_type(entry.field.add(name="value", number=2, label=_Proto.LABEL_OPTIONAL), field.kind)
    return f".table.{message.name}.{name}"


@cache
def _classes() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="table.proto", package="table", syntax="proto2")
    for name in table._lines():
        known = table.message(name)
        assert known
        message = file.message_type.add(name=_flat(name))
        for field in known.fields:
            many = field.shape != "one"
            added = message.field.add(
                name=re.sub(r"[^A-Za-z0-9]", "_", field.name.removeprefix("$")),  # `$ref`, `x-kubernetes-...`
                number=field.number,
                label=_Proto.LABEL_REPEATED if many else _Proto.LABEL_OPTIONAL,
            )
            if field.shape == "map":
                added.type, added.type_name = _Proto.TYPE_MESSAGE, _add_map(message, field)
            else:
                _set_type(added, field.kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def message_class(name: str) -> Any:
    """The class of the message `package.Name`."""
    found = _classes().FindMessageTypeByName(f"table.{_flat(name)}")
    return message_factory.GetMessageClass(found)
