"""An OpenAPI v3 document as `explain` shows it: kind and version, description, fields with their types, enums, nested fields.

Lines are laid out as kubectl lays them out.
"""

import re
from collections.abc import Iterator
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.mapper import Resource

Object = dict[str, Any]
WIDTH = 76
ENUMS_IN_LISTS = 4  # so many values before a list says that there are more


class DocumentText:
    def __init__(self, document: Object, *, recursive: bool = False) -> None:
        self._document, self._recursive = document, recursive
        self._schemas: Object = (document.get("components") or {}).get("schemas") or {}

    def explain(self, resource: Resource, fields: list[str]) -> Iterator[str]:
        """First what the resource is, then what the field is; raises CliError when there is no such field."""
        kind = self._kind(resource)
        schema = next(
            (s for s in self._schemas.values() if kind in (s.get("x-kubernetes-group-version-kind") or ())),
            None,
        )
        if schema is None:
            raise CliError(f"GVK {_go_map(kind)} not found in OpenAPI schema")
        heads = [f"GROUP:      {kind['group']}"] if kind.get("group") else []
        heads += [f"KIND:       {kind['kind']}", f"VERSION:    {kind['version']}", ""]
        yield "\n".join(heads) + "\n"
        body = self._output(schema, fields, frozenset())
        if not body:
            raise CliError(f'field "{fields[-1]}" does not exist')
        yield f"{body}\n"

    def _kind(self, resource: Resource) -> Object:
        """Group, version and kind as the operations of the resource's path name them."""
        root = f"/apis/{resource.group}" if resource.group else "/api"
        version = f"{root}/{resource.version}"
        for base in (f"{version}/{resource.name}", f"{version}/namespaces/{{namespace}}/{resource.name}"):
            for path in (base, f"{base}/{{name}}"):
                operations = (self._document.get("paths") or {}).get(path) or {}
                for method in ("get", "post", "put", "patch", "delete"):
                    kind = (operations.get(method) or {}).get("x-kubernetes-group-version-kind")
                    if kind:
                        return dict(kind)
        raise CliError(
            f"GVR ({resource.group}/{resource.version}, Resource={resource.name}) not found in OpenAPI schema"
        )

    # --- the way to the field

    def _output(self, schema: Object, fields: list[str], seen: frozenset[str]) -> str:
        """What is said of the field that `fields` leads to; "" when there is none."""
        reference = schema.get("$ref", "")
        resolved = self._resolved(schema)
        if not fields:
            return self._described(resolved)
        if reference and reference in seen:
            return ""
        seen = seen | {reference}
        first, properties = fields[0], resolved.get("properties") or {}
        if first in properties:
            inner = properties[first]
            head = ""
            if len(fields) == 1:
                head = f"FIELD: {first} <{self._type(inner)}>\n{_enum_below(inner)}\n\n"
            below = self._output(inner, fields[1:], frozenset())
            return head + below if below else ""
        for nested in (resolved.get("items"), resolved.get("additionalProperties")):
            if isinstance(nested, dict):
                return self._output(nested, fields, seen)
        for alternative in resolved.get("allOf") or ():
            if found := self._output(alternative, fields, seen):
                return found
        return ""

    def _described(self, schema: Object) -> str:
        parts = [
            "DESCRIPTION:",
            _indented(_wrapped("".join(self._descriptions(schema)) or "<empty>", WIDTH), 4),
        ]
        text = "\n".join(parts) + "\n"
        if docs := schema.get("externalDocs"):
            text += "\n" + _external_docs(docs, 0)
        listed = "".join(self._fields(schema, 1, frozenset()))
        return text + (f"FIELDS:\n{listed}" if listed else "")

    def _descriptions(self, schema: Object) -> Iterator[str]:
        """Of the schema and of what it is a list or a map of."""
        resolved = self._resolved(schema)
        if resolved.get("description"):
            yield resolved["description"] + "\n"
        for alternative in _nested(resolved):
            yield from self._descriptions(alternative)

    # --- fields

    def _fields(self, schema: Object, level: int, seen: frozenset[str]) -> Iterator[str]:
        reference = schema.get("$ref", "")
        if reference and reference in seen:
            return
        seen = seen | {reference}
        resolved = self._resolved(schema)
        properties = resolved.get("properties") or {}
        for name in sorted(properties):
            yield self._field(name, resolved, level)
            if self._recursive:
                yield from self._fields(properties[name], level + 1, seen)
        for alternative in _nested(resolved):
            yield from self._fields(alternative, level, seen)

    def _field(self, name: str, owner: Object, level: int) -> str:
        schema, indent = owner["properties"][name], level * 2
        required = " -required-" if name in (owner.get("required") or ()) else ""
        text = f"{' ' * indent}{name}\t<{self._type(schema)}>{required}{_enum_beside(schema, indent)}\n"
        if self._recursive:
            return text
        about = schema.get("description") or "<no description>"
        text += _indented(_wrapped(about, 78 - indent), indent + 2) + "\n"
        if docs := schema.get("externalDocs"):
            text += "\n" + _external_docs(docs, indent + 2)
        return text + "\n"

    def _type(self, schema: Object) -> str:
        more = schema.get("additionalProperties")
        if schema.get("items"):
            return f"[]{self._type(schema['items'])}"
        if isinstance(more, dict) and more:
            return f"map[string]{self._type(more)}"
        alternatives = schema.get("allOf") or ()
        if len(alternatives) == 1 and not schema.get("properties"):
            return self._type(next(iter(alternatives)))
        if "$ref" in schema:
            kind = self._resolved(schema).get("type")
            if kind and kind != "object":
                return str(kind)
            return schema["$ref"].rsplit("/", 1)[-1].rsplit(".", 1)[-1] or "Object"
        kind = schema.get("type")
        return "Object" if kind in (None, "", "object") else str(kind)

    def _resolved(self, schema: Object) -> Object:
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        found: Object = self._schemas.get(name, schema)
        return found


