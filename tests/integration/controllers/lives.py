"""A controller that dies at a chosen contact with the API and is started anew: what became of the cluster, and how many lives it took."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from integration.controllers.test_autoscaling import Metered
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    HORIZONTAL_POD_AUTOSCALERS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.controllers.volumes.local_path import LocalPathConfig
from pinnace.testing.api_server import MASTERS
from pinnace.testing.faults import Faults, FaultyClient, MortalClient
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
Act = Callable[[SimulatedCluster], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    """`victims` are the controllers that die; `act` begins what they must bring to `is_done`, after `prepare` was brought to
    `is_prepared` by the same controllers."""

    victims: tuple[str, ...]
    act: Act
    is_done: Callable[[SimulatedCluster], Awaitable[bool]]
    prepare: Act | None = None
    is_prepared: Callable[[SimulatedCluster], Awaitable[bool]] | None = None
    most_pods: int | None = None  # never more that are active at a time
    most_wanted: int | None = None  # never more that replica sets together are to keep
    fewest_ready: int = 0  # never fewer, once prepared
    fault_rate: float = 0.3  # more for those with few calls
    fewest_faults: int = 11  # a check of the test itself, as the next
    fewest_deaths: int = 10
    cpu: str | None = None  # what the metrics API says that each pod uses
    stride: int = 1  # every so many contacts one death; PINNACE_EVERY_DEATH=1 leaves none out


@dataclass
class Watcher:
    """Follows all pods: how many were ever created, how many were active at most and ready at least; and the sizes of sets."""

    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    most: int = 0
    most_wanted: int = 0
    fewest_ready: int | None = None
    informer: Informer | None = None
    sets: Informer | None = None

    def follow(self, cluster: SimulatedCluster) -> "list[asyncio.Task[None]]":
        self.informer = Informer(cluster.client, cluster.clock, PODS)
        self.informer.add_handler(self.look)
        self.sets = Informer(cluster.client, cluster.clock, REPLICA_SETS)
        self.sets.add_handler(self.look_at_sets)
        return [asyncio.create_task(one.run()) for one in (self.informer, self.sets)]

    def begin(self) -> None:
        self.created.clear()
        self.deleted.clear()
        self.most, self.most_wanted, self.fewest_ready = 0, 0, None
        self.look(None, None)

    def look(self, old: Object | None, new: Object | None) -> None:
        assert self.informer is not None
        active = [pod for pod in self.informer.lister if pods.is_active(pod)]
        if old is None and new is not None:
            self.created.add(meta.uid(new))
        if old is not None and (new is None or meta.is_terminating(new)):
            self.deleted.add(meta.uid(old))
        self.most = max(self.most, len(active))
        ready = sum(map(pods.is_ready, active))
        self.fewest_ready = ready if self.fewest_ready is None else min(self.fewest_ready, ready)

    def look_at_sets(self, old: Object | None, new: Object | None) -> None:
        assert self.sets is not None
        self.most_wanted = max(self.most_wanted, sum(one["spec"]["replicas"] for one in self.sets.lister))


@dataclass(frozen=True)
class Life:
    state: list[Any]
    contacts: int
    created_pods: int
    most_pods: int
    most_wanted: int
    fewest_ready: int
    last_words: str


class Victims:
    """The controllers of one life, with a client of their own."""

    def __init__(self, cluster: SimulatedCluster, story: Story, client: Client) -> None:
        metered = Metered(client, cluster.clock)
        metered.cpu = story.cpu
        settings = ControllersConfig(story.victims, local_path=LocalPathConfig(Path("/storage")))
        self.controllers = Controllers(cast("Client", metered), cluster.clock, settings)
        self.task = asyncio.create_task(self.controllers.run())

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def live(directory: Path, story: Story, dies_at: int = 0) -> Life:
    """The whole story, with one death at most."""
    others = ("*", *(f"-{name}" for name in story.victims))
    async with SimulatedCluster(directory, controllers=others) as cluster:
        own = cluster.api.local_client("system:kube-controller-manager", MASTERS)
        mortal = MortalClient(own)
        watcher = Watcher()
        watching = watcher.follow(cluster)
        victims = Victims(cluster, story, mortal)
        try:
            if story.prepare is not None and story.is_prepared is not None:
                await story.prepare(cluster)
                prepared = story.is_prepared
                await cluster.until(lambda: prepared(cluster))
            await cluster.advance(5)
            watcher.begin()
            mortal.contacts, mortal._dies_at = 0, dies_at
            await story.act(cluster)

            async def done_or_dead() -> bool:
                return mortal.died.is_set() or await story.is_done(cluster)

            await cluster.until(done_or_dead)
            if not mortal.died.is_set():
                await cluster.advance(5)  # what remains to be done after the end is in sight
            if mortal.died.is_set():
                await victims.end()
                await cluster.advance(1)
                victims = Victims(cluster, story, own)
                await cluster.until(lambda: story.is_done(cluster))
            await cluster.holds(lambda: story.is_done(cluster), seconds=30)
            return Life(
                await end_state(cluster), mortal.contacts, len(watcher.created), watcher.most,
                watcher.most_wanted, watcher.fewest_ready or 0, mortal.last_words,
            )  # fmt: skip
        finally:
            for task in watching:
                task.cancel()
            await victims.end()


@dataclass(frozen=True)
class Trouble:
    state: list[Any]
    created_pods: int
    deleted_pods: int
    happened: Counter[str]


async def suffer(directory: Path, story: Story, faults: Faults, *, seconds: float = 60.0) -> Trouble:
    """The whole story, the first `seconds` of it with faults."""
    others = ("*", *(f"-{name}" for name in story.victims))
    async with SimulatedCluster(directory, controllers=others) as cluster:
        own = cluster.api.local_client("system:kube-controller-manager", MASTERS)
        faulty = FaultyClient(own, cluster.clock, replace(faults, rate=0.0, watch_rate=0.0, watch_delay=0.0))
        watcher = Watcher()
        watching = watcher.follow(cluster)
        victims = Victims(cluster, story, faulty)
        try:
            if story.prepare is not None and story.is_prepared is not None:
                await story.prepare(cluster)
                prepared = story.is_prepared
                await cluster.until(lambda: prepared(cluster))
            await cluster.advance(5)
            watcher.begin()
            faulty._faults = faults
            await story.act(cluster)
            await cluster.advance(seconds)
            faulty.end()
            await cluster.until(lambda: story.is_done(cluster), within=1200)
            await cluster.holds(lambda: story.is_done(cluster), seconds=60)
            return Trouble(
                await end_state(cluster), len(watcher.created), len(watcher.deleted), faulty.happened
            )
        finally:
            for task in watching:
                task.cancel()
            await victims.end()


KINDS = (
    DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, CONTROLLER_REVISIONS, JOBS, PERSISTENT_VOLUME_CLAIMS, CONFIG_MAPS, PODS,
    CRON_JOBS, DAEMON_SETS, ENDPOINT_SLICES, HORIZONTAL_POD_AUTOSCALERS, PERSISTENT_VOLUMES, POD_DISRUPTION_BUDGETS,
)  # fmt: skip


async def end_state(cluster: SimulatedCluster) -> list[Any]:
    """Everything that must not depend on how often a controller died: no generated names, uids, revisions and times."""
    return [[kind.resource, await _shown(cluster, kind)] for kind in KINDS]


async def _shown(cluster: SimulatedCluster, kind: GVR) -> list[Any]:
    items = [item for item in await cluster.list(kind) if meta.name(item) != "kube-root-ca.crt"]
    return sorted((_essence(item) for item in items), key=repr)


def _essence(obj: Object) -> Any:
    metadata, status = obj["metadata"], obj.get("status") or {}
    labels: Object = metadata.get("labels") or {}
    return {
        "name": metadata.get("generateName") or re.sub(r"^pvc-.*", "pvc-", metadata["name"]),
        "owners": sorted(ref["name"] for ref in metadata.get("ownerReferences") or ()),
        "labels": {k: v for k, v in labels.items() if not k.endswith("controller-uid")},
        "finalizers": metadata.get("finalizers"),
        "terminating": meta.is_terminating(obj),
        "revision": meta.annotations(obj).get("deployment.kubernetes.io/revision"),
        "replicas": (obj.get("spec") or {}).get("replicas"),
        "endpoints": [e["conditions"] for e in obj.get("endpoints") or ()],
        "images": [c["image"] for c in (obj.get("spec") or {}).get("containers") or ()],
        "conditions": sorted(
            (c["type"], c["status"], c.get("reason", "")) for c in status.get("conditions") or ()
        ),
        "status": {k: v for k, v in status.items() if isinstance(v, int | str) and not k.endswith(("Time", "IP", "Generation"))},
        "is observed": status.get("observedGeneration", 0) in (0, metadata.get("generation")),
    }  # fmt: skip
