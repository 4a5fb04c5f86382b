"""Whatever a client sends, the answer is a new object or a Status error: never another exception, never a changed input."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery import errors
from pinnace.apimachinery.apply import managed_fields, server_side
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.patch import json_patch, merge_patch, strategic
from pinnace.apimachinery.schema import schemas
from properties import examples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = schemas.for_gvk(GVK("", "v1", "Pod"))

NAMES = st.sampled_from(
    ["metadata", "spec", "status", "containers", "name", "ports", "containerPort", "protocol", "env", "labels",
     "finalizers", "managedFields", "fieldsV1", "operation", "volumes", "resources", "limits", "$patch",
     "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "x"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**33), 2**33)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "b", "replace", "delete", "merge", "100m", "Apply", "Update", "=", "a.b/c"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
SPECS = st.fixed_dictionaries(
    {"apiVersion": st.just("v1"), "kind": st.just("Pod")},
    optional={
        "metadata": OBJECTS | SCALARS,
        "spec": st.fixed_dictionaries({}, optional={"containers": st.lists(OBJECTS, max_size=3), "volumes": VALUES})
        | SCALARS,
        "status": VALUES,
    },
)  # fmt: skip
POINTERS = st.lists(
    st.sampled_from(["spec", "containers", "0", "1", "-", "name", "~1", "~", "", "01"]), max_size=4
).map(lambda tokens: "".join(f"/{token}" for token in tokens))
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "nope"])},
        optional={"path": POINTERS | SCALARS, "from": POINTERS | SCALARS, "value": VALUES},
    ),
    max_size=4,
)


def check(function: Callable[[], Any], *inputs: Any) -> None:
    before = [repr(one) for one in inputs]
    with suppress(errors.StatusError):
        assert isinstance(function(), dict)
    assert [repr(one) for one in inputs] == before


@given(SPECS, OPERATIONS | VALUES)
@examples(80)
def test_json_patch(document: dict[str, Any], operations: Any) -> None:
    check(lambda: json_patch.apply(document, operations), document, operations)


@given(SPECS, SPECS | VALUES)
@examples(80)
def test_merge_and_strategic_patch(document: dict[str, Any], patch: Any) -> None:
    check(lambda: merge_patch.apply(document, patch), document, patch)
    check(lambda: strategic.apply(document, patch, POD), document, patch)


@given(SPECS)
@examples(80)
def test_schema(obj: dict[str, Any]) -> None:
    assert POD is not None
    problems = POD.check(obj)
    assert all(problem.message for problem in problems)
    if not any(problem.kind == "type" for problem in problems):
        POD.prune(obj)
        assert POD.check(obj) == []


@given(st.none() | SPECS, SPECS)
@examples(80)
def test_server_side_apply(live: dict[str, Any] | None, applied: dict[str, Any]) -> None:
    """What is stored has been decoded, so that its types are right."""
    assert POD is not None
    if live is not None and (POD.prune(live) and POD.check(live)):
        live = None
    check(
        lambda: server_side.apply(
            live, applied, manager="me", force=True, now=NOW, api_version="v1", schema=POD
        ),
        live,
        applied,
    )


@given(st.none() | SPECS, SPECS, st.sampled_from(["", "status"]))
@examples(80)
def test_record_update(old: dict[str, Any] | None, new: dict[str, Any], subresource: str) -> None:
    assert POD is not None
    for obj in (old, new):
        if obj is not None and POD.prune(obj) and POD.check(obj):
            return
    new.setdefault("metadata", {})
    managed_fields.record_update(
        old, new, manager="me", now=NOW, api_version="v1", subresource=subresource, schema=POD
    )
