"""OpenAPI documents of extension servers beside our own: the v3 index, and one v2 document of all. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

Document = dict[str, Any]
_PREFIX = "#/definitions/"


def with_places(index: Document, places: Mapping[str, Document]) -> Document:
    """The v3 index with the documents of extension servers, by `apis/GROUP/VERSION`."""
    paths = {**index["paths"], **places}
    return {**index, "paths": dict(sorted(paths.items()))}


def merged_v2(own: Document, other: Document, path: str) -> Document:
    """Our v2 document with the paths of another below `path`, and the definitions they use; equal names get a suffix."""
    paths = {
        key: value
        for key, value in (other.get("paths") or {}).items()
        if key.rstrip("/") == path or key.startswith(f"{path}/")
    }
    if not paths:
        return own
    kept = {key: value for key, value in own["paths"].items() if not _is_below(key, path)}
    definitions = dict(own.get("definitions") or {})
    theirs = other.get("definitions") or {}
    used = _used(paths, theirs)
    renamed = {
        name: _free_name(name, definitions)
        for name in used
        if name in definitions and definitions[name] != theirs[name]
    }
    if renamed:
        paths = _rewritten(paths, renamed)
    for name in used:
        definitions[renamed.get(name, name)] = _rewritten(theirs[name], renamed) if renamed else theirs[name]
    return {**own, "paths": dict(sorted({**kept, **paths}.items())), "definitions": definitions}


def _is_below(key: str, path: str) -> bool:
    return key.rstrip("/") == path or key.startswith(f"{path}/")


def _references(value: Any) -> set[str]:
    found: set[str] = set()
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            target = one.get("$ref")
            if isinstance(target, str) and target.startswith(_PREFIX):
                found.add(target[len(_PREFIX) :])
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return found


def _used(paths: Document, definitions: Document) -> set[str]:
    used: set[str] = set()
    pending = _references(paths)
    while pending:
        name = pending.pop()
        if name not in used and name in definitions:
            used.add(name)
            pending |= _references(definitions[name]) - used
    return used


def _free_name(name: str, taken: Document) -> str:
    number = 2
    while f"{name}_v{number}" in taken:
        number += 1
    return f"{name}_v{number}"


def _rewritten(value: Any, renamed: Mapping[str, str]) -> Any:
    text = orjson.dumps(value).decode()
    for old, new in renamed.items():
        text = text.replace(f'"{_PREFIX}{old}"', f'"{_PREFIX}{new}"')
    return orjson.loads(text)
