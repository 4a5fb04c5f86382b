from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pinnace.apimachinery import errors
from pinnace.apimachinery.apply import server_side
from pinnace.apimachinery.apply.managed_fields import record_update
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema import schemas

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DEPLOYMENT = schemas.for_gvk(GVK("apps", "v1", "Deployment"))

Object = dict[str, Any]


def config(containers: Any = None, labels: Any = None, **spec: Any) -> Object:
    obj: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    if labels is not None:
        obj["metadata"]["labels"] = labels
    if containers is not None:
        spec["template"] = {"spec": {"containers": containers}}
    return obj


def apply(live: Object | None, applied: Object, manager: str = "me", **rest: Any) -> Object:
    options = {"now": NOW, "api_version": "apps/v1", "schema": DEPLOYMENT, **rest}
    return server_side.apply(live, applied, manager=manager, **options)


def created(obj: Object, manager: str = "kubectl-client-side-apply") -> Object:
    new = deep_copy(obj)
    record_update(None, new, manager=manager, now=NOW, api_version="apps/v1", schema=DEPLOYMENT)
    return new


def owned(obj: Object, manager: str) -> Any:
    found = [entry for entry in obj["metadata"].get("managedFields", ()) if entry["manager"] == manager]
    return found[0]["fieldsV1"] if found else None


def content(obj: Object) -> Object:
    bare = deep_copy(obj)
    bare["metadata"].pop("managedFields", None)
    return bare


def test_creates_with_the_declared_fields() -> None:
    obj = apply(None, config([{"name": "c", "image": "i"}], {"a": "1"}, replicas=3))
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:a": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:template": {
                        "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}}}
                    },
                },
            },
        }
    ]


def test_one_conflict_in_upstreams_words() -> None:
    live = created(config([{"name": "c", "image": "i"}], replicas=3))
    with pytest.raises(errors.Conflict) as caught:
        apply(live, config(replicas=5))
    assert (
        caught.value.message == 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" '
        "using apps/v1: .spec.replicas"
    )
    (cause,) = caught.value.causes
    assert (cause.reason, cause.field) == ("FieldManagerConflict", ".spec.replicas")
    assert cause.message == 'conflict with "kubectl-client-side-apply" using apps/v1'


def test_several_conflicts_are_listed_by_manager() -> None:
    live = apply(None, config([{"name": "c", "image": "i"}], {"a": "1"}), "other")
    live = apply(live, config(replicas=1), "scaler")
    with pytest.raises(errors.Conflict) as caught:
        apply(live, config([{"name": "c", "image": "j"}], {"a": "2"}, replicas=2))
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "other":\n- .metadata.labels.a\n'
        '- .spec.template.spec.containers[name="c"].image\nconflicts with "scaler":\n- .spec.replicas'
    )


def test_force_takes_ownership() -> None:
    live = created(config([{"name": "c", "image": "i"}], replicas=3))
    forced = apply(live, config(replicas=5), force=True)
    assert forced["spec"]["replicas"] == 5
    assert owned(forced, "me") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owned(forced, "kubectl-client-side-apply")["f:spec"]


def test_the_same_value_is_shared_and_survives_one_owner() -> None:
    live = apply(None, config(replicas=3, paused=True), "other")
    shared = apply(live, config(replicas=3))
    dropped = apply(shared, config(), "other")
    assert dropped["spec"] == {"replicas": 3}
    assert owned(dropped, "other") == {"f:spec": {}}
    assert apply(dropped, config()).get("spec", {}) == {}


