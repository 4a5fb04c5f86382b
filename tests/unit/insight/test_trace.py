"""The timeline of an object and its family."""

import json

from pinnace.insight.timeline import field_names
from pinnace.insight.trace import trace
from pinnace.insight.world import Unreadable
from unit.insight.recorded import NOW, Object, Recorded, event, obj, owned, pod


def at(second: int) -> str:
    return f"2026-01-01T11:50:{second:02}Z"


def family() -> list[Object]:
    managed = [{"manager": "kubectl-create", "operation": "Update", "time": at(0), "fieldsV1": {"f:spec": {"f:replicas": {}}}},
               {"manager": "kubectl-scale", "operation": "Update", "time": at(5), "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]  # fmt: skip
    owner = obj("Deployment", "web", metadata={"creationTimestamp": at(0), "managedFields": managed}, spec={},
                status={"conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": at(9)}]})  # fmt: skip
    replica_set = owned(obj("ReplicaSet", "web-1", metadata={"creationTimestamp": at(0)}), owner)
    ran = {"name": "main", "restartCount": 1, "state": {"running": {"startedAt": at(8)}},
           "lastState": {"terminated": {"startedAt": at(2), "finishedAt": at(6), "reason": "Error", "exitCode": 1}}}  # fmt: skip
    child = owned(
        pod(
            "web-1-a",
            phase="Running",
            node="n1",
            metadata={"creationTimestamp": at(1)},
            status={"containerStatuses": [ran]},
        ),
        replica_set,
    )
    scheduled = {
        **event(child, "Scheduled", "Successfully assigned shop/web-1-a to n1", "Normal"),
        "eventTime": "2026-01-01T11:50:01.500000Z",
    }
    scheduled["source"] = {"component": "default-scheduler"}
    other = pod("other", metadata={"creationTimestamp": at(1)})
    return [owner, replica_set, child, scheduled, other]


EXPECTED = """\
2026-01-01 11:50:00Z       +0s  deployment/web    created by kubectl-create
2026-01-01 11:50:00Z       +0s  replicaset/web-1  created for deployment/web
2026-01-01 11:50:01Z       +1s  pod/web-1-a       created for replicaset/web-1
2026-01-01 11:50:01Z       +1s  pod/web-1-a       default-scheduler: Scheduled: Successfully assigned shop/web-1-a to n1
2026-01-01 11:50:02Z       +2s  pod/web-1-a       container main started
2026-01-01 11:50:05Z       +5s  deployment/web    kubectl-scale last wrote (scale) spec.replicas
2026-01-01 11:50:06Z       +6s  pod/web-1-a       container main ended: Error, exit code 1
2026-01-01 11:50:08Z       +8s  pod/web-1-a       container main started
2026-01-01 11:50:09Z       +9s  deployment/web    Available is True since then (MinimumReplicasAvailable)
"""


def test_a_deployment_and_its_children() -> None:
    objects = family()
    assert trace(objects[:1], Recorded(objects), NOW, Unreadable).as_text() == EXPECTED


def test_a_pod_and_its_owners_tell_the_same() -> None:
    objects = family()
    assert trace(objects[2:3], Recorded(objects), NOW, Unreadable).as_text() == EXPECTED


def test_an_owner_of_the_same_name_that_came_later_is_another_one() -> None:
    objects = family()
    objects[0]["metadata"]["uid"] = "new"
    text = trace(objects[2:3], Recorded(objects), NOW, Unreadable).as_text()
    assert "deployment/web    " not in text


def test_json_and_what_could_not_be_read() -> None:
    objects = family()
    found = json.loads(
        trace(objects[:1], Recorded(objects, forbidden=("replicasets",)), NOW, Unreadable).as_json()
    )
    assert found["unread"] == {"replicasets of shop": "replicasets is forbidden"}
    assert found["timeline"][0] == {
        "time": at(0),
        "object": "deployment/web",
        "source": "creation",
        "text": "created by kubectl-create",
    }
    assert trace([pod()], Recorded([]), NOW, Unreadable).as_text() == "Nothing is known of its past.\n"


def test_names_of_managed_fields() -> None:
    fields = {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:data": {".": {}, "f:a": {}},
        "f:type": {},
    }
    assert list(field_names(fields)) == ["metadata.labels", "data.a", "type"]
