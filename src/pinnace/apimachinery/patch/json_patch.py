"""JSON patch (RFC 6902): add, remove, replace, move, copy, test on JSON pointers.

Upstream answers an operation that does not apply with 422 and one fixed sentence; here the reason follows it.
"""

from collections.abc import Callable
from typing import Any

import orjson

from pinnace.apimachinery import errors
from pinnace.apimachinery.copies import deep_copy, same

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024  # bytes of all copy operations of a patch, as upstream
_LONGEST_INDEX = 10  # digits

REJECTED = "the server rejected our request due to an error in our request"


class _Inapplicable(Exception):
    """The operation does not fit the document."""


def apply(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """The patched document; raises BadRequest for what is no patch, Invalid for an operation that does not apply."""
    patched: Any = deep_copy(document)  # the operations change it in place; what they put in is a copy too
    copied = 0
    for operation in _checked(operations):
        try:
            if operation["op"] == "copy":
                value = orjson.dumps(_find(patched, operation["from"], "copy"))
                copied += len(value)
                _check_copied(copied)
                patched = _put(patched, operation, orjson.loads(value))
            else:
                patched = _OPERATIONS[operation["op"]](patched, operation)
        except _Inapplicable as error:
            raise errors.Invalid(f"{REJECTED}: {error}") from error
    if not isinstance(patched, dict):
        raise errors.BadRequest("the patched document is not an object")
    return patched


def _check_copied(size: int) -> None:
    """Otherwise thirty operations that each double the document would fill all memory."""
    if size > MAX_COPIED:
        raise _Inapplicable(
            f"Unable to complete the copy, the accumulated size increase of copy is {size}, exceeding the limit {MAX_COPIED}"
        )


def _checked(operations: Any) -> list[dict[str, Any]]:
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise errors.BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise errors.RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(operations)}"
        )
    for operation in operations:
        if operation.get("op") not in _NAMES:
            raise errors.Invalid(f"{REJECTED}: Unexpected kind: {operation.get('op')}")
        needed = ("path", "from") if operation["op"] in ("move", "copy") else ("path",)
        for name in needed:
            if not isinstance(operation.get(name), str):
                raise errors.Invalid(
                    f"{REJECTED}: {operation['op']} operation failed to decode {name}: missing value"
                )
        if operation["op"] in ("add", "replace", "test") and "value" not in operation:
            raise errors.Invalid(f"{REJECTED}: {operation['op']} operation has no value: missing value")
    return operations


def _tokens(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise _Inapplicable(f'"{pointer}" is not a JSON pointer: it must begin with a slash')
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _index(token: str, length: int) -> int:
    """The position in a list that a token names, at most `length`."""
    plain = token.isascii() and token.isdecimal() and len(token) <= _LONGEST_INDEX
    if not plain or (len(token) > 1 and token.startswith("0")):
        raise _Inapplicable(f'invalid array index: "{token}"')
    if int(token) > length:
        raise _Inapplicable(f"Unable to access invalid index: {token}: invalid index referenced")
    return int(token)


def _find(node: Any, pointer: str, operation: str) -> Any:
    for token in _tokens(pointer):
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and _index(token, len(node)) < len(node):
            node = node[int(token)]
        else:
            raise _Inapplicable(
                f"{operation} operation does not apply: doc is missing path: {pointer}: missing value"
            )
    return node


def _change(
    document: Any, tokens: list[str], operation: dict[str, Any], edit: Callable[[Any, str], None]
) -> Any:
    """The document, whose container at the path's end went through `edit`."""
    node = document
    for token in tokens[:-1]:
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list):
            node = node[_index(token, len(node) - 1)]
        else:
            raise _missing(operation)
    if not isinstance(node, dict | list):
        raise _missing(operation)
    edit(node, tokens[-1])
    return document


def _missing(operation: dict[str, Any]) -> _Inapplicable:
    name, path = operation["op"], operation["path"]
    return _Inapplicable(f"{name} operation does not apply: doc is missing path: {path}: missing value")


def _put(document: Any, operation: dict[str, Any], value: Any) -> Any:
    def edit(container: Any, token: str) -> None:
        if isinstance(container, dict):
            container[token] = value
        else:
            container.insert(len(container) if token == "-" else _index(token, len(container)), value)

    tokens = _tokens(operation["path"])
    return _change(document, tokens, operation, edit) if tokens else value


def _add(document: Any, operation: dict[str, Any]) -> Any:
    return _put(document, operation, deep_copy(operation["value"]))


def _take(document: Any, operation: dict[str, Any], path: str) -> Any:
    def edit(container: Any, token: str) -> None:
        if isinstance(container, dict):
            if token not in container:
                raise _Inapplicable(
                    f"error in remove for path: '{path}': Unable to remove nonexistent key: {token}: missing value"
                )
            del container[token]
        elif _index(token, len(container)) == len(container):
            raise _Inapplicable(
                f"error in remove for path: '{path}': Unable to access invalid index: {token}"
            )
        else:
            del container[int(token)]

    tokens = _tokens(path)
    if not tokens:
        raise _missing(operation)
    return _change(document, tokens, operation, edit)


def _remove(document: Any, operation: dict[str, Any]) -> Any:
    return _take(document, operation, operation["path"])


def _replace(document: Any, operation: dict[str, Any]) -> Any:
    value = deep_copy(operation["value"])

    def edit(container: Any, token: str) -> None:
        if isinstance(container, dict):
            if token not in container:
                path = operation["path"]
                raise _Inapplicable(
                    f"replace operation does not apply: doc is missing key: {path}: missing value"
                )
            container[token] = value
        else:
            index = _index(token, len(container))
            if index == len(container):
                raise _missing(operation)
            container[index] = value

    tokens = _tokens(operation["path"])
    return _change(document, tokens, operation, edit) if tokens else value


def _move(document: Any, operation: dict[str, Any]) -> Any:
    source, path = operation["from"], operation["path"]
    value = _find(document, source, "move")
    if source == path:
        return document
    if path.startswith(f"{source}/"):
        raise _Inapplicable(f"move operation does not apply: {path} lies inside {source}")
    return _put(_take(document, operation, source), operation, value)


def _test(document: Any, operation: dict[str, Any]) -> Any:
    path, expected = operation["path"], operation["value"]
    try:
        value = _find(document, path, "test")
    except _Inapplicable:
        if expected is None:  # as upstream: what is absent equals null
            return document
        raise
    if not same(value, expected):
        raise _Inapplicable(f"testing value {path} failed: test failed")
    return document


_OPERATIONS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "test": _test,
}
_NAMES = frozenset((*_OPERATIONS, "copy"))
