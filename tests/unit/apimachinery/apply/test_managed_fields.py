from datetime import UTC, datetime, timedelta
from typing import Any

from pinnace.apimachinery.apply.managed_fields import record_update
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.remembered import Remembered
from pinnace.apimachinery.schema import schemas

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = schemas.for_gvk(GVK("", "v1", "Pod"))

Object = dict[str, Any]


def pod(**spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "web"}},
        "spec": {
            "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}],
            **spec,
        },
    }


def record(
    old: Object | None, new: Object, manager: str = "kubectl-create", minute: int = 0, **rest: Any
) -> Object:
    now = NOW + timedelta(minutes=minute)
    record_update(old, new, manager=manager, now=now, api_version="v1", schema=POD, **rest)
    return new


def entries(obj: Object) -> dict[str, Any]:
    return {
        entry["manager"] + entry.get("subresource", ""): entry
        for entry in obj["metadata"].get("managedFields", [])
    }


def changed(obj: Object, **spec: Any) -> Object:
    new = deep_copy(obj)
    new["spec"].update(spec)
    return new


def test_a_create_owns_what_it_brought() -> None:
    obj = record(None, pod(nodeSelector={}))
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "kubectl-create",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                ".": {},
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                            },
                        }
                    },
                    "f:nodeSelector": {},
                },
            },
        }
    ]


def test_who_changes_a_field_takes_it() -> None:
    first = record(None, pod(nodeName="a", priority=1))
    second = record(first, changed(first, nodeName="b"), "scheduler", minute=1)
    found = entries(second)
    assert found["scheduler"]["fieldsV1"] == {"f:spec": {"f:nodeName": {}}}
    assert found["scheduler"]["time"] == "2026-01-01T00:01:00Z"
    assert "f:nodeName" not in found["kubectl-create"]["fieldsV1"]["f:spec"]
    assert "f:priority" in found["kubectl-create"]["fieldsV1"]["f:spec"]
    third = changed(second)
    del third["spec"]["nodeName"]
    assert list(entries(record(second, third, "x", minute=2))) == ["kubectl-create"]


def test_no_change_keeps_the_books_as_they_are() -> None:
    first = record(None, pod())
    assert record(first, changed(first), "other", minute=5) == first


def test_status_writes_have_their_own_entry_and_own_no_spec() -> None:
    first = record(None, pod())
    second = changed(first, nodeName="ignored here")
    second["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    found = entries(record(first, second, "kubelet", subresource="status"))
    assert found["kubeletstatus"]["subresource"] == "status"
    conditions = {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}
    assert found["kubeletstatus"]["fieldsV1"] == {
        "f:status": {"f:conditions": {".": {}, **conditions}, "f:phase": {}}
    }
    main = record(None, {**pod(), "status": {"phase": "x"}})
    assert "f:status" not in entries(main)["kubectl-create"]["fieldsV1"]


def test_books_can_be_cleared_and_stay_cleared() -> None:
    first = record(None, pod())
    second = changed(first)
    second["metadata"]["managedFields"] = [{}]
    record(first, second)
    assert "managedFields" not in second["metadata"]
    assert "managedFields" not in record(second, changed(second, nodeName="x"))["metadata"]


def test_an_empty_list_does_not_clear_the_books() -> None:
    first = record(None, pod())
    second = changed(first)
    second["metadata"]["managedFields"] = []
    assert entries(record(first, second)) == entries(first)


def test_books_sent_by_a_client_are_taken_unless_malformed_or_to_a_subresource() -> None:
    first = record(None, pod())
    renamed = changed(first)
    renamed["metadata"]["managedFields"][0]["manager"] = "renamed"
    assert list(entries(record(first, deep_copy(renamed)))) == ["renamed"]
    assert list(entries(record(first, deep_copy(renamed), subresource="status"))) == ["kubectl-create"]
    broken = changed(first)
    broken["metadata"]["managedFields"] = [{"operation": "Explode"}]
    assert list(entries(record(first, broken))) == ["kubectl-create"]


def test_the_oldest_updaters_are_merged_when_there_are_too_many() -> None:
    obj = record(None, pod())
    for number in range(15):
        new = deep_copy(obj)
        new["metadata"]["labels"][f"l{number}"] = "x"
        obj = record(obj, new, f"m{number}", minute=number + 1)
    found = entries(obj)
    assert len(found) == 10
    assert "ancient-changes" in found
    assert {"f:l0", "f:app"} <= found["ancient-changes"]["fieldsV1"]["f:metadata"]["f:labels"].keys()
    assert "m14" in found


def test_inputs_are_not_changed() -> None:
    first = record(None, pod())
    before = deep_copy(first)
    record(first, changed(first, nodeName="b"), "scheduler")
    assert first == before


def test_what_is_remembered_of_creations_is_what_each_would_have_owned_by_itself() -> None:
    """Objects that differ in values alone share it, those that differ in keys, list keys or owners do not."""
    owner = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "r", "controller": True}]
    made: list[Object] = [
        pod(),
        pod(nodeName="n1"),
        pod(nodeName="n2"),
        pod(nodeSelector={}),
        pod(nodeSelector={"a": "b"}),
        pod(containers=[]),
        pod(containers=[{"name": "d", "image": "i"}]),
        {**pod(), "spec": {}},
        {**pod(), "spec": {"nodeName": "n1"}},
        {**pod(), "unknown": [], "other": ["a"], "third": {}, "fourth": 1},
    ]
    for metadata in (
        {"labels": {"app": "other"}},
        {"labels": {"part": "web"}},
        {"labels": {}},
        {"labels": {}, "annotations": {"a": "b"}},
        {"annotations": {"a": "b"}},
        {"labels": {"app": "web"}, "ownerReferences": owner},
        {"labels": {"app": "new"}, "ownerReferences": owner},
        {"labels": {"app": "web"}, "ownerReferences": [{**owner[0], "uid": "s"}]},
        {"generateName": "web-", "finalizers": ["a/b"]},
        {"generateName": "web-", "finalizers": ["a/c"]},
    ):
        made.append({**pod(), "metadata": {"name": "web", **metadata}})
    known: Remembered[Any] = Remembered()
    for obj in (*made, *reversed(made)):
        alone = record(None, deep_copy(obj))
        shared = record(None, deep_copy(obj), remembered=known)
        assert shared == alone


def test_creations_of_one_shape_take_one_place_in_the_memory() -> None:
    known: Remembered[Any] = Remembered(entries=2)
    kept = record(None, pod(), remembered=known)["metadata"]["managedFields"][0]["fieldsV1"]
    for number in range(10):
        event = {
            "metadata": {"name": f"e{number}"},
            "involvedObject": {"uid": f"u{number}"},
            "message": f"m{number}",
        }
        record(None, event, remembered=known)
    assert record(None, pod(), remembered=known)["metadata"]["managedFields"][0]["fieldsV1"] is kept