def test_what_is_no_longer_declared_goes_with_its_defaults() -> None:
    live = apply(
        None, config([{"name": "a", "image": "i"}, {"name": "b", "image": "i"}], {"x": "1", "y": "1"})
    )
    for container in live["spec"]["template"]["spec"]["containers"]:
        container["terminationMessagePath"] = "/dev/termination-log"  # a default, which nobody owns
    live["spec"]["replicas"] = 1
    new = apply(live, config([{"name": "a", "image": "i"}], {"x": "1"}))
    assert new["metadata"]["labels"] == {"x": "1"}
    (container,) = new["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "a", "image": "i", "terminationMessagePath": "/dev/termination-log"}
    assert new["spec"]["replicas"] == 1


def test_atomic_fields_change_whole() -> None:
    live = apply(None, config(selector={"matchLabels": {"a": "1", "b": "1"}}), "other")
    with pytest.raises(errors.Conflict, match=r"\.spec\.selector$"):
        apply(live, config(selector={"matchLabels": {"a": "1"}}))
    forced = apply(live, config(selector={"matchLabels": {"a": "1"}}), force=True)
    assert forced["spec"]["selector"] == {"matchLabels": {"a": "1"}}


def test_ports_are_told_apart_by_the_defaulted_protocol() -> None:
    tcp, udp = {"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}
    live = apply(None, config([{"name": "c", "ports": [tcp, udp]}]))
    stored = live["spec"]["template"]["spec"]["containers"][0]["ports"]
    stored[0]["protocol"] = "TCP"
    again = apply(live, config([{"name": "c", "ports": [tcp, udp]}]), now=LATER)
    assert again == live


def test_set_lists_merge_and_give_back_only_ones_own() -> None:
    def with_finalizers(*names: str) -> Object:
        obj = config()
        obj["metadata"]["finalizers"] = list(names)
        return obj

    live = apply(None, with_finalizers("a", "b"), "other")
    both = apply(live, with_finalizers("b", "c"))
    assert both["metadata"]["finalizers"] == ["a", "b", "c"]
    assert apply(both, with_finalizers())["metadata"]["finalizers"] == ["a", "b"]


def test_list_order_follows_the_configuration_and_keeps_foreign_elements_in_place() -> None:
    def names(obj: Object) -> str:
        return "".join(one["name"] for one in obj["spec"]["template"]["spec"]["containers"])

    live = apply(None, config([{"name": name} for name in "axby"]), "other")
    assert names(apply(live, config([{"name": name} for name in "ba"]))) == "xbya"
    assert names(apply(live, config([{"name": name} for name in "anb"]))) == "axnby"


def test_status_is_not_owned_through_the_main_resource_and_the_other_way_round() -> None:
    live = apply(None, {**config(replicas=1), "status": {"replicas": 9}})
    assert "status" not in live
    assert "f:status" not in owned(live, "me")
    status = {**config(replicas=7), "status": {"observedGeneration": 2}}
    new = apply(live, status, "controller", subresource="status")
    assert (new["spec"], new["status"]) == ({"replicas": 1}, {"observedGeneration": 2})
    entry = new["metadata"]["managedFields"][0]
    assert (entry["subresource"], entry["fieldsV1"]) == (
        "status",
        {"f:status": {"f:observedGeneration": {}}},
    )


def test_an_object_without_books_belongs_to_before_first_apply() -> None:
    live = config(replicas=3)
    with pytest.raises(errors.Conflict, match='"before-first-apply" using apps/v1'):
        apply(live, config(replicas=4))
    new = apply(live, config(replicas=3))
    assert owned(new, "before-first-apply") is not None


def test_kubectl_may_take_over_from_its_own_client_side_apply() -> None:
    before = config([{"name": "c", "image": "i"}], replicas=3)
    before["metadata"]["annotations"] = {server_side.LAST_APPLIED: orjson.dumps(before).decode()}
    live = created(before)
    new = apply(live, config([{"name": "c", "image": "j"}], replicas=3), "kubectl")
    assert new["spec"]["template"]["spec"]["containers"][0]["image"] == "j"
    note = orjson.loads(new["metadata"]["annotations"][server_side.LAST_APPLIED])
    assert note["spec"]["template"]["spec"]["containers"][0]["image"] == "j"
    with pytest.raises(errors.Conflict, match="kubectl-client-side-apply"):
        apply(live, config([{"name": "c", "image": "j"}]), "someone-else")


def test_null_means_absent_but_is_declared() -> None:
    live = apply(None, config(replicas=3, paused=True), "other")
    with pytest.raises(errors.Conflict, match=r"\.spec\.replicas$"):
        apply(live, config(replicas=None))
    assert apply(live, config(replicas=None), force=True)["spec"] == {"paused": True}
    fresh = config()
    fresh["metadata"]["creationTimestamp"] = None
    live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert apply(live, fresh)["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"


def test_a_resource_version_in_the_configuration_reaches_the_caller_and_is_not_owned() -> None:
    live = apply(None, config(replicas=1))
    live["metadata"]["resourceVersion"] = "7"
    stale = config(replicas=1)
    stale["metadata"]["resourceVersion"] = "5"
    new = apply(live, stale)
    assert new["metadata"]["resourceVersion"] == "5"
    assert owned(new, "me") == {"f:spec": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("applied", "message"),
    [
        (config(replica=1), ".spec.replica: field not declared in schema"),
        (config(replicas="x"), ".spec.replicas: expected numeric (int or float), got string"),
        (config(selector=[]), ".spec.selector: expected map, got list"),
        (
            config([{"name": "c", "imagee": "x"}]),
            '.spec.template.spec.containers[name="c"].imagee: field not declared in schema',
        ),
        (
            config([{"image": "x"}]),
            '.spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
        ),
        (
            config([{"name": "c"}, {"name": "c"}]),
            '.spec.template.spec.containers: duplicate entries for key [name="c"]',
        ),
        (
            config(a=1, b=2),
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(applied: Object, message: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        apply(None, applied)
    prefix = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
    assert caught.value.message == prefix + message


def test_refuses_other_versions_and_managed_fields() -> None:
    with pytest.raises(errors.BadRequest, match="Specified patch version: apps/v1, expected: apps/v2"):
        apply(None, config(), api_version="apps/v2")
    with pytest.raises(errors.BadRequest, match="managedFields must be nil"):
        apply(None, {**config(), "metadata": {"name": "web", "managedFields": []}})


# --- properties -----------------------------------------------------------------------------------------------------

SHORT = st.text("abc", min_size=1, max_size=2)
ENV = st.dictionaries(SHORT, SHORT, max_size=3).map(
    lambda env: [{"name": name, "value": value} for name, value in env.items()]
)
CONTAINERS = st.dictionaries(
    SHORT,
    st.fixed_dictionaries({}, optional={"image": SHORT, "env": ENV, "command": st.lists(SHORT, max_size=2)}),
    max_size=3,
).map(lambda found: [{"name": name, **rest} for name, rest in found.items()])
CONFIGS = st.builds(
    lambda labels, containers, spec: config(containers, labels, **spec),
    st.none() | st.dictionaries(SHORT, SHORT, max_size=3),
    st.none() | CONTAINERS,
    st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3), "paused": st.booleans()}),
)


@given(CONFIGS, CONFIGS)
def test_applying_twice_changes_nothing_not_even_a_time(first: Object, second: Object) -> None:
    once = apply(None, first)
    assume("managedFields" in once["metadata"])  # who owns nothing leaves no trace
    assert apply(once, first, now=LATER) == once
    both = apply(once, second, "other", force=True, now=LATER)
    assert apply(both, second, "other", now=LATER + timedelta(hours=1)) == both


@given(CONFIGS, CONFIGS)
def test_the_last_configuration_of_a_single_manager_wins_whole(first: Object, second: Object) -> None:
    def bare(obj: Object) -> Any:
        """Without empty structures, which leave no trace, and without the order of list elements."""
        return _condensed(content(obj))

    assert bare(apply(apply(None, first), second)) == bare(apply(None, second))


def _condensed(value: Any) -> Any:
    if isinstance(value, dict):
        found = {name: _condensed(item) for name, item in value.items()}
        return {name: item for name, item in found.items() if item not in ({}, [], None)}
    if isinstance(value, list):
        return sorted((_condensed(item) for item in value), key=repr)
    return value


@given(CONFIGS, CONFIGS)
def test_managers_of_disjoint_fields_never_meet(first: Object, second: Object) -> None:
    mine, other = deep_copy(first), deep_copy(second)
    for obj, prefix in ((mine, "x"), (other, "y")):
        labels = obj["metadata"].get("labels") or {}
        obj["metadata"]["labels"] = {prefix + name: value for name, value in labels.items()}
        for container in obj["spec"].get("template", {}).get("spec", {}).get("containers", ()):
            container["name"] = prefix + container["name"]
    mine["spec"].pop("replicas", None)
    other["spec"].pop("paused", None)
    both = apply(apply(None, mine, "one"), other, "two")
    gone = apply(both, config(), "one")
    assert _condensed(content(gone)) == _condensed(content(apply(None, other, "two")))


@given(CONFIGS, CONFIGS)
def test_inputs_are_left_alone(first: Object, second: Object) -> None:
    live = apply(None, first)
    before = (repr(live), repr(second))
    apply(live, second, "other", force=True)
    assert (repr(live), repr(second)) == before
