"""What the conformance tests of workloads share: objects, changes as clients make them, and a record of what happened to pods."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import BY_GVK, PODS
from pinnace.apimachinery.errors import Conflict
from pinnace.apimachinery.gvk import GVR
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
STRATEGIC = "application/strategic-merge-patch+json"


def template(name: str, image: str = "one", **spec: Any) -> Object:
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def workload(kind: str, name: str, replicas: int | None = 1, image: str = "one", **spec: Any) -> Object:
    """Any kind with a selector and a template; without `replicas` for daemons."""
    is_old = kind == "ReplicationController"
    body: Object = {
        "selector": {"app": name} if is_old else {"matchLabels": {"app": name}},
        "template": template(name, image),
        **spec,
    }
    if replicas is not None:
        body["replicas"] = replicas
    return {
        "apiVersion": "v1" if is_old else "apps/v1", "kind": kind,
        "metadata": {"name": name, "labels": {"app": name}}, "spec": body,
    }  # fmt: skip


def lone_pod(name: str, **labels: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "one"}]},
    }  # fmt: skip


def with_image(image: str) -> Object:
    """The patch that gives a template's container another image."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}


class Workload:
    """One object of a workload kind in a cluster, and its pods."""

    def __init__(self, cluster: SimulatedCluster, obj: Object) -> None:
        self.cluster, self.name = cluster, meta.name(obj)
        self.gvr: GVR = BY_GVK[meta.gvk(obj)].gvr
        self._obj = obj

    async def start(self) -> "Workload":
        await self.cluster.create(self._obj)
        return self

    async def read(self) -> Object:
        return await self.cluster.get(self.gvr, self.name)

    async def status(self) -> Object:
        return (await self.read()).get("status") or {}

    async def patch(self, body: Object, subresource: str = "") -> Object:
        return await self.cluster.client.patch(
            self.gvr, self.name, body, "default", subresource=subresource, content_type=STRATEGIC
        )

    async def scale(self, replicas: int) -> Object:
        return await self.patch({"spec": {"replicas": replicas}})

    async def change(self, edit: Callable[[Object], None], subresource: str = "") -> Object:
        """Read, edit, update, until nobody else was faster: what upstream's test frame does."""
        while True:
            current = meta.mutable_copy(
                await self.cluster.client.get(self.gvr, self.name, "default", subresource=subresource)
            )
            edit(current)
            with contextlib.suppress(Conflict):
                return await self.cluster.client.update(self.gvr, current, subresource=subresource)

    async def pods(self) -> list[Object]:
        """Those that are not on their way out, by name."""
        found = [
            p
            for p in await self.cluster.list(PODS)
            if p["metadata"].get("labels", {}).get("app") == self.name
        ]
        return sorted((p for p in found if not meta.is_terminating(p)), key=meta.name)

    async def images(self) -> list[str]:
        return [p["spec"]["containers"][0]["image"] for p in await self.pods()]

    async def has_ready(self, count: int) -> bool:
        """So many pods, all of them ready, and the status says it."""
        found = await self.pods()
        said = await self.status()
        ready = said.get("numberReady", said.get("readyReplicas", 0))
        return len(found) == ready == count and all(map(pods.is_ready, found)) and await self.is_observed()

    async def is_observed(self) -> bool:
        obj = await self.read()
        seen: int = (obj.get("status") or {}).get("observedGeneration", 0)
        return seen >= obj["metadata"]["generation"]

    async def until_ready(self, count: int) -> list[Object]:
        await self.cluster.until(lambda: self.has_ready(count))
        return await self.pods()

    async def until_gone(self) -> None:
        async def gone() -> bool:
            return await self.cluster.is_gone(self.gvr, self.name) and not await self.pods()

        await self.cluster.until(gone)


class Record(list[tuple[str, str]]):
    """(type, name) of what happened to pods, in order; MODIFIED is left out."""

    def names(self, kind: str) -> list[str]:
        return [name for happened, name in self if happened == kind]


@contextlib.asynccontextmanager
async def recorded(cluster: SimulatedCluster) -> AsyncGenerator[Record, None]:
    record = Record()
    start = (await cluster.client.list(PODS, "default"))["metadata"]["resourceVersion"]

    async def follow() -> None:
        async for event in cluster.client.watch(PODS, "default", resource_version=start):
            if event.type in ("ADDED", "DELETED"):
                record.append((event.type, meta.name(event.object)))

    task = asyncio.create_task(follow())
    try:
        yield record
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
