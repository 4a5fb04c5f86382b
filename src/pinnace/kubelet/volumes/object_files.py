"""Volumes whose files come from API objects: configMap, secret, downwardAPI, projected.

They lie on tmpfs, so that secrets never reach the disk, and are rewritten in place when what they show has changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pinnace.kubelet.volumes import payloads
from pinnace.kubelet.volumes.atomic_writer import write
from pinnace.kubelet.volumes.mounts import is_mounted, mount_tmpfs
from pinnace.kubelet.volumes.payloads import DEFAULT_MODE, Files
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext

Collect = Callable[[Mapping[str, Any], int, VolumeContext], Awaitable[Files]]

PROJECTIONS: dict[str, Collect] = {
    "configMap": payloads.config_map,
    "secret": payloads.secret,
    "downwardAPI": payloads.downward_api,
    "serviceAccountToken": payloads.service_account_token,
}


async def projected(source: Mapping[str, Any], mode: int, context: VolumeContext) -> Files:
    files: Files = {}
    for part in source.get("sources") or ():
        for field, one in part.items():
            if field not in PROJECTIONS:
                raise MountError(f"projected source {field} is not supported on this node")
            files.update(await PROJECTIONS[field](one, mode, context))
    return files


class ObjectFiles:
    """`field` is the volume's field in the pod spec."""

    is_read_only = True

    def __init__(self, name: str, field: str, collect: Collect) -> None:
        self.name, self._field, self._collect = name, field, collect

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        source = volume[self._field]
        mode = source.get("defaultMode")
        files = await self._collect(source, DEFAULT_MODE if mode is None else mode, context)
        try:
            await asyncio.to_thread(_write, directory, files, context.stamp, context.group)
        except (OSError, ValueError) as error:
            raise MountError(str(error)) from error
        return directory


def _write(directory: Path, files: Files, stamp: str, group: int | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if not is_mounted(directory):
        mount_tmpfs(directory, "mode=0755")
        directory.chmod(0o777)
    write(directory, files, stamp, group)
