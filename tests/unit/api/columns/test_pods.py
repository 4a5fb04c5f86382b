"""STATUS, READY and RESTARTS of pods, state by state."""

from datetime import UTC, datetime

import pytest

from pinnace.api.columns import table_for
from pinnace.api.resources import PODS

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True"}]


def pod(status=None, init=(), deleting=False, **spec):
    metadata = {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:09:00Z"
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": list(init), **spec},
        "status": {"phase": "Running", **(status or {})},
    }


def cells(subject):
    table = table_for(PODS)
    names = [column.name for column in table.columns]
    return dict(zip(names, table.cells(subject, NOW), strict=True))


def waiting(reason, **more):
    return {"state": {"waiting": {"reason": reason}}, **more}


def ended(code, reason="", **more):
    return {"state": {"terminated": {"exitCode": code, "reason": reason}}, **more}


RUNNING = {"state": {"running": {}}, "ready": True}
SIDECAR = {"name": "s", "restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("subject", "status", "ready"),
    [
        (pod({"phase": "Pending"}), "Pending", "0/2"),
        (pod({"phase": "Failed", "reason": "Evicted"}), "Evicted", "0/2"),
        (pod({"phase": "Failed", "reason": "Evicted", "containerStatuses": [ended(137, "Error")]}), "Evicted", "0/2"),
        (
            pod({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
            "SchedulingGated",
            "0/2",
        ),
        (pod({"containerStatuses": [RUNNING, RUNNING], "conditions": READY}), "Running", "2/2"),
        (pod({"containerStatuses": [waiting("ContainerCreating")]}), "ContainerCreating", "0/2"),
        (pod({"containerStatuses": [RUNNING, waiting("CrashLoopBackOff")]}), "CrashLoopBackOff", "1/2"),
        (pod({"containerStatuses": [ended(137, "OOMKilled")]}), "OOMKilled", "0/2"),
        (pod({"containerStatuses": [ended(3)]}), "ExitCode:3", "0/2"),
        (pod({"containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}), "Signal:9", "0/2"),
        (pod({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}), "Completed", "0/2"),
        (pod({"containerStatuses": [ended(0, "Completed"), RUNNING], "conditions": READY}), "Running", "1/2"),
        (pod({"containerStatuses": [ended(0, "Completed"), RUNNING]}), "NotReady", "1/2"),
        (pod({"containerStatuses": [ended(0, "Completed"), ended(1, "Error")]}), "Error", "0/2"),
        (pod({"containerStatuses": [RUNNING]}, deleting=True), "Terminating", "1/2"),
        (pod({"reason": "NodeLost"}, deleting=True), "Unknown", "0/2"),
        (pod({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}, deleting=True), "Completed", "0/2"),
        (pod({"initContainerStatuses": [waiting("PodInitializing", name="i")]}, [{"name": "i"}]), "Init:0/1", "0/2"),
        (pod({"initContainerStatuses": [waiting("ErrImagePull", name="i")]}, [{"name": "i"}]), "Init:ErrImagePull", "0/2"),
        (pod({"initContainerStatuses": [ended(2, name="i")]}, [{"name": "i"}]), "Init:ExitCode:2", "0/2"),
        (pod({"initContainerStatuses": [ended(2, "Error", name="i")]}, [{"name": "i"}]), "Init:Error", "0/2"),
        (
            pod({"initContainerStatuses": [ended(0, name="i")], "containerStatuses": [RUNNING]}, [{"name": "i"}]),
            "Running",
            "1/2",
        ),
        (  # a started sidecar counts as a container of its own
            pod({"initContainerStatuses": [{**RUNNING, "name": "s", "started": True}], "containerStatuses": [RUNNING, RUNNING]}, [SIDECAR]),
            "Running",
            "3/3",
        ),
    ],
)  # fmt: skip
def test_status_and_ready(subject, status, ready):
    found = cells(subject)
    assert (found["Status"], found["Ready"]) == (status, ready)


def test_restarts_say_when_the_last_one_was():
    last = {"lastState": {"terminated": {"finishedAt": "2026-01-01T00:05:00Z"}}, "restartCount": 2}
    assert cells(pod({"containerStatuses": [{**RUNNING, **last}]}))["Restarts"] == "2 (5m ago)"
    assert cells(pod({"containerStatuses": [{**RUNNING, "restartCount": 1}]}))["Restarts"] == "1"
    assert cells(pod())["Restarts"] == "0"


def test_restarts_of_finished_init_containers_no_longer_count():
    done = {**ended(0, name="i"), "restartCount": 4}
    assert cells(pod({"initContainerStatuses": [done]}, [{"name": "i"}]))["Restarts"] == "0"


def test_wide_cells():
    bare, full = (
        cells(pod()),
        cells(
            pod(
                {
                    "podIP": "10.0.0.1",
                    "nominatedNodeName": "n2",
                    "conditions": [{"type": "g", "status": "True"}],
                },
                nodeName="n1",
                readinessGates=[{"conditionType": "g"}, {"conditionType": "h"}],
            )
        ),
    )
    wide = ("IP", "Node", "Nominated Node", "Readiness Gates")
    assert [bare[field] for field in wide] == ["<none>"] * 4
    assert [full[field] for field in wide] == ["10.0.0.1", "n1", "n2", "1/2"]
    assert full["Age"] == "10m"
    assert [column.priority for column in table_for(PODS).columns] == [0] * 5 + [1] * 4
