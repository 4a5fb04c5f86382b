"""Sets of fields, in the very form in which `fieldsV1` stores them, so that reading and writing them costs nothing.

A set is a tree of path elements: `f:NAME` a field or map key, `k:{...}` a list element by its keys, `v:...` a list
element by its value. An element is a member when its subtree is empty or holds `.`; otherwise it only leads to members.
Sets are never changed: every operation gives a new one, which may share subtrees with its operands.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import orjson

Fields: TypeAlias = dict[str, "Fields"]
Path: TypeAlias = tuple[str, ...]

SELF = "."


def of_paths(*paths: Path) -> Fields:
    result: Fields = {}
    for path in paths:
        result = union(result, _single(path))
    return result


def _single(path: Path) -> Fields:
    tree: Fields = {}
    for element in reversed(path):
        tree = {element: tree}
    return tree


def node(is_member: bool, below: Fields) -> Fields | None:
    """The subtree of an element; None when there is nothing to say."""
    if is_member:
        return {SELF: {}, **below} if below else {}
    return below or None


def is_member(subtree: Fields) -> bool:
    return not subtree or SELF in subtree


def below(subtree: Fields) -> Fields:
    """The tree under an element, without the mark of the element itself."""
    if SELF not in subtree:
        return subtree
    return {element: tree for element, tree in subtree.items() if element != SELF}


def union(left: Fields, right: Fields) -> Fields:
    if not left or not right:
        return left or right
    result = dict(left)
    for element, theirs in right.items():
        ours = result.get(element)
        if ours is None:
            result[element] = theirs
        elif ours != theirs:
            merged = node(is_member(ours) or is_member(theirs), union(below(ours), below(theirs)))
            assert merged is not None
            result[element] = merged
    return result


def difference(left: Fields, right: Fields) -> Fields:
    """The members of `left` that are not members of `right`, each path by itself."""
    if not right:
        return left
    result: Fields = {}
    for element, ours in left.items():
        theirs = right.get(element)
        kept = (
            ours
            if theirs is None
            else node(is_member(ours) and not is_member(theirs), difference(below(ours), below(theirs)))
        )
        if kept is not None:
            result[element] = kept
    return result


def intersection(left: Fields, right: Fields) -> Fields:
    result: Fields = {}
    for element, ours in left.items():
        theirs = right.get(element)
        if theirs is None:
            continue
        kept = node(is_member(ours) and is_member(theirs), intersection(below(ours), below(theirs)))
        if kept is not None:
            result[element] = kept
    return result


def paths(fields: Fields, prefix: Path = ()) -> Iterator[Path]:
    """Every member, in order."""
    for element in sorted(fields, key=_order):
        subtree, path = fields[element], (*prefix, element)
        if element == SELF:
            continue
        if is_member(subtree):
            yield path
        yield from paths(subtree, path)


def _order(element: str) -> tuple[int, str]:
    return (".fkvi".find(element[0]), element)


# --- path elements --------------------------------------------------------------------------------------------------


def field_element(name: str) -> str:
    return f"f:{name}"


def value_element(value: Any) -> str:
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def key_element(keys: dict[str, Any]) -> str:
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def path_text(path: Path) -> str:
    """`.spec.containers[name="web"].image`, as upstream prints it."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    kind, content = element[:2], element[2:]
    if kind == "f:":
        return f".{content}"
    if kind == "v:":
        return f"[={content}]"
    if kind == "k:":
        keys = orjson.loads(content)
        return "[" + ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys.items()) + "]"
    return f"[{content}]"
