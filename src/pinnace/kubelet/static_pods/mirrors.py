"""Mirror pods: what the API shows of static pods. Made when missing, made anew when deleted or out of date, removed with the file.

The API server may be away for as long as it likes: the pods run, and their mirrors follow when it is back.
"""

import logging
from collections.abc import Callable

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import AlreadyExists, Conflict, NotFound, StatusError
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.kubelet.static_pods.manifests import is_mirror_of, mirror_pod

log = logging.getLogger(__name__)

Key = tuple[str, str]


class MirrorPods:
    """`node` is this node's object, once it is registered; `on_mirror(uid of the static pod)` when its mirror is there."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        static: Callable[[Key], Object | None],
        node: Callable[[], Object | None],
        on_mirror: Callable[[str], None],
        forget: Callable[[str], None],
    ) -> None:
        self._client = client
        self._static, self._node, self._on_mirror, self._forget = static, node, on_mirror, forget
        self._queue: WorkQueue[Key] = WorkQueue(clock, base_delay=0.1, max_delay=10.0)
        self._mirrors: dict[Key, Object] = {}

    def observe(self, old: Object | None, new: Object | None) -> None:
        """A mirror pod in the API changed."""
        for pod in (old, new):
            if pod is not None:
                self.changed(meta.key(pod))
        if new is not None:
            self._mirrors[meta.key(new)] = new
        if old is not None and (new is None or meta.uid(old) != meta.uid(new)):
            self._forget(meta.uid(old))
            if new is None:
                self._mirrors.pop(meta.key(old), None)

    def changed(self, key: Key) -> None:
        self._queue.add(key)

    def mirror_of(self, pod: Object) -> Object | None:
        mirror = self._mirrors.get(meta.key(pod))
        is_good = mirror is not None and is_mirror_of(mirror, pod) and not meta.is_terminating(mirror)
        return mirror if is_good else None

    async def run(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                if await self._reconcile(key):
                    self._queue.forget(key)
                else:
                    self._queue.add_rate_limited(key)
            except (ConnectionError, TimeoutError, StatusError) as error:
                delay = self._queue.add_rate_limited(key)
                log.warning("mirror of pod %s/%s: %s; again in %.1f s", *key, error, delay)
            except Exception:
                log.exception("mirror of pod %s/%s", *key)
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> bool:
        """False: not yet."""
        pod, mirror = self._static(key), self._mirrors.get(key)
        if mirror is not None and (pod is None or self.mirror_of(pod) is None):
            await self._delete(mirror)
            return True  # its end is told, and then comes the next look
        if pod is None:
            return True
        if mirror is None:
            node = self._node()
            return node is not None and await self._create(mirror_pod(pod, node))
        self._on_mirror(meta.uid(pod))
        return True

    async def _delete(self, mirror: Object) -> None:
        try:
            await self._client.delete(
                PODS, meta.name(mirror), meta.namespace(mirror), grace_period_seconds=0, uid=meta.uid(mirror)
            )
        except (NotFound, Conflict) as error:
            log.debug("mirror pod %s is gone already: %s", meta.key_text(mirror), error)

    async def _create(self, mirror: Object) -> bool:
        try:
            await self._client.create(PODS, mirror, meta.namespace(mirror))
        except AlreadyExists:
            return False  # not seen yet, or a pod that is none of ours
        return True
