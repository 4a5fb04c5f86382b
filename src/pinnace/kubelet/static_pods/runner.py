"""Runs the pods of the manifest directory: starts new ones, ends those whose file went, replaces those whose file changed.

A pod that takes the place of another of its name starts when that has ended, also when that was started by an earlier kubelet.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time
from pinnace.component.clock import Clock
from pinnace.kubelet.cri.runtime import CriError
from pinnace.kubelet.pod_workers import PodWorkers
from pinnace.kubelet.static_pods.directory import ManifestDirectory
from pinnace.kubelet.static_pods.manifests import ManifestError, static_pod

log = logging.getLogger(__name__)

Key = tuple[str, str]
RETRY_SECONDS = 1.0


class Predecessors(Protocol):
    async def end_others(self, key: Key, uid: str) -> None:
        """End what the runtime still runs of pods of this name that are not this one."""


class StaticPods:
    """`on_change` is told the key of each pod that came or went."""

    def __init__(
        self,
        directory: ManifestDirectory,
        node: str,
        clock: Clock,
        workers: PodWorkers,
        predecessors: Predecessors,
        on_change: Callable[[Key], None],
    ) -> None:
        self._directory, self._node, self._clock, self._workers = directory, node, clock, workers
        self._predecessors, self._on_change = predecessors, on_change
        self._wanted: dict[Key, Object] = {}
        self._seen: dict[str, tuple[bytes, Object | None]] = {}
        self._settling: dict[Key, asyncio.Task[None]] = {}
        self.has_read = asyncio.Event()

    def get(self, key: Key) -> Object | None:
        return self._wanted.get(key)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._read(group)
                    self.has_read.set()
                    await self._directory.changed()
        finally:
            self._directory.close()

    def _read(self, group: asyncio.TaskGroup) -> None:
        files = self._directory.read()
        self._seen = {path: self._pod_of(path, content) for path, content in files.items()}
        wanted = {meta.key(pod): pod for _, pod in self._seen.values() if pod is not None}
        touched = {
            key for key in wanted.keys() | self._wanted.keys() if wanted.get(key) is not self._wanted.get(key)
        }
        self._wanted = wanted
        for key in touched:
            self._on_change(key)
            if key not in self._settling:
                self._settling[key] = group.create_task(self._settle(key), name=f"static pod {key[1]}")

    def _pod_of(self, path: str, content: bytes) -> tuple[bytes, Object | None]:
        """A file that did not change is not read again; one that cannot be read is no pod."""
        if path in self._seen and self._seen[path][0] == content:
            return self._seen[path]
        try:
            seen = format_time(self._clock.now())
            return content, static_pod(content, node=self._node, source=path, seen=seen)
        except ManifestError as error:
            log.warning("can't process manifest file %s: %s", path, error)
            return content, None

    async def _settle(self, key: Key) -> None:
        """Until the pod of that name which runs is the one that is wanted."""
        try:
            while not await self._is_settled(key):
                pass
        finally:
            del self._settling[key]

    async def _is_settled(self, key: Key) -> bool:
        """One step towards it."""
        wanted = self._wanted.get(key)
        running = [
            record for record in self._workers.records() if record.is_static and meta.key(record.pod) == key
        ]
        others = [one for one in running if wanted is None or one.uid != meta.uid(wanted)]
        for record in others:
            record.grace_override = pods.grace_period_seconds(record.pod)
            self._workers.remove(record.pod)
            await self._workers.finished(record.uid)
        if others:
            self._workers.sweep()
            return False
        if wanted is None or running:
            return True
        try:
            await self._predecessors.end_others(key, meta.uid(wanted))
        except (CriError, TimeoutError) as error:
            log.warning("static pod %s/%s: what it replaces did not end: %s", *key, error)
            await self._clock.sleep(RETRY_SECONDS)
            return False
        if self._wanted.get(key) is not wanted:
            return False
        self._workers.update(wanted, is_static=True)
        return True
