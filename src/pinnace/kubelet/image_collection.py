"""Removing images nobody uses: above the high threshold of the image disk down to the low one, longest unused first.

`remove_unused` removes them all, which is what eviction asks for when the disk is short. Left out: removal by age alone.
"""

import asyncio
import logging
import os
from dataclasses import dataclass

from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError, Image
from pinnace.kubelet.image_records import ImageRecords
from pinnace.kubelet.image_volumes import images_in_volumes

log = logging.getLogger(__name__)

PERIOD_SECONDS = 300.0
MINIMUM_AGE_SECONDS = 120.0  # a fresh image may be about to be used


@dataclass(slots=True)
class _Seen:
    """When an image was detected, and when a container was last seen using it."""

    detected: float
    used: float


class ImageCollector:
    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        runtime: ContainerRuntime,
        recorder: EventRecorder,
        node: Object,
        records: ImageRecords,
    ) -> None:
        self._records = records
        self._config, self._clock, self._runtime, self._recorder = config, clock, runtime, recorder
        self._node = node  # what events are about
        self._seen: dict[str, _Seen] = {}

    async def run(self) -> None:
        while True:
            try:
                await self.collect()
            except (CriError, OSError, TimeoutError) as error:
                log.warning("images not collected: %s", error)
            await self._clock.sleep(PERIOD_SECONDS)

    async def collect(self) -> None:
        """Free space if the image disk is fuller than the high threshold."""
        unused = await self._look()
        usages = await self._runtime.image_fs_info()
        if not usages:
            return
        disk = await asyncio.to_thread(os.statvfs, usages[0].mountpoint)
        capacity, available = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        percent = 100 - available * 100 // max(capacity, 1)
        if percent < self._config.image_gc_high_threshold_percent:
            return
        goal = capacity * (100 - self._config.image_gc_low_threshold_percent) // 100 - available
        freed = await self._remove(unused, goal)
        if freed < goal:
            text = (
                f"Failed to garbage collect required amount of images. Attempted to free {goal} bytes, "
                f"but only found {freed} bytes eligible to free."
            )
            self._recorder.event(self._node, "Warning", "FreeDiskSpaceFailed", text)

    async def remove_unused(self) -> None:
        await self._remove(await self._look(), None)

    async def _look(self) -> list[Image]:
        """Images that no container and no volume uses, longest unused first."""
        images, containers = await asyncio.gather(
            self._runtime.list_images(), self._runtime.list_containers()
        )
        self._records.prune(one.id for one in images)
        now, in_use = self._clock.monotonic(), {one.image_ref for one in containers}
        in_use |= images_in_volumes(self._config.root_dir)
        in_use |= {one.image for one in containers}
        self._seen = {one.id: self._seen.get(one.id, _Seen(now, float("-inf"))) for one in images}
        unused = []
        for image in images:
            names = {image.id, *image.repo_tags, *image.repo_digests}
            if names & in_use:
                self._seen[image.id].used = now
            elif not image.is_pinned and not names & set(self._config.pinned_images):
                unused.append(image)
        return sorted(unused, key=lambda one: (self._seen[one.id].used, self._seen[one.id].detected))

    async def _remove(self, unused: list[Image], goal: int | None) -> int:
        """Bytes freed; stops at `goal`."""
        freed, now = 0, self._clock.monotonic()
        for image in unused:
            if goal is not None:
                if freed >= goal:
                    break
                if now - self._seen[image.id].detected < MINIMUM_AGE_SECONDS:
                    continue
            try:
                await self._runtime.remove_image(image.id)
            except CriError as error:
                log.warning("image %s not removed: %s", image.repo_tags, error)
            else:
                freed += image.size
        return freed
