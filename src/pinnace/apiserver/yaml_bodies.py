"""YAML bodies, read with limits: the C parser overflows its stack on deep nesting, and aliases can grow without bound.

One pass over the parser's events, which needs no stack, measures depth and expanded size before anything is built.
"""

import math
from typing import Any

import orjson
import yaml

from pinnace.apimachinery import errors

MAX_DEPTH = 250
MAX_NODES = 1_000_000
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def decode(body: bytes) -> Any:
    """The one document of `body` as JSON values; raises BadRequest."""
    try:
        _measure(body)
        value = yaml.load(body, Loader=_Loader)  # noqa: S506 - a safe loader, in C where there is one
        _check_numbers(value)
        return orjson.loads(orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(f"yaml: {' '.join(str(error).split())}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(str(error)) from error


def encode(body: bytes) -> bytes:
    """JSON bytes as YAML."""
    text: str = yaml.dump(orjson.loads(body), Dumper=_Dumper, default_flow_style=False, allow_unicode=True)
    return text.encode()


def _refused(why: str) -> errors.BadRequest:
    return errors.BadRequest(f"error converting YAML to JSON: {why}")


def _measure(body: bytes) -> None:
    """`open_nodes` counts, for each collection that is not closed yet, what it would hold with its aliases written out."""
    open_nodes = [0]
    anchors: dict[str | None, int] = {}
    names: list[str | None] = [None]
    for event in yaml.parse(body, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(1)
            names.append(event.anchor)
            if len(open_nodes) > MAX_DEPTH:
                raise _refused("exceeded max depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            size, name = open_nodes.pop(), names.pop()
            open_nodes[-1] += size
            if name is not None:
                anchors[name] = size
        elif isinstance(event, yaml.AliasEvent):
            open_nodes[-1] += anchors.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            open_nodes[-1] += 1
        if open_nodes[-1] > MAX_NODES:
            raise _refused("the document is too large once its aliases are written out")


def _check_numbers(value: Any) -> None:
    """JSON has no infinity; aliases were measured before, so that this ends."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise ValueError(f"json: unsupported value: {name}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_numbers(item)


def _plain(value: Any) -> Any:
    """YAML's dates are text in Kubernetes."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"unsupported value of type {type(value).__name__}")
