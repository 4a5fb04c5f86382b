"""Binding: tells the API where a pod goes, in the background, so that the next decision need not wait for it.

Binding goes on with a bounded number of requests at a time. Success and failure come back through two callables, on the event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.component.tracing import CURRENT
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.queued_pod import QueuedPod

log = logging.getLogger(__name__)

AT_A_TIME = 128
TIMEOUT = 60.0


class Binder:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        bound: Callable[[QueuedPod, str], None],
        failed: Callable[[QueuedPod, str, Exception], None],
        elsewhere: Callable[[PodInfo, str], Awaitable[bool]] | None = None,
    ) -> None:
        """`elsewhere` binds a pod in another way; False when it is to be bound as all others."""
        self._client, self._clock = client, clock
        self._bound, self._failed, self._elsewhere = bound, failed, elsewhere
        self._places = asyncio.Semaphore(AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, entry: QueuedPod, node: str) -> None:
        """Begin to bind; waits only while too many bindings are under way."""
        await self._places.acquire()
        task = asyncio.create_task(
            self._bind(entry, node), name=f"bind {entry.pod.namespace}/{entry.pod.name}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind(self, entry: QueuedPod, node: str) -> None:
        pod = entry.pod
        if entry.span is not None:
            CURRENT.set(entry.span)  # of this task
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            request = self._post(pod, body) if self._elsewhere is None else self._somewhere(pod, node, body)
            await self._clock.wait_for(request, TIMEOUT)
        except (StatusError, OSError, TimeoutError) as error:
            self._report(entry, node, error)
        except Exception as error:
            log.exception("binding %s/%s to %s failed", pod.namespace, pod.name, node)
            self._failed(entry, node, error)
        else:
            self._bound(entry, node)
        finally:
            self._places.release()

    def _post(self, pod: PodInfo, body: Object) -> Awaitable[object]:
        return self._client.create(PODS, body, pod.namespace, name=pod.name, subresource="binding")

    async def _somewhere(self, pod: PodInfo, node: str, body: Object) -> None:
        assert self._elsewhere is not None
        if not await self._elsewhere(pod, node):
            await self._post(pod, body)

    def _report(self, entry: QueuedPod, node: str, error: Exception) -> None:
        if not isinstance(error, NotFound):  # a pod deleted meanwhile is no news
            log.warning("binding %s/%s to %s failed: %s", entry.pod.namespace, entry.pod.name, node, error)
        self._failed(entry, node, error)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
