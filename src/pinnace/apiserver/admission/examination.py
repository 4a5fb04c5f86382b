"""Which admission plugin changed which fields: looked at before and after each, for a trace."""

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.apiserver.admission.attributes import Admission
from pinnace.component.tracing import Span

if TYPE_CHECKING:
    from pinnace.apiserver.admission.chain import Step

MOST_FIELDS = 20


def examined(step: "Step", admission: Admission, span: Span) -> Callable[[Admission], Awaitable[None]]:
    """The plugin's step; tells `span` of what it changed in the object."""

    async def act(_: Admission) -> None:
        before = orjson.dumps(admission.object)
        await step.act(admission)
        after = orjson.dumps(admission.object)
        if before != after:
            fields = list(changed_fields(orjson.loads(before), orjson.loads(after)))
            more = [f"and {len(fields) - MOST_FIELDS} more"] if len(fields) > MOST_FIELDS else []
            span.changed(step.timing.name, fields[:MOST_FIELDS] + more)

    return act


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ, as validation writes them: `spec.containers[0].resources.limits[cpu]`.

    What is new or gone as a whole is named by its top; lists of different lengths by what was added at their end, else as a whole.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if key not in before or key not in after:
                yield _below(path, key)
            elif before[key] != after[key]:
                yield from changed_fields(before[key], after[key], _below(path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                yield from changed_fields(old, new, f"{path}[{at}]")
    elif isinstance(before, list) and isinstance(after, list) and before == after[: len(before)]:
        yield from (f"{path}[{at}]" for at in range(len(before), len(after)))
    elif before != after:
        yield path


def _below(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{key}]"
