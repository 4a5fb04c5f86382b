"""`replacements`: the value of one field copied into others, whole or between delimiters."""

import re
from typing import Any, NamedTuple

from pinnace.cli.kustomize import documents
from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.identity import Gvk, Id
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet, matches_selector
from pinnace.cli.kustomize.scalars import SCALARS, guessed, like, text_of

Object = dict[str, Any]
_NAME = "metadata.name"


class Place(NamedTuple):
    """A value, by what holds it."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        self.holder[self.key] = value


def transform(folder: Folder, content: Object, resources: ResourceSet) -> None:
    for row in content.get("replacements") or ():
        for replacement in _rows(folder, row):
            source, targets = replacement.get("source"), replacement.get("targets")
            if not source or not targets:
                raise BuildError("replacements must specify a source and at least one target")
            value = _source_value(resources, source)
            for target in targets:
                _apply(resources, target, value)


def _rows(folder: Folder, row: Object) -> list[Object]:
    path = row.get("path")
    if not path:
        return [row]
    if row.get("source") or row.get("targets"):
        raise BuildError("cannot specify both path and inline replacement")
    found: list[Object] = []
    for document in documents.load_all(folder.read(path), path):
        found += document if isinstance(document, list) else [document]
    return found


# --- the source


def _wanted(selector: Object) -> Id:
    gvk = Gvk(selector.get("group") or "", selector.get("version") or "", selector.get("kind") or "")
    return Id(gvk, selector.get("name") or "", selector.get("namespace") or "")


def _source_value(resources: ResourceSet, source: Object) -> Any:
    wanted = _wanted(source)
    path = source.get("fieldPath") or _NAME
    shown = f"{wanted}:{path}" if source.get("fieldPath") else str(wanted)
    found = [one for one in resources.items if any(known.is_selected_by(wanted) for known in one.ids)]
    if len(found) > 1:
        raise BuildError(f"multiple matches for selector {shown}")
    if not found:
        raise BuildError(f"nothing selected by {shown}")
    places = _places(Place([found[0].obj], 0), _parts(path), None)
    if not places or places[0].value is None:
        raise BuildError(f"fieldPath `{path}` is missing for replacement source {wanted}")
    value = places[0].value
    options = source.get("options") or {}
    if not options.get("delimiter"):
        return value
    if not isinstance(value, SCALARS):
        raise BuildError("delimiter option can only be used with scalar nodes")
    pieces = text_of(value).split(options["delimiter"])
    index = options.get("index", 0)
    if not 0 <= index < len(pieces):
        raise BuildError(f"options.index {index} is out of bounds for value {text_of(value)}")
    return pieces[index]


# --- the targets


def _apply(resources: ResourceSet, target: Object, value: Any) -> None:
    select = target.get("select")
    if not select:
        raise BuildError("target must specify resources to select")
    rejected = [_wanted(row) for row in target.get("reject") or ()]
    for one in resources.items:
        if any(known.is_selected_by(row) for row in rejected for known in one.ids):
            continue
        if _is_selected(one, select):
            _copy(one, target, value)


def _is_selected(one: Resource, select: Object) -> bool:
    wanted = _wanted(select)
    return (
        matches_selector(one.labels(), select.get("labelSelector"))
        and matches_selector(one.annotations(), select.get("annotationSelector"))
        and any(known.is_selected_by(wanted) for known in one.ids)
    )


def _copy(one: Resource, target: Object, value: Any) -> None:
    from pinnace.apimachinery.copies import deep_copy

    options = target.get("options") or {}
    for path in target.get("fieldPaths") or [_NAME]:
        new = (type(value) if isinstance(value, (dict, list)) else _Blank) if options.get("create") else None
        word = "find or create" if new else "find"
        try:
            places = _places(Place([one.obj], 0), _parts(path), new)
        except BuildError as error:
            raise BuildError(f'unable to {word} field "{path}" in replacement target: {error}') from error
        if not places:
            raise BuildError(f'unable to {word} field "{path}" in replacement target')
        for place in places:
            place.put(_set(options, place.value, deep_copy(value)))


class _Blank(str):
    """A field that was made for the value: it has no type yet."""

    __slots__ = ()


def _set(options: Object, old: Any, value: Any) -> Any:
    if options.get("delimiter"):
        if not isinstance(old, SCALARS):
            raise BuildError("delimiter option can only be used with scalar nodes")
        pieces, index = text_of(old).split(options["delimiter"]), options.get("index", 0)
        if index < 0:
            pieces.insert(0, text_of(value))
        elif index >= len(pieces):
            pieces.append(text_of(value))
        else:
            pieces[index] = text_of(value)
        value = options["delimiter"].join(pieces)
    if isinstance(value, (dict, list)) or isinstance(old, (dict, list)):
        return value
    return guessed(text_of(value)) if isinstance(old, _Blank) else like(old, text_of(value))


# --- paths


def _parts(path: str) -> list[str]:
    """Split at dots, but not at escaped ones, nor inside of brackets."""
    found, part, depth, at = [], "", 0, 0
    while at < len(path):
        char = path[at]
        if char == "\\" and path[at + 1 : at + 2] == ".":
            part, at = part + ".", at + 2
            continue
        depth += (char == "[") - (char == "]")
        if char == "." and depth <= 0:
            found.append(part)
            part = ""
        else:
            part += char
        at += 1
    return [part for part in [*found, part] if part]


def _places(at: Place, parts: list[str], new: Any) -> list[Place]:
    """All that the path leads to. `new` makes the last value where the path is to be made; None makes nothing."""
    if not parts:
        return [at]
    part, node = parts[0], at.value
    if part.isdigit():
        return _indexed(node, parts, new)
    if part.startswith("[") and part.endswith("]"):
        return _matching(node, parts, new)
    if part == "*":
        holders = range(len(node)) if isinstance(node, list) else ()
        return [place for index in holders for place in _places(Place(node, index), parts[1:], new)]
    if not isinstance(node, dict):
        raise BuildError(
            f"wrong node kind: expected MappingNode but got {'SequenceNode' if isinstance(node, list) else 'ScalarNode'}"
        )
    if part not in node:
        if new is None:
            return []
        node[part] = _blank_for(parts[1:], new)
    return _places(Place(node, part), parts[1:], new)


def _blank_for(rest: list[str], new: Any) -> Any:
    if not rest:
        return new()
    return [] if rest[0].startswith("[") or rest[0].isdigit() else {}


def _indexed(node: Any, parts: list[str], new: Any) -> list[Place]:
    if not isinstance(node, list):
        raise BuildError("wrong node kind: expected SequenceNode but got MappingNode")
    index = int(parts[0])
    if index == len(node) and new is not None:
        node.append(_blank_for(parts[1:], new))
    if index >= len(node):
        raise BuildError(f"index {index} specified but only {len(node)} elements found")
    return _places(Place(node, index), parts[1:], new)


def _matching(node: Any, parts: list[str], new: Any) -> list[Place]:
    if not isinstance(node, list):
        raise BuildError("wrong node kind: expected SequenceNode but got MappingNode")
    field, _, pattern = parts[0][1:-1].partition("=")
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise BuildError(f"error parsing regexp: {error}") from error
    found: list[Place] = []
    matched = False
    for index, item in enumerate(node):
        value = item if not field else item.get(field) if isinstance(item, dict) else None
        if value is not None and wanted.search(text_of(value)):
            matched = True
            found += _places(Place(node, index), parts[1:], new) if field else [Place(node, index)]
    if found or matched or new is None:
        return found
    node.append({field: pattern} if field else pattern)
    return _matching(node, parts, new)
