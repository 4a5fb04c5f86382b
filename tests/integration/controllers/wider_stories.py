"""What CronJobs, volumes, autoscalers, slices, daemons and budgets must come to, whatever befalls their controllers."""

from dataclasses import replace
from typing import Any

from integration.controllers.lives import Story
from integration.controllers.test_autoscaling import autoscaler, deployment
from pinnace.api import meta
from pinnace.api.resources import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    HORIZONTAL_POD_AUTOSCALERS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
)
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import STRATEGIC_MERGE_PATCH
from pinnace.kubelet.simulated.behaviour import SUCCEEDS
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


async def status(cluster: SimulatedCluster, gvr: GVR, name: str) -> Object:
    return (await cluster.get(gvr, name)).get("status") or {}


# --- CronJob


async def create_cron_job(cluster: SimulatedCluster) -> None:
    """For the next full minute, and no other of this day; its Job succeeds."""
    cluster.pods.behave(lambda _: SUCCEEDS)
    minute = cluster.now().minute + 1
    template = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "busybox"}]}}
    await cluster.create({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cron"},
        "spec": {"schedule": f"{minute} 12 * * *", "jobTemplate": {"spec": {"template": template}}},
    })  # fmt: skip


async def job_was_made_and_ended(cluster: SimulatedCluster) -> bool:
    found = await status(cluster, CRON_JOBS, "cron")
    ended = [(job.get("status") or {}).get("succeeded") for job in await cluster.list(JOBS)]
    return bool(ended == [1] and found.get("lastSuccessfulTime") and not found.get("active"))


# --- volumes


def claim(name: str, **spec: Any) -> Object:
    given = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": given,
    }


async def create_pod_with_claim(cluster: SimulatedCluster) -> None:
    await cluster.create({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local-path"},
        "provisioner": "rancher.io/local-path", "volumeBindingMode": "WaitForFirstConsumer",
    })  # fmt: skip
    await cluster.create(claim("data", storageClassName="local-path"))
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    await cluster.create({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "x"}], "volumes": volumes},
    })  # fmt: skip


async def pod_runs_on_its_volume(cluster: SimulatedCluster) -> bool:
    phases = [(await status(cluster, PODS, "p"))["phase"]]
    phases.append((await status(cluster, PERSISTENT_VOLUME_CLAIMS, "data"))["phase"])
    phases += [(volume.get("status") or {}).get("phase") for volume in await cluster.list(PERSISTENT_VOLUMES)]
    return phases == ["Running", "Bound", "Bound"]


async def delete_pod_and_claim(cluster: SimulatedCluster) -> None:
    await cluster.client.delete(PERSISTENT_VOLUME_CLAIMS, "data", "default")
    await cluster.client.delete(PODS, "p", "default")


async def nothing_is_left(cluster: SimulatedCluster) -> bool:
    left = [await cluster.list(gvr) for gvr in (PODS, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES)]
    return not any(left)


async def create_claims_and_volumes(cluster: SimulatedCluster) -> None:
    for name, size in (("small", "1Gi"), ("large", "5Gi"), ("spare", "5Gi")):
        await cluster.create({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": {"size": name}},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "hostPath": {"path": f"/{name}"},
                     "storageClassName": "static", "persistentVolumeReclaimPolicy": "Retain"},
        })  # fmt: skip
    for name, size in (("one", "small"), ("two", "large")):
        selector = {"matchLabels": {"size": size}}
        await cluster.create(claim(name, storageClassName="static", selector=selector))


async def claims_are_bound(cluster: SimulatedCluster) -> bool:
    claims = await cluster.list(PERSISTENT_VOLUME_CLAIMS)
    volumes = await cluster.list(PERSISTENT_VOLUMES)
    bound = [one["spec"].get("claimRef", {}).get("name") for one in volumes]
    phases = sorted((one.get("status") or {}).get("phase") or "" for one in (*claims, *volumes))
    return phases == ["Available", "Bound", "Bound", "Bound", "Bound"] and len(list(filter(None, bound))) == 2


# --- HorizontalPodAutoscaler


async def create_deployment(cluster: SimulatedCluster) -> None:
    await cluster.create(deployment(replicas=2))


async def rolled_out(cluster: SimulatedCluster) -> bool:
    return await cluster.is_rolled_out("web")


async def create_autoscaler(cluster: SimulatedCluster) -> None:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    metrics = [{"type": "Resource", "resource": cpu}]
    await cluster.create(autoscaler(maxReplicas=4, metrics=metrics))


async def is_scaled(cluster: SimulatedCluster) -> bool:
    found = await status(cluster, HORIZONTAL_POD_AUTOSCALERS, "web")
    return (
        (await cluster.get(DEPLOYMENTS, "web"))["spec"]["replicas"]
        == found.get("desiredReplicas")
        == found.get("currentReplicas")
        == 4
    ) and await rolled_out(cluster)


# --- EndpointSlice


def service(name: str, selector: Object | None) -> Object:
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": ports, **({"selector": selector} if selector else {})},
    }


async def create_service(cluster: SimulatedCluster) -> None:
    await cluster.create(service("web", {"app": "web"}))
    await cluster.create(deployment(replicas=3))


async def slices_of(cluster: SimulatedCluster, name: str) -> list[Object]:
    return await cluster.list(ENDPOINT_SLICES, labels=f"kubernetes.io/service-name={name}")


async def all_pods_are_ready_endpoints(cluster: SimulatedCluster) -> bool:
    slices = await slices_of(cluster, "web")
    ready = [e["conditions"]["ready"] for one in slices for e in one.get("endpoints") or ()]
    return len(slices) == 1 and ready == [True] * 3


