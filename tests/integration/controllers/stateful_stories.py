"""What a StatefulSet controller is doing when it dies: creating in order, replacing pods, scaling down with the claims."""

from typing import Any

from integration.controllers.lives import Story
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from pinnace.client.interface import STRATEGIC_MERGE_PATCH
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
VICTIMS = ("statefulset",)


def stateful_set(replicas: int = 3, **spec: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": "one"}]},
    }
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                 "template": template, **spec},
    }  # fmt: skip


async def create(cluster: SimulatedCluster) -> None:
    await cluster.create(stateful_set())


async def create_with_claims(cluster: SimulatedCluster) -> None:
    template = {"metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    await cluster.create(
        stateful_set(
            podManagementPolicy="Parallel",
            volumeClaimTemplates=[template],
            persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete", "whenScaled": "Delete"},
        )
    )


async def change_image(cluster: SimulatedCluster) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
    await cluster.client.patch(STATEFUL_SETS, "db", change, "default", content_type=STRATEGIC_MERGE_PATCH)


async def scale_down(cluster: SimulatedCluster) -> None:
    await cluster.client.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}}, "default")


async def rolled_out(cluster: SimulatedCluster) -> bool:
    ss = await cluster.get(STATEFUL_SETS, "db")
    status, there = ss.get("status") or {}, await cluster.list(PODS)
    images = {pod["spec"]["containers"][0]["image"] for pod in there}
    return (
        status.get("observedGeneration") == ss["metadata"]["generation"]
        and status.get("readyReplicas")
        == status.get("updatedReplicas")
        == len(there)
        == ss["spec"]["replicas"]
        and status["currentRevision"] == status["updateRevision"]
        and all(map(pods.is_ready, there))
        and images == {ss["spec"]["template"]["spec"]["containers"][0]["image"]}
    )


async def has_claims_of_its_pods(cluster: SimulatedCluster) -> bool:
    """Whether the pods run does not matter: nobody has volumes for them."""
    ss = await cluster.get(STATEFUL_SETS, "db")
    wanted = range(ss["spec"]["replicas"])
    there = sorted(meta.name(pod) for pod in await cluster.list(PODS))
    claims = await cluster.list(PERSISTENT_VOLUME_CLAIMS)
    return (
        there == [f"db-{n}" for n in wanted]
        and sorted(map(meta.name, claims)) == [f"data-db-{n}" for n in wanted]
        and all((meta.controller_of(claim) or {}).get("kind") == "StatefulSet" for claim in claims)
        and (ss.get("status") or {}).get("replicas") == len(wanted)
        and len(await cluster.list(CONTROLLER_REVISIONS)) == 1
    )


STORIES = {
    "stateful set created": Story(VICTIMS, create, rolled_out, most_pods=3, stride=3),
    "stateful set rolled": Story(
        VICTIMS, change_image, rolled_out, create, rolled_out, most_pods=3, fewest_ready=2, stride=5
    ),
    "stateful set with claims created": Story(
        VICTIMS, create_with_claims, has_claims_of_its_pods, most_pods=3, stride=2
    ),
    "stateful set with claims scaled down": Story(
        VICTIMS,
        scale_down,
        has_claims_of_its_pods,
        create_with_claims,
        has_claims_of_its_pods,
        most_pods=3,
        stride=2,
    ),
}
