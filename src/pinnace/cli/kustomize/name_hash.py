"""The suffix of generated names: a hash of the content, as kubectl and kustomize compute it."""

import hashlib
import json
from typing import Any

Object = dict[str, Any]
_LETTERS = str.maketrans("013ae", "ghkmt")  # no vowels, no digits that look like letters
_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def of(obj: Object) -> str:
    digest = hashlib.sha256(_encoded(obj).encode()).hexdigest()
    return digest[:10].translate(_LETTERS)


def _encoded(obj: Object) -> str:
    kind = obj.get("kind")
    if kind not in ("ConfigMap", "Secret"):
        return _json(obj)
    parts: Object = {"kind": kind, "name": "", "data": obj.get("data", "")}
    if kind == "ConfigMap":
        if obj.get("binaryData"):
            parts["binaryData"] = obj["binaryData"]
    else:
        parts["type"] = obj.get("type", "")
        if obj.get("stringData"):
            parts["stringData"] = obj["stringData"]
    return _json(parts)


def _json(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for char, escape in _GO_ESCAPES.items():
        text = text.replace(char, escape)
    return text
