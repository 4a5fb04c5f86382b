"""A controller that is killed at any moment and started again reaches the same state: one run for each contact with the API."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from integration.controllers import stateful_stories, wider_stories
from integration.controllers.lives import Life, Story, live
from pinnace.api import meta
from pinnace.api.resources import CONFIG_MAPS, DEPLOYMENTS, JOBS, PODS, STATEFUL_SETS
from pinnace.client.interface import STRATEGIC_MERGE_PATCH
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


def deployment(replicas: int = 3) -> Object:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}},
        },
    }  # fmt: skip


async def create_deployment(cluster: SimulatedCluster) -> None:
    await cluster.create(deployment())


async def change_image(cluster: SimulatedCluster) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
    await cluster.client.patch(DEPLOYMENTS, "web", change, "default", content_type=STRATEGIC_MERGE_PATCH)


async def rolled_out(cluster: SimulatedCluster) -> bool:
    return await cluster.is_rolled_out("web")


def statefulset(replicas: int = 3) -> Object:
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}},
        },
    }  # fmt: skip


async def create_statefulset(cluster: SimulatedCluster) -> None:
    await cluster.create(statefulset())


async def change_image_of_statefulset(cluster: SimulatedCluster) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
    await cluster.client.patch(STATEFUL_SETS, "db", change, "default", content_type=STRATEGIC_MERGE_PATCH)


async def statefulset_rolled_out(cluster: SimulatedCluster) -> bool:
    made = await cluster.get(STATEFUL_SETS, "db")
    status = made.get("status") or {}
    return bool(
        status.get("observedGeneration") == made["metadata"]["generation"]
        and status.get("availableReplicas") == status.get("updatedReplicas") == 3
        and status.get("currentRevision") == status.get("updateRevision")
    )


async def create_job(cluster: SimulatedCluster) -> None:
    """Three pods, two at a time, that end well after five seconds."""
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(seconds=5, exit_code=0),)))
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
    await cluster.create({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"},
        "spec": {"completions": 3, "parallelism": 2, "template": template},
    })  # fmt: skip


async def job_complete(cluster: SimulatedCluster) -> bool:
    status = (await cluster.get(JOBS, "work")).get("status") or {}
    done = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    finalizers = [pod["metadata"].get("finalizers") for pod in await cluster.list(PODS)]
    return "Complete" in done and not any(finalizers)


def config_map(name: str, *owners: Object, blocks: bool = True) -> Object:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": meta.name(owner), "uid": meta.uid(owner),
         "blockOwnerDeletion": blocks}
        for owner in owners
    ]  # fmt: skip
    metadata: Object = {"name": name, **({"ownerReferences": references} if references else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def create_family(cluster: SimulatedCluster) -> None:
    """An owner, two children of it, a grandchild, and a child that somebody else owns as well."""
    owner = await cluster.create(config_map("owner"))
    other = await cluster.create(config_map("other"))
    child = await cluster.create(config_map("child", owner))
    await cluster.create(config_map("child-unblocking", owner, blocks=False))
    await cluster.create(config_map("grandchild", child))
    await cluster.create(config_map("shared", owner, other))


async def names(cluster: SimulatedCluster) -> set[str]:
    return {meta.name(obj) for obj in await cluster.list(CONFIG_MAPS)} - {"kube-root-ca.crt"}


async def has_family(cluster: SimulatedCluster) -> bool:
    return len(await names(cluster)) == 6


async def only_shared_left(cluster: SimulatedCluster) -> bool:
    return await names(cluster) == {"other", "shared"} and await owners(cluster, "shared") == {"other"}


async def owners(cluster: SimulatedCluster, name: str) -> set[str]:
    references = (await cluster.get(CONFIG_MAPS, name))["metadata"].get("ownerReferences") or ()
    return {reference["name"] for reference in references}


async def set_free(cluster: SimulatedCluster) -> bool:
    left = await names(cluster)
    return "owner" not in left and len(left) == 5 and not await owners(cluster, "child")


def delete_owner(policy: str) -> Any:
    async def act(cluster: SimulatedCluster) -> None:
        await cluster.client.delete(CONFIG_MAPS, "owner", "default", propagation_policy=policy)

    return act


WORKLOADS = ("deployment", "replicaset")
COLLECTOR = ("garbage-collector",)

STORIES = {
    "deployment created": Story(WORKLOADS, create_deployment, rolled_out, most_pods=3),
    # Surge limits what the sets are to keep, never more than 4 here. An old set that has not yet deleted the pod that it is to
    # lose (its controller died, or is slow) has it on top of that, in upstream as well: NewRSNewReplicas sums spec.replicas of
    # the sets and looks at no pod (pkg/controller/deployment/util/deployment_util.go, GetReplicaCountForReplicaSets).
    "deployment rolled": Story(
        WORKLOADS,
        change_image,
        rolled_out,
        create_deployment,
        rolled_out,
        most_pods=5,
        most_wanted=4,
        fewest_ready=2,
        stride=5,
    ),
    "statefulset created": Story(("statefulset",), create_statefulset, statefulset_rolled_out, most_pods=3),
    "statefulset rolled": Story(
        ("statefulset",),
        change_image_of_statefulset,
        statefulset_rolled_out,
        create_statefulset,
        statefulset_rolled_out,
        most_pods=3,
        fewest_ready=2,
        stride=5,
    ),
    "job done": Story(("job",), create_job, job_complete, most_pods=2, stride=2),
    "garbage in the background": Story(
        COLLECTOR, delete_owner("Background"), only_shared_left, create_family, has_family
    ),
    "garbage in the foreground": Story(
        COLLECTOR, delete_owner("Foreground"), only_shared_left, create_family, has_family
    ),
    "orphans": Story(COLLECTOR, delete_owner("Orphan"), set_free, create_family, has_family),
    **stateful_stories.STORIES,
    **wider_stories.MORTAL,
}


def check(story: Story, whole: Life, life: Life) -> None:
    assert life.state == whole.state
    assert life.created_pods == whole.created_pods  # nothing is created twice
    if story.most_pods is not None:
        assert life.most_pods <= story.most_pods
    if story.most_wanted is not None:
        assert life.most_wanted <= story.most_wanted
    assert life.fewest_ready >= story.fewest_ready


QUICK = ("orphans", "stateful set with claims scaled down")  # the two that die least often


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in STORIES]
)
async def test_death_at_any_contact_changes_nothing_in_the_end(tmp_path: Path, name: str) -> None:
    story = STORIES[name]
    whole = await live(tmp_path / "whole", story)
    check(story, whole, whole)
    deaths, stride = 0, 1 if os.environ.get("PINNACE_EVERY_DEATH") else story.stride
    for moment in itertools.count(1, stride):
        life = await live(tmp_path / str(moment), story, moment)
        try:
            check(story, whole, life)
        except AssertionError as error:
            raise AssertionError(f"death {moment}, {life.last_words}: {error}") from error
        if not life.last_words:
            break  # it lived to see the end
        deaths += 1
    assert deaths >= story.fewest_deaths
