"""TTL controller: nodes are told how long to trust what they know of Secrets and ConfigMaps, longer in a larger cluster.

Upstream writes the annotation with each change of a node; here the number of nodes is looked at once it has settled.
Simulated nodes get none: nothing on them would read it, and thousands of writes would follow each start.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/ttl/ttl_controller.go
"""

import asyncio
import logging

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.client.informer import Informers, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

ANNOTATION = "node.alpha.kubernetes.io/ttl"
SIMULATED = "pinnace.dev/simulated"
SETTLE = 5.0  # seconds without a new node or one that went
CONCURRENT_WRITES = 8
BOUNDARIES = (  # (from this many nodes, up to this many, seconds): overlapping, so that a number on the edge does not flap
    (0, 100, 0),
    (90, 500, 15),
    (450, 1000, 30),
    (900, 2000, 60),
    (1800, 1 << 31, 300),
)


def step_for(count: int, before: int) -> int:
    """The boundary to use, coming from the one with the number `before`."""
    step = before
    while count > BOUNDARIES[step][1]:
        step += 1
    while count < BOUNDARIES[step][0]:
        step -= 1
    return step


class TtlController:
    name = "ttl"

    def __init__(self, client: Client, clock: Clock, informers: Informers) -> None:
        self._client, self._clock = client, clock
        self._nodes = informers.of(NODES)
        self._changed = asyncio.Event()
        self._step = 0

    async def run(self) -> None:
        await self._nodes.wait_synced()
        with following((self._nodes, self._node_changed)):
            while True:
                await self._changed.wait()
                while self._changed.is_set():
                    self._changed.clear()
                    await self._clock.sleep(SETTLE)
                await self._annotate()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Also one whose annotation somebody changed."""
        if old is None or new is None or _ttl(old) != _ttl(new):
            self._changed.set()

    async def _annotate(self) -> None:
        found = self._nodes.lister.select()
        self._step = step_for(len(found), self._step)
        wanted = str(BOUNDARIES[self._step][2])
        limit = asyncio.Semaphore(CONCURRENT_WRITES)

        async def write(node: Object) -> None:
            body = {"metadata": {"annotations": {ANNOTATION: wanted}}}
            async with limit:
                try:
                    await self._client.patch(NODES, meta.name(node), body)
                except NotFound:
                    pass
                except (StatusError, OSError, TimeoutError) as error:
                    log.warning("%s: node %s: %s", self.name, meta.name(node), error)
                    self._changed.set()  # again, after the pause

        async with asyncio.TaskGroup() as tasks:
            for node in found:
                if _ttl(node) != wanted and SIMULATED not in meta.labels(node):
                    tasks.create_task(write(node))


def _ttl(node: Object) -> str | None:
    return meta.annotations(node).get(ANNOTATION)
