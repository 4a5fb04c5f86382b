"""`apply --overwrite=false`: a patch that would undo what others changed since the last apply is an error.

kubectl compares with all that the server holds and the last manifest does not say, its own annotation among it: so nearly
every change is such a conflict. https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go
"""

from typing import Any, NamedTuple

from pinnace.apimachinery.schema import Schema
from pinnace.cli.applying_errors import about
from pinnace.cli.builder import Selection
from pinnace.cli.errors import CliError
from pinnace.cli.last_applied import ANNOTATION, compact
from pinnace.cli.printers import to_text
from pinnace.cli.session import warn
from pinnace.cli.three_way import patch_for

Object = dict[str, Any]


class States(NamedTuple):
    original: Object
    modified: Object
    current: Object


def check(one: Selection, states: States, patch: Object, schema: Schema, *, openapi: bool) -> None:
    changed = _without_order(patch_for(states.original, states.current, states.original, schema))
    if not conflicts(patch, changed, schema):
        return
    text = (
        f"patch:\n{to_text(patch, 'yaml')}\nconflicts with changes made from original to current:\n"
        f"{to_text(changed, 'yaml')}\n"
    )
    if openapi:  # kubectl tries each way to know the merge keys
        warn(f"warning: error calculating patch from openapi v3 spec: {text}")
        warn(f"warning: error calculating patch from openapi spec: {text}")
    original = (states.current["metadata"].get("annotations") or {}).get(ANNOTATION, "")
    raise CliError(
        f'{about(one, "")}error when patching "{one.source}": creating patch with:\noriginal:\n{original}\n'
        f"modified:\n{compact(states.modified)}\n\ncurrent:\n{compact(states.current)}\n\n"
        f"for:: {text.removesuffix(chr(10))}"
    )


def _without_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_order(item)
            for name, item in value.items()
            if not name.startswith(("$setElementOrder/", "$retainKeys"))
        }
    return [_without_order(item) for item in value] if isinstance(value, list) else value


def conflicts(left: Any, right: Any, schema: Schema | None) -> bool:
    """Whether two patches want different things of the same field. Pure."""
    if type(left) is not type(right):
        return True
    if isinstance(left, dict):
        if left.get("$patch") != right.get("$patch"):
            return True
        if schema is not None and "replace" in schema.patch_strategies:
            return False
        return any(
            name in right
            and conflicts(value, right[name], schema.child(name) if schema is not None else None)
            for name, value in left.items()
            if not name.startswith("$")
        )
    if isinstance(left, list) and schema is not None and "merge" in schema.patch_strategies:
        if not schema.merge_key or not all(isinstance(item, dict) for item in [*left, *right]):
            return False
        others = {item.get(schema.merge_key): item for item in right}
        return any(
            conflicts(item, others[item.get(schema.merge_key)], schema.element)
            for item in left
            if item.get(schema.merge_key) in others
        )
    return bool(left != right)
