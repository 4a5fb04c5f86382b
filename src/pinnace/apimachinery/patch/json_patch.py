"""JSON patch (RFC 6902) as Kubernetes takes it, which is looser in places: `replace` adds a key that is not there, `copy` of
what is not there gives null, `test` takes what is absent for null, indexes may count from the end.

https://github.com/evanphx/json-patch/blob/v4/patch.go is what the API server and kubectl use, both with its defaults but for
the limit of copies, which only the server has. Upstream's server answers an operation that does not apply with 422 and one
fixed sentence; here the reason follows it.
"""

import re
from typing import Any

import orjson

from pinnace.apimachinery import errors
from pinnace.apimachinery.copies import deep_copy, same

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024  # bytes of all copy operations of a patch, as upstream
_LONGEST_INDEX = 18  # characters

REJECTED = "the server rejected our request due to an error in our request"


class Inapplicable(Exception):
    """An operation does not fit the document."""


def apply(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """The patched document; raises BadRequest for what is no patch, Invalid for an operation that does not apply."""
    try:
        return applied(document, operations, MAX_COPIED)
    except Inapplicable as error:
        raise errors.Invalid(f"{REJECTED}: {error}") from error


def applied(document: dict[str, Any], operations: Any, most_copied: int = 0) -> dict[str, Any]:
    """As `apply`, with the bare reason (Inapplicable) for what does not apply; 0 for copies without limit."""
    patched: Any = deep_copy(document)  # the operations change it in place; what they put in is a copy too
    copied = 0
    for operation in _checked(operations):
        kind = operation.get("op") if isinstance(operation.get("op"), str) else "unknown"
        if kind == "copy":
            copied += _copy(patched, operation, most_copied - copied if most_copied else None, most_copied)
        elif kind == "replace" and operation.get("path") == "":
            patched = deep_copy(operation.get("value"))
            if not isinstance(patched, dict | list):
                raise Inapplicable("replace operation value must be object or array")
        elif kind == "test" and operation.get("path") == "":
            if not same(patched, operation.get("value")):
                raise Inapplicable("testing value  failed: test failed")
        elif kind in _OPERATIONS:
            _OPERATIONS[kind](patched, operation)
        else:
            raise Inapplicable(f"Unexpected kind: {kind}")
    if not isinstance(patched, dict):
        raise errors.BadRequest("the patched document is not an object")
    return patched


def _checked(operations: Any) -> list[dict[str, Any]]:
    if not isinstance(operations, list):
        kind = _GO_KINDS.get(type(operations), "object")
        raise errors.BadRequest(f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch")
    for operation in operations:
        if not isinstance(operation, dict | None):
            kind = _GO_KINDS.get(type(operation), "object")
            raise errors.BadRequest(
                f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Operation"
            )
    if len(operations) > MAX_OPERATIONS:
        raise errors.RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(operations)}"
        )
    return [operation or {} for operation in operations]


_GO_KINDS: dict[type, str] = {str: "string", int: "number", float: "number", bool: "bool", list: "array"}


# --- places in the document


class _List:
    """A list as the operations see it."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def get(self, key: str) -> Any:
        return self._items[self._index(key, len(self._items))]

    def put(self, key: str, value: Any) -> None:
        self._items[self._index(key, len(self._items))] = value

    def add(self, key: str, value: Any) -> None:
        if key == "-":
            self._items.append(value)
            return
        try:
            number = _number(key)
        except Inapplicable as error:
            raise Inapplicable(f"value was not a proper array index: '{key}': {error}") from error
        size = len(self._items) + 1
        if not -size <= number < size:
            raise Inapplicable(f"Unable to access invalid index: {number}: invalid index referenced")
        self._items.insert(number + size if number < 0 else number, value)

    def remove(self, key: str) -> None:
        del self._items[self._index(key, len(self._items))]

    @staticmethod
    def _index(key: str, length: int) -> int:
        number = _number(key)
        if not -length <= number < length:
            raise Inapplicable(f"Unable to access invalid index: {number}: invalid index referenced")
        return number


class _Object:
    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def get(self, key: str) -> Any:
        return self._fields.get(key)

    def put(self, key: str, value: Any) -> None:
        self._fields[key] = value

    add = put

    def remove(self, key: str) -> None:
        if key not in self._fields:
            raise Inapplicable(f"Unable to remove nonexistent key: {key}: missing value")
        del self._fields[key]


def _number(key: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", key):
        raise Inapplicable(f'strconv.Atoi: parsing "{key}": invalid syntax')
    if len(key) > _LONGEST_INDEX:
        raise Inapplicable(f'strconv.Atoi: parsing "{key}": value out of range')
    return int(key)


def _place(document: Any, path: str) -> tuple[_List | _Object, str] | None:
    """(what holds the last part of the path, that part); None where there is no such holder."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not parts:
        return None
    node = document
    for part in parts[:-1]:
        try:
            node = _holder(node).get(part)
        except Inapplicable:
            return None
        if not isinstance(node, dict | list):
            return None
    return _holder(node), parts[-1]


