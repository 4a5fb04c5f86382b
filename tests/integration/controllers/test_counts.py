"""What controllers count of their work, as `/metrics` shows it, on a virtual clock."""

import re
from pathlib import Path
from typing import Any

from pinnace.api.meta import Object
from pinnace.api.resources import HORIZONTAL_POD_AUTOSCALERS, JOBS, STATEFUL_SETS
from pinnace.component.metrics import Histogram
from pinnace.controllers.horizontalpodautoscaling import counts as horizontalpodautoscaling
from pinnace.controllers.job import counts as jobs
from pinnace.controllers.runtime.measures import Measure
from pinnace.controllers.statefulset.sync import VIOLATIONS
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
POD = {"containers": [{"name": "c", "image": "x"}]}


def counted(cluster: SimulatedCluster, name: str) -> dict[tuple[str, ...], float]:
    """Of a histogram, how many values."""
    return {
        labels: value.count if isinstance(value, Histogram) else value
        for family in cluster.controllers.metrics()
        if family.name == name
        for labels, value in family.samples
    }


def job(name: str, **spec: Any) -> Object:
    template = {"spec": {**POD, "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec},
    }  # fmt: skip


async def ends(cluster: SimulatedCluster, name: str) -> None:
    async def ended() -> bool:
        found = ((await cluster.get(JOBS, name)).get("status") or {}).get("conditions") or ()
        return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in found)

    await cluster.until(ended)
    await cluster.advance(10)


async def test_jobs_and_their_pods_are_counted(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(seconds=5, exit_code=0),)))
    await cluster.create(job("good", completions=3, parallelism=3))
    await cluster.create(job("indexed", completions=2, parallelism=2, completionMode="Indexed"))
    for name in ("good", "indexed"):
        await ends(cluster, name)
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(seconds=5, exit_code=42),)))
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    await cluster.create(job("bad", podFailurePolicy={"rules": [rule]}))
    await ends(cluster, "bad")
    await cluster.create(job("foreign", managedBy="example.com/other"))
    await cluster.advance(10)
    assert counted(cluster, "job_controller_jobs_finished_total") == {
        ("NonIndexed", "succeeded", ""): 1,
        ("Indexed", "succeeded", ""): 1,
        ("NonIndexed", "failed", "PodFailurePolicy"): 1,
    }
    assert counted(cluster, "job_controller_job_pods_finished_total") == {
        ("NonIndexed", "succeeded"): 3,
        ("Indexed", "succeeded"): 2,
        ("NonIndexed", "failed"): 1,
    }
    assert counted(cluster, "job_controller_job_finished_indexes_total") == {("succeeded", "global"): 2}
    handled = counted(cluster, "job_controller_pod_failures_handled_by_failure_policy_total")
    assert handled == {("FailJob",): 1}
    elsewhere = counted(cluster, "job_controller_jobs_by_external_controller_total")
    assert elsewhere == {("example.com/other",): 1}
    syncs = counted(cluster, "job_controller_job_syncs_total")
    assert {labels[0::2] for labels in syncs} >= {
        ("NonIndexed", "pods_created"), ("Indexed", "pods_created"), ("NonIndexed", "tracking"),
    }  # fmt: skip
    assert {labels[1] for labels in syncs} == {"success"}
    assert counted(cluster, "job_controller_job_sync_duration_seconds") == syncs


async def test_indexes_that_fail_are_counted(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(seconds=5, exit_code=1),)))
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    await cluster.create(job("work", **spec))
    await ends(cluster, "work")
    assert counted(cluster, "job_controller_job_finished_indexes_total") == {("failed", "perIndex"): 2}
    assert counted(cluster, "job_controller_jobs_finished_total") == {
        ("Indexed", "failed", "FailedIndexes"): 1
    }


async def test_a_stateful_set_with_too_few_pods_is_counted(simulated_cluster: SimulatedCluster) -> None:
    cluster = simulated_cluster
    labels = {"app": "db"}
    spec = {
        "replicas": 3, "serviceName": "db", "selector": {"matchLabels": labels}, "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "template": {"metadata": {"labels": labels}, "spec": POD},
    }  # fmt: skip
    await cluster.create(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    )

    async def available(count: int) -> bool:
        return ((await cluster.get(STATEFUL_SETS, "db")).get("status") or {}).get(
            "availableReplicas"
        ) == count

    await cluster.until(lambda: available(3))
    name = "statefulset_controller_statefulset_unavailability_violation"
    before = counted(cluster, name).get(("default", "db", "Parallel"), 0)
    cluster.pods.not_ready("db-0")
    await cluster.until(lambda: available(2))
    await cluster.advance(10)
    assert counted(cluster, name).get(("default", "db", "Parallel"), 0) == before  # one is allowed
    cluster.pods.not_ready("db-1")
    await cluster.until(lambda: available(1))
    await cluster.advance(10)
    assert counted(cluster, name)["default", "db", "Parallel"] > before


async def test_looks_at_an_autoscaler_are_counted(simulated_cluster: SimulatedCluster) -> None:
    """Simulated nodes measure nothing, so its metric fails; a target that is not there is an error, too."""
    cluster = simulated_cluster
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": POD}
    deployment = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await cluster.create(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": deployment}
    )
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    usage = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": usage}]}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": spec,
    }
    await cluster.create(body)
    prefix = "horizontal_pod_autoscaler_controller_"
    failed, looks = {("none", "internal", "Resource"): 1}, {("none", "internal"): 1}
    await cluster.until(lambda: counted(cluster, f"{prefix}metric_computation_total") == failed)
    assert counted(cluster, f"{prefix}metric_computation_duration_seconds") == failed
    assert counted(cluster, f"{prefix}reconciliations_total") == looks
    assert counted(cluster, f"{prefix}reconciliation_duration_seconds") == looks
    change = {"spec": {"maxReplicas": 5, "minReplicas": 4}}
    await cluster.client.patch(HORIZONTAL_POD_AUTOSCALERS, "web", change, "default")
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.until(
        lambda: counted(cluster, f"{prefix}reconciliations_total").get(("scale_up", "none")) == 1
    )


def test_every_measure_is_documented_with_its_labels() -> None:
    page = {
        cells[0].strip("` "): (cells[1].strip(), set(re.findall(r"\w+", cells[2])))
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `") and len(cells := line.split("|")[1:]) >= 4
    }
    autoscaling = (*horizontalpodautoscaling.RECONCILIATIONS, *horizontalpodautoscaling.COMPUTATIONS)
    of_jobs = [value for value in vars(jobs).values() if isinstance(value, Measure)]
    measures = [*of_jobs, jobs.PASSES.total, jobs.PASSES.duration, *autoscaling, VIOLATIONS]
    assert len(measures) == 12
    for measure in measures:
        kind = "histogram" if measure.bounds else "counter"
        assert page[measure.name] == (kind, set(measure.labels)), measure.name