async def change_image(cluster: SimulatedCluster) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "two"}]}}}}
    await cluster.client.patch(DEPLOYMENTS, "web", change, "default", content_type=STRATEGIC_MERGE_PATCH)


async def endpoints_are_those_of_the_new_pods(cluster: SimulatedCluster) -> bool:
    targets = {
        e["targetRef"]["name"] for one in await slices_of(cluster, "web") for e in one.get("endpoints") or ()
    }
    return (
        await all_pods_are_ready_endpoints(cluster)
        and await rolled_out(cluster)
        and targets == {meta.name(pod) for pod in await cluster.list(PODS)}
    )


async def create_endpoints(cluster: SimulatedCluster) -> None:
    await cluster.create(service("custom", None))
    await cluster.create({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "custom"},
        "subsets": [{"ports": [{"name": "http", "port": 80, "protocol": "TCP"}], "addresses": [{"ip": "10.1.2.3"}]}],
    })  # fmt: skip


def mirrors(*addresses: str) -> Any:
    async def look(cluster: SimulatedCluster) -> bool:
        shown = [
            address
            for one in await slices_of(cluster, "custom")
            for e in one["endpoints"]
            for address in e["addresses"]
        ]
        return sorted(shown) == sorted(addresses)

    return look


async def change_endpoints(cluster: SimulatedCluster) -> None:
    found = await cluster.get(ENDPOINTS, "custom")
    addresses = [{"ip": "10.1.2.4"}, {"ip": "10.1.2.5"}]
    subsets = [{**found["subsets"][0], "addresses": addresses}]
    await cluster.client.update(ENDPOINTS, {**found, "subsets": subsets})


async def delete_endpoints(cluster: SimulatedCluster) -> None:
    await cluster.client.delete(ENDPOINTS, "custom", "default")


# --- DaemonSet


async def create_daemons(cluster: SimulatedCluster) -> None:
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "main", "image": "one"}]},
    }
    await cluster.create({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    })  # fmt: skip


async def every_node_has_its_daemon(cluster: SimulatedCluster) -> bool:
    found = await cluster.get(DAEMON_SETS, "agent")
    said = found.get("status") or {}
    return (
        said.get("observedGeneration") == found["metadata"]["generation"]
        and said.get("numberAvailable") == said.get("updatedNumberScheduled") == 2
        and len(await cluster.list(PODS)) == 2
    )


async def change_daemons(cluster: SimulatedCluster) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "two"}]}}}}
    await cluster.client.patch(DAEMON_SETS, "agent", change, "default", content_type=STRATEGIC_MERGE_PATCH)


# --- PodDisruptionBudget


async def create_budget(cluster: SimulatedCluster) -> None:
    await cluster.create(deployment(replicas=3))
    await cluster.create({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 2},
    })  # fmt: skip


async def evict_one(cluster: SimulatedCluster) -> None:
    victim = meta.name((await cluster.list(PODS))[0])
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim}}
    await cluster.client.create(PODS, eviction, "default", name=victim, subresource="eviction")


async def one_may_go(cluster: SimulatedCluster) -> bool:
    said = await status(cluster, POD_DISRUPTION_BUDGETS, "web")
    numbers = [
        said.get(name) for name in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed")
    ]
    return numbers == [3, 3, 2, 1] and not said.get("disruptedPods")


VOLUMES = ("persistentvolume-binder", "local-path-provisioner")
MIRRORING = ("endpointslice-mirroring",)
SLICES = ("endpointslice",)

MORTAL = {
    "cron job": Story(("cronjob",), create_cron_job, job_was_made_and_ended, stride=3, fewest_deaths=5),
    "volume provisioned": Story(VOLUMES, create_pod_with_claim, pod_runs_on_its_volume, stride=2),
    "volume deleted": Story(
        VOLUMES,
        delete_pod_and_claim,
        nothing_is_left,
        create_pod_with_claim,
        pod_runs_on_its_volume,
        stride=2,
        fewest_deaths=5,
    ),
    "volumes bound": Story(VOLUMES[:1], create_claims_and_volumes, claims_are_bound, stride=2),
    "endpoints mirrored": Story(MIRRORING, create_endpoints, mirrors("10.1.2.3"), fewest_deaths=3),
    "endpoints changed": Story(
        MIRRORING,
        change_endpoints,
        mirrors("10.1.2.4", "10.1.2.5"),
        create_endpoints,
        mirrors("10.1.2.3"),
        fewest_deaths=3,
    ),
    "endpoints deleted": Story(
        MIRRORING, delete_endpoints, mirrors(), create_endpoints, mirrors("10.1.2.3"), fewest_deaths=3
    ),
}
_STORIES = {
    **MORTAL,
    "autoscaled": Story(
        ("horizontal-pod-autoscaler",),
        create_autoscaler,
        is_scaled,
        create_deployment,
        rolled_out,
        cpu="100m",
    ),
    "slice made": Story(SLICES, create_service, all_pods_are_ready_endpoints),
    "slice follows": Story(
        SLICES,
        change_image,
        endpoints_are_those_of_the_new_pods,
        create_service,
        all_pods_are_ready_endpoints,
    ),
    "daemons made": Story(("daemonset",), create_daemons, every_node_has_its_daemon, most_pods=2),
    "daemons changed": Story(
        ("daemonset",), change_daemons, every_node_has_its_daemon, create_daemons, every_node_has_its_daemon
    ),
    "budget made": Story(("disruption",), create_budget, one_may_go),
    "budget spent": Story(("disruption",), evict_one, one_may_go, create_budget, one_may_go),
}

STORIES = {
    name: replace(story, fault_rate=0.8, fewest_faults=5) for name, story in _STORIES.items()
}  # each has few calls
