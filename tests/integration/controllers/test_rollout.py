"""`kubectl rollout`, unmodified, against our API server and controllers."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from integration.controllers.conftest import Start
from integration.controllers.test_workloads import deployment, image_patch, rolled_out
from pinnace.api.core.pods import is_ready, is_terminating
from pinnace.api.resources import DAEMON_SETS, DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, STATEFUL_SETS
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Kubectl = Callable[..., Awaitable[str]]

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")


@pytest_asyncio.fixture
async def kubectl(api_server: ApiServerInProcess) -> Kubectl:
    config = str(api_server.kubeconfig())

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl", "--kubeconfig", config, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, output.decode()
        return output.decode().strip()

    return run


@pytest_asyncio.fixture
async def pinnace(api_server: ApiServerInProcess) -> Kubectl:
    config = str(api_server.kubeconfig())

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pinnace", "--kubeconfig", config, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        return output.decode().strip()

    return run


async def test_status_history_undo_restart_pause_resume(
    start: Start, kubectl: Kubectl, pinnace: Kubectl
) -> None:
    client = await start("deployment", "replicaset")
    await client.create(DEPLOYMENTS, deployment(2))
    assert 'deployment "web" successfully rolled out' in await kubectl("rollout", "status", "deploy/web")
    await client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web")

    history = await kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["1", "2"]
    assert "Image:\tone" in await kubectl("rollout", "history", "deploy/web", "--revision=1")
    for words in ("status deploy/web", "history deploy/web", "history deploy/web --revision=2"):
        assert await pinnace("rollout", *words.split()) == await kubectl("rollout", *words.split())

    assert await kubectl("rollout", "undo", "deploy/web") == "deployment.apps/web rolled back"
    await eventually(lambda: rolled_out(client, "one", 2))
    history = await kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["2", "3"]
    await kubectl("rollout", "undo", "deploy/web", "--to-revision=2")
    await eventually(lambda: rolled_out(client, "two", 2))

    before = {p["metadata"]["name"] for p in (await client.list(PODS, "default"))["items"]}
    assert await kubectl("rollout", "restart", "deploy/web") == "deployment.apps/web restarted"
    await kubectl("rollout", "status", "deploy/web")
    await eventually(lambda: rolled_out(client, "two", 2))
    after = {p["metadata"]["name"] for p in (await client.list(PODS, "default"))["items"]}
    assert not before & after

    assert await kubectl("rollout", "pause", "deploy/web") == "deployment.apps/web paused"
    assert await kubectl("rollout", "resume", "deploy/web") == "deployment.apps/web resumed"


async def test_a_daemon_set_can_be_rolled_back(start: Start, kubectl: Kubectl, pinnace: Kubectl) -> None:
    client = await start("daemonset", "node-lifecycle")
    body = deployment()
    spec = {"selector": body["spec"]["selector"], "template": body["spec"]["template"]}
    await client.create(DAEMON_SETS, {**body, "kind": "DaemonSet", "spec": spec})
    assert "successfully rolled out" in await kubectl("rollout", "status", "ds/web")
    await client.patch(DAEMON_SETS, "web", image_patch("two"), "default")
    assert "successfully rolled out" in await kubectl("rollout", "status", "ds/web")
    history = await kubectl("rollout", "history", "ds/web")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["1", "2"]
    for words in ("status ds/web", "history ds/web", "history ds/web --revision=2"):
        assert await pinnace("rollout", *words.split()) == await kubectl("rollout", *words.split())
    assert "rolled back" in await pinnace("rollout", "undo", "ds/web")
    assert "successfully rolled out" in await kubectl("rollout", "status", "ds/web")

    async def images() -> bool:
        pods = (await client.list(PODS, "default"))["items"]
        return {p["spec"]["containers"][0]["image"] for p in pods} == {"one"}

    await eventually(images)


def stateful_set() -> dict[str, Any]:
    body = deployment(3)
    spec = {
        "replicas": 3,
        "serviceName": "web",
        "selector": body["spec"]["selector"],
        "template": body["spec"]["template"],
    }
    annotations = {"kubernetes.io/change-cause": "the first"}
    return {
        **body,
        "kind": "StatefulSet",
        "metadata": {**body["metadata"], "annotations": annotations},
        "spec": spec,
    }


@pytest.mark.slow
async def test_both_programs_say_the_same_of_a_stateful_set(
    start: Start, kubectl: Kubectl, pinnace: Kubectl
) -> None:
    client = await start("statefulset")

    async def both(*arguments: str) -> str:
        """What kubectl says; `pinnace` says the same."""
        said = await kubectl(*arguments)
        assert await pinnace(*arguments) == said
        return said

    await client.create(STATEFUL_SETS, stateful_set())
    await kubectl("rollout", "status", "sts/web")
    change = image_patch("two")
    change["metadata"] = {"annotations": {"kubernetes.io/change-cause": "the second"}}
    await client.patch(STATEFUL_SETS, "web", change, "default")
    await kubectl("rollout", "status", "sts/web")
    assert (
        await both("rollout", "status", "sts/web")
        == "partitioned roll out complete: 3 new pods have been updated..."
    )
    history = await both("rollout", "history", "sts/web")
    assert [line.split(maxsplit=1) for line in history.splitlines()[2:]] == [
        ["1", "the first"],
        ["2", "the second"],
    ]
    assert "Image:\tone" in await both("rollout", "history", "sts/web", "--revision=1")
    assert await kubectl("rollout", "undo", "sts/web") == "statefulset.apps/web rolled back"
    await kubectl("rollout", "status", "sts/web")
    history = await both("rollout", "history", "sts/web")
    assert [line.split()[0] for line in history.splitlines()[2:]] == ["2", "3"]

    async def images() -> set[str]:
        pods = (await client.list(PODS, "default"))["items"]
        return {p["spec"]["containers"][0]["image"] for p in pods}

    assert await images() == {"one"}
    skipped = "statefulset.apps/web skipped rollback (current template already matches revision 3)"
    assert await pinnace("rollout", "undo", "sts/web", "--to-revision=3") == skipped
    assert await pinnace("rollout", "undo", "sts/web") == "statefulset.apps/web rolled back"
    await kubectl("rollout", "status", "sts/web")
    assert await images() == {"two"}
    assert await kubectl("rollout", "restart", "sts/web") == "statefulset.apps/web restarted"
    await kubectl("rollout", "status", "sts/web")
    described = await both("describe", "sts", "web", "--show-events=false")
    assert "Update Strategy:    RollingUpdate\n  Partition:        0" in described
    assert described.endswith("<none>")
    assert "create Pod web-0 in StatefulSet web successful" in await pinnace("describe", "sts", "web")
    on_delete = {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}}
    await client.patch(STATEFUL_SETS, "web", on_delete, "default")
    with pytest.raises(
        AssertionError, match="rollout status is only available for RollingUpdate strategy type"
    ):
        await both("rollout", "status", "sts/web")


async def test_both_programs_describe_claims_alike(
    api_server: ApiServerInProcess, kubectl: Kubectl, pinnace: Kubectl
) -> None:
    claims = [
        {"metadata": {"name": "data", "labels": {"a": "1", "b": "2"}, "annotations": {"note": "mine"}},
         "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}},
        {"metadata": {"name": "log"}, "spec": {"accessModes": ["ReadWriteOnce", "ReadOnlyMany"]}},
    ]  # fmt: skip
    body = stateful_set()
    body["spec"] |= {
        "volumeClaimTemplates": claims,
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"partition": 2, "maxUnavailable": "30%"},
        },
    }
    await api_server.local_client().create(STATEFUL_SETS, body)
    arguments = ("describe", "sts", "web")
    assert await pinnace(*arguments) == await kubectl(*arguments)


@pytest.mark.slow
async def test_drain_respects_disruption_budgets(start: Start, kubectl: Kubectl) -> None:
    client = await start("deployment", "replicaset", "disruption", "node-lifecycle", nodes=2)
    await client.create(DEPLOYMENTS, deployment(4))
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"},
              "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}}  # fmt: skip
    await client.create(POD_DISRUPTION_BUDGETS, budget)

    async def allowed(count: int) -> bool:
        status = (await client.get(POD_DISRUPTION_BUDGETS, "web", "default")).get("status") or {}
        return bool(status.get("disruptionsAllowed") == count and status.get("expectedPods") == 4)

    await eventually(lambda: allowed(1))
    available: list[int] = []

    async def watch_availability() -> None:
        while True:
            pods = (await client.list(PODS, "default"))["items"]
            available.append(sum(is_ready(p) and not is_terminating(p) for p in pods))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch_availability())
    assert "drained" in await kubectl("drain", "sim-0", "--force", "--ignore-daemonsets")
    watching.cancel()
    assert min(available) >= 3
