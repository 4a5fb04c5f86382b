"""Simple JSON paths in dot notation (`.spec.replicas`), as definitions name fields of their objects."""

from typing import Any

Object = dict[str, Any]


def steps(path: str) -> list[str]:
    """`.spec.replicas` -> spec, replicas. A dot within a name is written `\\.`."""
    return [step.replace("\0", ".") for step in path.replace("\\.", "\0").removeprefix(".").split(".")]


def read_path(obj: Any, path: str) -> Any:
    """The value there, or None."""
    for step in steps(path):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def write_path(obj: Object, path: str, value: Any) -> None:
    """Set the value there, in place, making the objects on the way."""
    *way, last = steps(path)
    for step in way:
        if not isinstance(obj.get(step), dict):
            obj[step] = {}
        obj = obj[step]
    obj[last] = value
