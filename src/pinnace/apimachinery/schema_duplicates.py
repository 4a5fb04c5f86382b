"""Keys that occur twice in one object of a JSON or YAML text; decoders keep the last one silently.

Needed for fieldValidation Warn and Strict only. For JSON, counting quotes (3 us for a pod) tells nearly always that there are none;
otherwise it costs one pass of the standard library's parser. Paths are built only when there is something to tell.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import yaml

from pinnace.apimachinery.schema_check import Problem


def may_hold_duplicates(text: bytes, decoded: Any) -> bool:
    """False when the decoded value accounts for every string of a JSON text, so that no key was lost. Quotes are counted: escaped ones
    stay escaped when the value is encoded again, and the one other way to write a quote is looked for."""
    try:
        again = orjson.dumps(decoded)
    except TypeError:  # nested deeper than it writes
        return True
    return b"\\u0022" in text or text.count(b'"') != again.count(b'"')


def in_json(text: bytes) -> list[Problem]:
    """The duplicates of a well-formed JSON text: `duplicate field "spec.replicas"`."""
    try:
        json.loads(text, object_pairs_hook=_refuse_duplicates)
    except _DuplicateFound:
        paths = dict.fromkeys(_duplicate_paths(json.loads(text, object_pairs_hook=_Pairs), ""))
        return [Problem("duplicate", path, f'duplicate field "{path}"') for path in paths]
    except RecursionError:  # nested deeper than any kind: its unknown fields are reported anyway
        return []
    return []


class _DuplicateFound(Exception):
    pass


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _DuplicateFound


class _Pairs(list[tuple[str, Any]]):
    """The pairs of one object as they stood in the text."""


def _duplicate_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, item in value:
            here = f"{path}.{name}" if path else name
            if name in seen:
                yield here
            seen.add(name)
            yield from _duplicate_paths(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicate_paths(item, f"{path}[{index}]")


def in_yaml(text: bytes) -> list[Problem]:
    """The duplicates of a well-formed YAML document as one problem, in the words of upstream's YAML reader."""
    found = list(_duplicate_keys(yaml.compose(text, Loader=yaml.SafeLoader)))
    if not found:
        return []
    lines = [f'  line {line}: key "{name}" already set in map' for line, name in found]
    return [Problem("duplicate", found[0][1], "\n".join(["yaml: unmarshal errors:", *lines]))]


def _duplicate_keys(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from _duplicate_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicate_keys(item)
