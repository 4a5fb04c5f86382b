"""The functions of stage templates: KWOK's own, and the part of sprig that needs neither files nor the network.

Functions that look at the cluster (NodeIP, PodIP, ...) are given for each rendering. What is not here is an undefined function,
which the stage's Accepted condition says.
"""

import base64
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from pinnace import __version__
from pinnace.apimachinery.gotemplate import TemplateError, is_true, printed
from pinnace.kubelet.simulated.node_objects import node_conditions

Functions = dict[str, Callable[..., Any]]
BOUND = ("Now", "StartTime", "NodeIP", "NodeName", "NodePort", "NodeIPWith", "PodIP", "PodIPWith", "now")


def quote(value: Any) -> str:
    """KWOK's Quote: a string as JSON; anything else as a string that holds its JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if isinstance(value, str) else json.dumps(text, ensure_ascii=False)


def to_yaml(value: Any, indent: int = 0) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=False, sort_keys=True, allow_unicode=True)
    text = text.removesuffix("...\n")
    return ("\n" + text).replace("\n", "\n" + " " * 2 * indent) if indent > 0 else text


def _node_conditions() -> list[dict[str, str]]:
    network = {"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated",
               "message": "RouteController created a route"}  # fmt: skip
    own = [{key: one[key] for key in ("type", "status", "reason", "message")} for one in node_conditions("")]
    return [own[-1], *own[:-1], network]


def _plain(value: Any) -> str:
    return "" if value is None else printed(value)


def _number(value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        try:
            return float(value)
        except (TypeError, ValueError):
            return 0


def _int(value: Any) -> int:
    return int(_number(value))


def _list_of(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TemplateError(f"a list is needed, not {printed(value)}")
    return list(value)


def _dict(*pairs: Any) -> dict[str, Any]:
    return {
        printed(key): pairs[n + 1] if n + 1 < len(pairs) else "" for n, key in enumerate(pairs) if n % 2 == 0
    }


def _set(target: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    target[key] = value
    return target


def _unset(target: dict[str, Any], key: str) -> dict[str, Any]:
    target.pop(key, None)
    return target


def _merge(target: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    for other in others:
        for key, value in other.items():
            if isinstance(target.get(key), dict) and isinstance(value, dict):
                _merge(target[key], value)
            elif not is_true(target.get(key)):
                target[key] = value
    return target


def _fail(message: str) -> Any:
    raise TemplateError(message)


def _indent(spaces: int, text: str) -> str:
    return "\n".join(" " * spaces + line for line in text.split("\n"))


def _substr(start: int, end: int, text: str) -> str:
    return text[max(start, 0) :] if end < 0 or end > len(text) else text[max(start, 0) : end]


def _until_step(start: int, stop: int, step: int) -> list[int]:
    return list(range(start, stop, step)) if step else []


def _fold(work: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(*values: Any) -> Any:
        total = _number(values[0])
        for one in values[1:]:
            total = work(total, _number(one))
        return total

    return run


def _truncated(one: int, other: int) -> int:
    if other == 0:
        raise TemplateError("integer divide by zero")
    return int(math.copysign(abs(one) // abs(other), one * other)) if one * other else 0


def _go_replacement(text: str) -> str:
    return re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", text)


def _kind_of(value: Any) -> str:
    names = {
        type(None): "invalid",
        bool: "bool",
        int: "int",
        float: "float64",
        str: "string",
        dict: "map",
        list: "slice",
    }
    return names.get(type(value), type(value).__name__)


_TEXTS: Functions = {
    "upper": str.upper,
    "lower": str.lower,
    "title": lambda text: re.sub(r"\b\w", lambda m: m[0].upper(), text),
    "untitle": lambda text: re.sub(r"\b\w", lambda m: m[0].lower(), text),
    "trim": str.strip,
    "trimAll": lambda cut, text: text.strip(cut),
    "trimPrefix": lambda prefix, text: text.removeprefix(prefix),
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "nospace": lambda text: "".join(text.split()),
    "replace": lambda old, new, text: text.replace(old, new),
    "contains": lambda part, text: part in text,
    "hasPrefix": lambda prefix, text: text.startswith(prefix),
    "hasSuffix": lambda suffix, text: text.endswith(suffix),
    "repeat": lambda count, text: text * count,
    "substr": _substr,
    "trunc": lambda length, text: text[length:] if length < 0 and -length < len(text) else text[: max(length, 0)] if length >= 0 else text,
    "indent": _indent,
    "nindent": lambda spaces, text: "\n" + _indent(spaces, text),
    "quote": lambda *values: " ".join(json.dumps(_plain(v), ensure_ascii=False) for v in values if v is not None),
    "squote": lambda *values: " ".join(f"'{_plain(v)}'" for v in values if v is not None),
    "cat": lambda *values: " ".join(_plain(v) for v in values if v is not None),
    "join": lambda by, values: by.join(map(_plain, values if isinstance(values, list) else [values])),
    "splitList": lambda by, text: text.split(by),
    "split": lambda by, text: {f"_{n}": part for n, part in enumerate(text.split(by))},
    "regexMatch": lambda pattern, text: re.search(pattern, text) is not None,
    "regexFind": lambda pattern, text: (re.search(pattern, text) or [""])[0],
    "regexFindAll": lambda pattern, text, count: [m[0] for m in re.finditer(pattern, text)][: count if count >= 0 else None],
    "regexReplaceAll": lambda pattern, text, new: re.sub(pattern, _go_replacement(new), text),
    "regexReplaceAllLiteral": lambda pattern, text, new: re.sub(pattern, lambda _: new, text),
    "regexSplit": lambda pattern, text, count: re.split(pattern, text, maxsplit=max(count - 1, 0)),
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "b64dec": lambda text: base64.b64decode(text).decode(),
    "sha1sum": lambda text: hashlib.sha1(text.encode()).hexdigest(),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "toString": _plain,
    "toStrings": lambda values: [_plain(v) for v in values],
    "atoi": _int,
    "uuidv4": lambda: str(uuid.uuid4()),
}  # fmt: skip


_NUMBERS: Functions = {
    "int": _int, "int64": _int, "float64": lambda value: float(_number(value)),
    "add1": lambda value: _int(value) + 1,
    "add": _fold(lambda one, other: int(one) + int(other)),
    "sub": _fold(lambda one, other: int(one) - int(other)),
    "mul": _fold(lambda one, other: int(one) * int(other)),
    "div": _fold(lambda one, other: _truncated(int(one), int(other))),
    "mod": lambda one, other: _int(one) - _int(other) * _truncated(_int(one), _int(other)),
    "addf": _fold(lambda one, other: float(one) + float(other)),
    "subf": _fold(lambda one, other: float(one) - float(other)),
    "mulf": _fold(lambda one, other: float(one) * float(other)),
    "divf": _fold(lambda one, other: float(one) / float(other)),
    "max": _fold(lambda one, other: int(max(one, other))), "min": _fold(lambda one, other: int(min(one, other))),
    "floor": lambda value: float(math.floor(_number(value))), "ceil": lambda value: float(math.ceil(_number(value))),
    "round": lambda value, digits: float(round(_number(value), digits)),
    "until": lambda count: _until_step(0, _int(count), 1 if _int(count) >= 0 else -1),
    "untilStep": _until_step,
    "seq": lambda *bounds: " ".join(map(str, _sequence(*map(_int, bounds)))),
    "randInt": lambda low, high: random.randrange(_int(low), _int(high)),
}  # fmt: skip


def _sequence(*bounds: int) -> range:
    if len(bounds) == 1:
        return range(1, bounds[0] + 1) if bounds[0] >= 1 else range(1, bounds[0] - 1, -1)
    if len(bounds) == 2:
        first, last = bounds
        step = 1 if last >= first else -1
        return range(first, last + step, step)
    first, step, last = bounds
    return range(first, last + (1 if step > 0 else -1), step)


_COLLECTIONS: Functions = {
    "list": lambda *values: list(values),
    "dict": _dict,
    "get": lambda target, key: target.get(key, ""),
    "set": _set,
    "unset": _unset,
    "hasKey": lambda target, key: key in target,
    "keys": lambda *targets: [key for target in targets for key in sorted(target)],
    "values": lambda target: [target[key] for key in sorted(target)],
    "pick": lambda target, *keys: {key: target[key] for key in keys if key in target},
    "omit": lambda target, *keys: {key: value for key, value in target.items() if key not in keys},
    "pluck": lambda key, *targets: [target[key] for target in targets if key in target],
    "merge": _merge,
    "deepCopy": lambda value: json.loads(json.dumps(value)),
    "dig": lambda *parts: _dig(parts[:-2], parts[-2], parts[-1]),
    "first": lambda values: _list_of(values)[0] if values else None,
    "last": lambda values: _list_of(values)[-1] if values else None,
    "rest": lambda values: _list_of(values)[1:],
    "initial": lambda values: _list_of(values)[:-1],
    "append": lambda values, one: [*_list_of(values), one],
    "prepend": lambda values, one: [one, *_list_of(values)],
    "concat": lambda *lists: [one for each in lists for one in _list_of(each)],
    "has": lambda one, values: one in _list_of(values),
    "without": lambda values, *gone: [one for one in _list_of(values) if one not in gone],
    "compact": lambda values: [one for one in _list_of(values) if is_true(one)],
    "reverse": lambda values: list(reversed(_list_of(values))),
    "uniq": lambda values: [one for n, one in enumerate(values) if one not in values[:n]],
    "sortAlpha": lambda values: sorted(map(_plain, values if isinstance(values, list) else [values])),
}


def _dig(keys: tuple[Any, ...], default: Any, target: Any) -> Any:
    for key in keys:
        if not isinstance(target, Mapping) or key not in target:
            return default
        target = target[key]
    return target


_OTHERS: Functions = {
    "default": lambda default, value=None: value if is_true(value) else default,
    "empty": lambda value: not is_true(value),
    "coalesce": lambda *values: next((one for one in values if is_true(one)), None),
    "ternary": lambda one, other, condition: one if condition else other,
    "fail": _fail,
    "kindOf": _kind_of,
    "kindIs": lambda kind, value: _kind_of(value) == kind,
    "toJson": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "toPrettyJson": lambda value: json.dumps(value, ensure_ascii=False, indent=2),
    "fromJson": json.loads,
    "Quote": quote,
    "YAML": to_yaml,
    "Version": lambda: f"pinnace-{__version__}",
    "NodeConditions": _node_conditions,
}

FUNCTIONS: Functions = {**_TEXTS, **_NUMBERS, **_COLLECTIONS, **_OTHERS}


def _unbound(*_: Any) -> Any:
    raise TemplateError("this function is only there while a stage is played")


KNOWN: Functions = {**FUNCTIONS, **dict.fromkeys(BOUND, _unbound)}