def _holder(node: Any) -> _List | _Object:
    return _List(node) if isinstance(node, list) else _Object(node)


def _required(document: Any, path: str, missing: str) -> tuple[_List | _Object, str]:
    found = _place(document, path)
    if found is None:
        raise Inapplicable(f"{missing}: missing value")
    return found


def _text(operation: dict[str, Any], name: str, *, plain: bool = False) -> str:
    """`path` or `from`. `plain`: operations that do not say what exactly is missing."""
    found = operation.get(name)
    if isinstance(found, str):
        return found
    why = (
        ""
        if plain
        else {"path": ": operation missing path field", "from": ": operation, missing from field"}[name]
    )
    raise Inapplicable(f"{operation['op']} operation failed to decode {name}{why}: missing value")


# --- operations


def _add(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path", plain=True)
    holder, key = _required(document, path, f'add operation does not apply: doc is missing path: "{path}"')
    try:
        holder.add(key, deep_copy(operation.get("value")))
    except Inapplicable as error:
        raise Inapplicable(f"error in add for path: '{path}': {error}") from error


def _remove(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path", plain=True)
    holder, key = _required(document, path, f'remove operation does not apply: doc is missing path: "{path}"')
    try:
        holder.remove(key)
    except Inapplicable as error:
        raise Inapplicable(f"error in remove for path: '{path}': {error}") from error


def _replace(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    holder, key = _required(document, path, f"replace operation does not apply: doc is missing path: {path}")
    try:
        holder.get(key)
    except Inapplicable as error:
        raise Inapplicable(
            f"replace operation does not apply: doc is missing key: {path}: missing value"
        ) from error
    holder.put(key, deep_copy(operation.get("value")))


def _move(document: Any, operation: dict[str, Any]) -> None:
    source = _text(operation, "from")
    holder, key = _required(
        document, source, f"move operation does not apply: doc is missing from path: {source}"
    )
    try:
        value = holder.get(key)
        holder.remove(key)
    except Inapplicable as error:
        raise Inapplicable(f"error in move for path: '{key}': {error}") from error
    path = _text(operation, "path")
    holder, key = _required(
        document, path, f"move operation does not apply: doc is missing destination path: {path}"
    )
    try:
        holder.add(key, value)
    except Inapplicable as error:
        raise Inapplicable(f"error in move for path: '{path}': {error}") from error


def _copy(document: Any, operation: dict[str, Any], room: int | None, most: int) -> int:
    """The size of what was copied. Without a limit thirty operations that each double the document would fill all memory."""
    source = _text(operation, "from")
    holder, key = _required(
        document, source, f"copy operation does not apply: doc is missing from path: {source}"
    )
    try:
        value = orjson.dumps(holder.get(key))
    except Inapplicable as error:
        raise Inapplicable(f"error in copy for from: '{source}': {error}") from error
    path = _text(operation, "path", plain=True)
    holder, key = _required(
        document, path, f"copy operation does not apply: doc is missing destination path: {path}"
    )
    if room is not None and len(value) > room:
        raise Inapplicable(
            f"Unable to complete the copy, the accumulated size increase of copy is {most - room + len(value)}, "
            f"exceeding the limit {most}"
        )
    try:
        holder.add(key, orjson.loads(value))
    except Inapplicable as error:
        raise Inapplicable(f"error while adding value during copy: {error}") from error
    return len(value)


def _test(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    holder, key = _required(document, path, f"test operation does not apply: is missing path: {path}")
    try:
        value = holder.get(key)
    except Inapplicable as error:
        raise Inapplicable(f"error in test for path: '{path}': {error}") from error
    if not same(value, operation.get("value")):
        raise Inapplicable(f"testing value {path} failed: test failed")


_OPERATIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "test": _test}
