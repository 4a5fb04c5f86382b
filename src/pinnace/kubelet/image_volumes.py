"""Volumes of images: pulled as a container's image is, mounted read-only below the pod's directory, gone with it.

An image is mounted at `volumes/kubernetes.io~image/VOLUME/DIGEST`, and the view of it in the runtime is named by uid, volume and
digest: so what has to be given back can be read from the directory, whoever made it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError
from pinnace.kubelet.images import Images, StartError
from pinnace.kubelet.pod_record import PodPaths
from pinnace.kubelet.volumes.image import DIRECTORY
from pinnace.kubelet.volumes.mounts import is_mounted, mount_read_only, mounts_below, unmount

RETRY_SECONDS = 10.0


class ImageVolumes:
    def __init__(self, runtime: ContainerRuntime, images: Images, paths: PodPaths) -> None:
        self._runtime, self._images, self._paths = runtime, images, paths

    async def provide(
        self, pod: Object, container: dict[str, Any], secrets: Iterable[Object]
    ) -> Mapping[str, Path]:
        """The mounted images of this container, by volume; raises StartError."""
        wanted = {one["name"] for one in container.get("volumeMounts") or ()}
        found = {}
        for volume in pod["spec"].get("volumes") or ():
            source = volume.get("image")
            if source is not None and volume["name"] in wanted:
                asked = {
                    "name": "", "image": source.get("reference", ""), "imagePullPolicy": source.get("pullPolicy")
                }  # fmt: skip
                image = await self._images.ensure(pod, asked, secrets)
                found[volume["name"]] = await self._mount(meta.uid(pod), volume["name"], image.id)
        return found

    async def _mount(self, uid: str, name: str, image_id: str) -> Path:
        digest = image_id.removeprefix("sha256:")
        path = self._paths.volumes(uid) / DIRECTORY / name / digest
        if path.is_dir() and is_mounted(path):
            return path
        path.mkdir(parents=True, exist_ok=True)
        try:
            views = await self._runtime.view_image(image_id, view_key(uid, name, digest))
            for view in views:
                await asyncio.to_thread(mount_read_only, view.kind, view.source, view.options, path)
        except (CriError, OSError) as error:
            raise StartError(
                "CreateContainerError", f'failed to mount image volume "{name}": {error}', RETRY_SECONDS
            ) from error
        return path

    async def release(self, uid: str) -> None:
        """Unmount the pod's images and let the runtime forget the views. Idempotent."""
        root = self._paths.volumes(uid) / DIRECTORY
        for path in sorted(root.glob("*/*")) if root.is_dir() else ():
            for point in mounts_below(path):
                unmount(Path(point))
            await self._runtime.drop_view(view_key(uid, path.parent.name, path.name))
            path.rmdir()


def images_in_volumes(root: Path) -> set[str]:
    """Ids of images that are mounted for some pod; `root` is the kubelet's directory."""
    return {f"sha256:{path.name}" for path in root.glob(f"pods/*/volumes/{DIRECTORY}/*/*")}


def view_key(uid: str, volume: str, digest: str) -> str:
    return f"{uid}/volumes/{volume}/{digest}"
