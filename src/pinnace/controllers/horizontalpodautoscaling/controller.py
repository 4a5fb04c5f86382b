"""The loop: every autoscaler is looked at every sync period, new ones and changed ones at once (upstream waits a period).

It reads scales and metrics from the API at each look, so it is not one of the pure controllers. What judges an autoscaler is
imported with the first one.
"""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import HORIZONTAL_POD_AUTOSCALERS, PODS
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, Key, following
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers.horizontalpodautoscaling.config import AutoscalingConfig
from pinnace.controllers.runtime import indexes, spec_changed
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.workers import Workers

if TYPE_CHECKING:
    from pinnace.controllers.horizontalpodautoscaling.judge import Judge


class HorizontalPodAutoscalerController:
    name = "horizontal-pod-autoscaler"

    def __init__(
        self,
        client: Client,
        clock: Clock,
        informers: Informers,
        directory: Directory,
        config: AutoscalingConfig,
        *,
        workers: int = 5,
        tracer: Tracer | None = None,
    ) -> None:
        self._client, self._clock, self._directory, self._config = client, clock, directory, config
        self._hpas, self._pods = informers.of(HORIZONTAL_POD_AUTOSCALERS), informers.of(PODS)
        indexes.add_to(self._pods.lister, PODS)
        self._recorder = EventRecorder(client, clock, "horizontal-pod-autoscaler")
        self._workers: Workers[Key] = Workers(
            self.name, clock, self._sync, count=workers, max_delay=config.sync_period,
            recorder=self._recorder, about=lambda key: self._hpas.lister.get(key[1], key[0]),
            tracer=tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        await self._hpas.wait_synced()
        await self._pods.wait_synced()
        with following((self._hpas, self._changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._judge.forget(meta.key(old))
        elif new is not None and spec_changed(old, new):
            self._queue.add(meta.key(new))

    async def _sync(self, key: Key) -> None:
        hpa = self._hpas.lister.get(key[1], key[0])
        if hpa is not None:
            self._queue.add_after(key, self._config.sync_period)
            await self._judge.look_at(key, hpa)

    @cached_property
    def _judge(self) -> "Judge":
        from pinnace.controllers.horizontalpodautoscaling.judge import Judge

        return Judge(
            self._client, self._clock, self._directory, self._config, self._recorder, self._pods.lister,
            self.metrics.measures,
        )  # fmt: skip
