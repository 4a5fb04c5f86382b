"""`pinnace why` with few rights, and on servers that do not have what Pinnace adds: it answers from what it may read, and says what it could not."""

import json
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.errors import ServerError
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import Asked, container, has_condition, named, pod, unscheduled, workload

RBAC = "rbac.authorization.k8s.io/v1"
SUBJECTS = [{"kind": "User", "name": "dev", "apiGroup": "rbac.authorization.k8s.io"}]


@pytest.fixture
def asked(simulated_cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:  # fmt: skip
    return Asked(simulated_cluster, tmp_path / "cache", capsys, monkeypatch)


async def may_read(cluster: SimulatedCluster, *resources: str) -> None:
    """User dev, in namespace default."""
    rules = [{"apiGroups": ["", "apps"], "resources": [*resources], "verbs": ["get", "list"]}]
    await cluster.create(named("Role", "dev", RBAC, rules=rules))
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"}
    await cluster.create(named("RoleBinding", "dev", RBAC, roleRef=role, subjects=SUBJECTS))


async def test_somebody_who_sees_workloads_and_pods_only(simulated_cluster: SimulatedCluster, asked: Asked) -> None:  # fmt: skip
    cluster = simulated_cluster
    await may_read(cluster, "pods", "deployments", "replicasets")
    cluster.pods.behave(
        lambda one: (
            Behaviour(runs=(Run(seconds=1, exit_code=127),)) if "bad" in one["metadata"]["name"] else None
        )
    )
    await cluster.create(workload(name="good"))
    await cluster.create(workload(name="bad"))
    await cluster.create(workload(name="large", containers=[container(requests={"cpu": "64"})]))
    await cluster.until(lambda: cluster.is_rolled_out("good"))
    await cluster.until(lambda: unscheduled(cluster, "large"))
    await cluster.advance(60)
    assert (await asked("deploy/good", "--as", "dev")).code == 0
    told = await asked("deploy/bad", "--as", "dev")
    found = json.loads(told.text)
    assert (told.code, found["complete"]) == (2, False)
    assert told.cause("crash").startswith("container main ends with exit code 127")
    assert {"events of default"} <= set(found["unread"])
    told = await asked("deploy/large", "--as", "dev")
    assert told.code == 2
    assert "Insufficient cpu" in told.cause("unschedulable")
    assert "nodes" in json.loads(told.text)["unread"]
    text = (await asked.plain("deploy/large", "--as", "dev")).text
    assert "Could not be read, so something may be missing above:" in text
    assert 'nodes: nodes is forbidden: User "dev" cannot list resource "nodes"' in text


async def test_nothing_found_is_not_healthy_where_not_all_may_be_read(simulated_cluster: SimulatedCluster, asked: Asked) -> None:  # fmt: skip
    cluster = simulated_cluster
    await may_read(cluster, "services", "pods")
    await cluster.create(named("Service", "hand", spec={"ports": [{"port": 80}]}))
    told = await asked("svc/hand", "--as", "dev")
    found = json.loads(told.text)
    assert (told.code, found["healthy"], found["complete"]) == (3, True, False)
    told = await asked("-n", "default", "--as", "dev")
    assert told.code == 3
    assert {"deployments of default", "endpointslices of default"} <= set(json.loads(told.text)["unread"])
    told = await asked.plain("--as", "dev")
    assert (told.code, told.text.splitlines()[0]) == (1, "Nothing could be looked at.")
    assert "With -n NAMESPACE only that namespace is read." in told.text


async def test_a_server_without_what_pinnace_adds(
    simulated_cluster: SimulatedCluster, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """404 for the scheduler's pages, 403 for events: the pod's condition tells."""
    cluster = simulated_cluster

    def refuse(code: int, reason: str) -> Any:
        def answer(*_: Any, **__: Any) -> Any:
            raise ServerError({"code": code, "reason": reason, "message": f"the server says {code}"})

        return answer

    for name, answer in (("decision", refuse(404, "NotFound")), ("events", refuse(403, "Forbidden")), ("log", refuse(403, "Forbidden")), ("version", refuse(403, "Forbidden"))):  # fmt: skip
        monkeypatch.setattr(ClusterReader, name, answer)
    await cluster.create(workload(name="large", containers=[container(requests={"cpu": "64"})]))
    await cluster.create(pod("ready"))
    await cluster.until(lambda: unscheduled(cluster, "large"))
    await cluster.until(lambda: has_condition(cluster, r.PODS, "ready", "Ready"))
    told = await asked()
    assert told.code == 2
    assert told.cause("unschedulable").startswith("no node is large enough: it asks for 64 of cpu")
    assert json.loads(told.text)["unread"] == {"events of the cluster": "the server says 403"}
    assert (await asked("pod/ready")).code in (0, 3)