def _nested(schema: Object) -> Iterator[Object]:
    yield from schema.get("allOf") or ()
    if schema.get("items"):
        yield schema["items"]
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and more:
        yield more


def _enum_below(schema: Object) -> str:
    values = schema.get("enum")
    return "ENUM:" + "".join(f"\n    {_shown(value)}" for value in values) if values else ""


def _enum_beside(schema: Object, indent: int) -> str:
    values = schema.get("enum")
    if not values:
        return ""
    more = ", ...." if len(values) > ENUMS_IN_LISTS else ""
    return f"\n{' ' * indent}enum: {', '.join(map(_shown, values[:ENUMS_IN_LISTS]))}{more}"


def _shown(value: Any) -> str:
    return '""' if value == "" else "true" if value is True else "false" if value is False else str(value)


def _external_docs(docs: Object, indent: int) -> str:
    text = _indented("EXTERNAL DOCS:", indent) + "\n"
    if docs.get("description"):
        text += _indented(_wrapped(docs["description"], WIDTH - indent), indent + 4) + "\n"
    if docs.get("url"):
        text += _indented(f"URL: {docs['url']}", indent + 4) + "\n"
    return text


def _indented(text: str, amount: int) -> str:
    pad = " " * amount
    return pad + text.replace("\n", f"\n{pad}")


def _wrapped(text: str, width: int) -> str:
    """Lines of at most `width` characters where words allow it; line ends and spaces within lines stay as they are."""
    return "\n".join(_wrapped_line(line, width) for line in text.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    out, at = "", 0
    for space, word in re.findall(r"([^\S\xa0]*)([\S\xa0]*)", line):
        if word and at + len(space) + min(len(word), width - 1) > width:
            out, at, space = f"{out}\n", 0, ""
        elif not word and at + len(space) > width:
            continue
        out += space + word
        at += len(space) + len(word)
    return out


def _go_map(value: Object) -> str:
    return "map[" + " ".join(f"{key}:{value[key]}" for key in sorted(value)) + "]"
