"""The annotation in which `apply` keeps what it applied last, so that it can tell removed fields from others' fields."""

import json
from typing import Any

Object = dict[str, Any]
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def with_annotation(obj: Object) -> Object:
    """A copy that carries itself (without the annotation) in the annotation."""
    metadata = dict(obj.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION}
    text = as_text({**obj, "metadata": {**metadata, "annotations": annotations}})
    return {**obj, "metadata": {**metadata, "annotations": {**annotations, ANNOTATION: text}}}


def as_text(obj: Object) -> str:
    """What stands in the annotation of this object."""
    metadata = obj.get("metadata") or {}
    if ANNOTATION in (metadata.get("annotations") or {}):
        annotations = {k: v for k, v in metadata["annotations"].items() if k != ANNOTATION}
        obj = {**obj, "metadata": {**metadata, "annotations": annotations}}
    return f"{compact(obj)}\n"


def compact(value: Any) -> str:
    """JSON in one line, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escape)
    return text


def of(obj: Object) -> Object | None:
    """What was applied last, None when nothing ever was."""
    text = (obj["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    found: Object = json.loads(text)
    return found
