"""Random schemas and random objects: nothing is dropped or filled in twice, and whatever is wrong is a finding."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinnace.api.apiextensions import embedded, schema_validation
from pinnace.api.apiextensions.custom_strategy import CustomResourceStrategy
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS as CRDS
from pinnace.api.resources import STATUS, Resource
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.errors import Cause, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.schema import schemas
from pinnace.apimachinery.structural.defaulting import default
from pinnace.apimachinery.structural.node import Structural
from pinnace.apimachinery.structural.pruning import prune
from properties import examples

MANY = settings(examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
NAMES = st.sampled_from(["a", "b", "spec", "status", "metadata", "kind", "name"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(-2, 2),
    st.sampled_from(["", "a", "10", "2020-01-01"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


def _leaf(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "any", "int-or-string"]))
    if kind == "any":
        return {"x-kubernetes-preserve-unknown-fields": True}
    if kind == "int-or-string":
        return {"x-kubernetes-int-or-string": True}
    return {"type": kind}


@st.composite
def structural(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    shape = draw(st.sampled_from(["leaf", "object", "map", "array"])) if depth else "leaf"
    made: dict[str, Any]
    if shape == "object":
        names = draw(st.lists(NAMES, max_size=3, unique=True))
        made = {"type": "object", "properties": {name: draw(structural(depth=depth - 1)) for name in names}}
        if draw(st.booleans()):
            made["required"] = names[:1]
        if draw(st.booleans()):
            made["x-kubernetes-preserve-unknown-fields"] = True
        if draw(st.booleans()):
            made["x-kubernetes-embedded-resource"] = True
    elif shape == "map":
        made = {"type": "object", "additionalProperties": draw(structural(depth=depth - 1))}
    elif shape == "array":
        made = {"type": "array", "items": draw(structural(depth=depth - 1))}
        made["x-kubernetes-list-type"] = draw(st.sampled_from(["atomic", "set", "map"]))
        if made["x-kubernetes-list-type"] == "map":
            made["x-kubernetes-list-map-keys"] = ["name"]
    else:
        made = _leaf(draw)
    if draw(st.booleans()):
        made["nullable"] = True
    if draw(st.booleans()):
        made["default"] = draw(VALUES)
    for limit in ("maxLength", "minItems", "maxProperties", "minimum", "multipleOf"):
        if draw(st.integers(0, 5)) == 0:
            made[limit] = draw(st.integers(1, 3))
    if draw(st.integers(0, 4)) == 0:
        made["enum"] = draw(st.lists(SCALARS, min_size=1, max_size=3))
    if draw(st.integers(0, 4)) == 0:
        made["anyOf"] = [{"minimum": 1}, {"pattern": "^a"}]
    return made


@st.composite
def roots(draw: st.DrawFn) -> dict[str, Any]:
    made = draw(structural())
    return (
        {**made, "type": "object"}
        if made.get("type") != "array"
        else {"type": "object", "properties": {"spec": made}}
    )


@MANY
@given(roots(), st.dictionaries(NAMES, VALUES, max_size=4))
def test_pruning_twice_drops_nothing_more(schema: dict[str, Any], obj: dict[str, Any]) -> None:
    node = Structural(schema, is_root=True)
    prune(node, obj)
    once = deep_copy(obj)
    assert prune(node, obj) == []
    assert obj == once


@MANY
@given(roots(), st.dictionaries(NAMES, VALUES, max_size=4))
def test_filling_in_twice_changes_nothing_more(schema: dict[str, Any], obj: dict[str, Any]) -> None:
    """Of schemas whose defaults are sound, as definitions' are."""
    node = Structural(schema, is_root=True)
    default(node, obj)
    default(node, obj)  # an unsound default may itself want something filled in
    once = deep_copy(obj)
    assert not default(node, obj)
    assert obj == once


ROW = Resource(GVR("example.com", "v1", "foos"), "Foo", subresources=(STATUS,), revision="1")
OBJECT_META = schemas.by_name("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")


@MANY
@given(roots(), st.dictionaries(NAMES, VALUES, max_size=4), st.dictionaries(NAMES, VALUES, max_size=4))
def test_whatever_an_object_is_its_judgement_is_a_list_of_findings(
    schema: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    node = Structural(schema, is_root=True)
    strategy = CustomResourceStrategy(ROW, {"name": "v1"}, node)
    ready = []
    for obj in (first, second):
        obj["metadata"] = {"name": "x", "namespace": "default", "resourceVersion": "1"}
        try:
            embedded.coerce(node, obj, OBJECT_META)
            prune(node, obj)
            strategy.default(obj)
        except StatusError:
            return
        ready.append(obj)
    strategy.prepare_create(ready[0])
    found = strategy.validate(ready[0])
    strategy.prepare_update(ready[1], ready[0])
    found += strategy.validate_update(ready[1], ready[0])
    found += strategy.validate_status_update(ready[1], ready[0])
    assert all(isinstance(cause, Cause) for cause in found)
    assert strategy.validate_update(deep_copy(ready[0]), ready[0]) == [] or strategy.validate(ready[0])


@MANY
@given(roots())
def test_whatever_a_schema_says_its_judgement_is_a_list_of_findings(schema: dict[str, Any]) -> None:
    found = schema_validation.validate(schema, "spec.validation.openAPIV3Schema", True)
    assert all(isinstance(cause, Cause) for cause in found)


KEYS = st.sampled_from(
    ["type", "properties", "items", "additionalProperties", "allOf", "not", "default", "enum", "required", "pattern",
     "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "minimum", "format", "nullable"]
)  # fmt: skip
WILD = st.recursive(
    st.one_of(SCALARS, st.sampled_from(["object", "array", "string", "map"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=10,
)


@MANY
@given(
    WILD, WILD, st.dictionaries(st.sampled_from(["names", "scope", "conversion", "group"]), WILD, max_size=2)
)
def test_wild_definitions_are_findings_or_bad_requests(schema: Any, extra: Any, spec: dict[str, Any]) -> None:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
               "additionalPrinterColumns": extra, "selectableFields": extra, "subresources": extra}  # fmt: skip
    obj = {
        "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": "foos.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "foos", "kind": "Foo"},
                 "versions": [version], **spec},
    }  # fmt: skip
    strategy = strategy_for(CRDS)
    kind = schemas.for_gvk(strategy.resource.gvk)
    assert kind is not None
    if any(problem.kind == "type" for problem in kind.prune(obj)):
        return  # refused by the decoder
    try:
        strategy.default(obj)
    except StatusError:
        return
    strategy.prepare_create(obj)
    found = strategy.validate(obj)
    assert all(isinstance(cause, Cause) for cause in found)
    strategy.warnings(obj)
