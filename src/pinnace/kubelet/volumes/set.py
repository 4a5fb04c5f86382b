"""All volumes of one pod: set up before containers start, kept up to date, given to containers as mounts, removed."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pinnace.api.meta import Object
from pinnace.kubelet.environment import ConfigError, expand
from pinnace.kubelet.volumes.catalog import is_read_only, plugin_for
from pinnace.kubelet.volumes.mounts import mounts_below, unmount_below
from pinnace.kubelet.volumes.plugin import MountError, NotAttached, Unprocessed, VolumeContext
from pinnace.kubelet.volumes.sub_paths import SubPaths, open_inside

PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}


@dataclass(frozen=True, slots=True)
class FailedVolume:
    name: str
    error: MountError

    @property
    def is_news(self) -> bool:
        return not isinstance(self.error, NotAttached) or self.error.overdue

    @property
    def reason(self) -> str:
        return "FailedMapVolume" if self.error.operation.startswith("MapVolume") else "FailedMount"

    @property
    def event(self) -> str:
        if isinstance(self.error, NotAttached):
            volumes = f"unmounted volumes=[{self.name}], unattached volumes=[{self.name}], failed to process volumes=[]"
            return f"Unable to attach or mount volumes: {volumes}: {self.error}"
        if isinstance(self.error, Unprocessed):
            volumes = f"unmounted volumes=[{self.name}], unattached volumes=[], failed to process volumes=[{self.name}]"
            return f"Unable to attach or mount volumes: {volumes}: {self.error}"
        return f'{self.error.operation} failed for volume "{self.error.volume or self.name}" : {self.error}'


async def set_up_all(root: Path, context: VolumeContext) -> tuple[dict[str, Path], list[FailedVolume]]:
    """Paths by volume name, and what failed. `root` is the pod's `volumes` directory."""
    paths: dict[str, Path] = {}
    failures: list[FailedVolume] = []
    for volume in context.pod["spec"].get("volumes") or ():
        name = volume["name"]
        try:
            plugin = plugin_for(volume)
            directory = root / plugin.name.replace("/", "~") / name
            paths[name] = await plugin.set_up(volume, directory, context)
        except MountError as error:
            failures.append(FailedVolume(name, error))
    return paths, failures


def container_mounts(
    pod: Object,
    container: dict[str, Any],
    paths: Mapping[str, Path],
    environment: Mapping[str, str],
    sub_paths: SubPaths,
) -> list[dict[str, Any]]:
    """CRI mounts of the container's `volumeMounts`; raises ConfigError."""
    ours = {one["name"] for one in pod["spec"].get("volumes") or () if is_read_only(one)}
    mounts = []
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        volume = mount["name"]
        if volume not in paths:
            raise ConfigError(f'cannot find volume "{volume}" to mount into container "{container["name"]}"')
        if mount.get("recursiveReadOnly") == "Enabled":
            why = "requested recursive read-only mode, but it is not supported by the runtime"
            raise ConfigError(f'volume "{volume}" {why}')
        inside, host = mount["mountPath"], paths[volume]
        if part := _sub_path(mount, environment):
            host = _hold(host, part, mount, sub_paths, (volume, container["name"], str(index)))
        mounts.append(
            {
                "container_path": inside if inside.startswith("/") else f"/{inside}",
                "host_path": str(host),
                "readonly": bool(mount.get("readOnly")) or volume in ours,
                "propagation": PROPAGATION[mount.get("mountPropagation") or "None"],
            }
        )
    return mounts


def container_devices(
    pod: Object, container: dict[str, Any], paths: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """CRI devices of the container's `volumeDevices`; raises ConfigError."""
    ours = {one["name"] for one in pod["spec"].get("volumes") or () if is_read_only(one)}
    devices = []
    for device in container.get("volumeDevices") or ():
        volume = device["name"]
        if volume not in paths:
            raise ConfigError(f'cannot find volume "{volume}" to pass into container "{container["name"]}"')
        devices.append(
            {
                "container_path": device["devicePath"],
                "host_path": str(paths[volume].resolve()),
                "permissions": "r" if volume in ours else "mrw",
            }
        )
    return devices


def _sub_path(mount: dict[str, Any], environment: Mapping[str, str]) -> str:
    """The mount's `subPath`, or its `subPathExpr` with the variables put in; "" for the whole volume."""
    part: str = mount.get("subPath") or ""
    if mount.get("subPathExpr"):
        part = expand(mount["subPathExpr"], environment)
        if "$(" in part:
            raise ConfigError(f"subPathExpr {mount['subPathExpr']} has undefined variables")
    if part.startswith("/") or ".." in Path(part).parts:
        raise ConfigError(f"subPath {part!r} must be relative and must not contain '..'")
    return part


def _hold(
    volume: Path, part: str, mount: dict[str, Any], sub_paths: SubPaths, place: tuple[str, ...]
) -> Path:
    try:
        descriptor = open_inside(volume, part)
        try:
            return sub_paths.hold(descriptor, *place)
        finally:
            os.close(descriptor)
    except (ConfigError, OSError) as error:
        raise ConfigError(
            f'failed to prepare subPath for volumeMount "{mount["name"]}" of container "{place[1]}": {error}'
        ) from error


class CsiRemains(Protocol):
    """What drivers have to undo before a pod's directory can go; see `kubelet.csi.volumes`."""

    async def tear_down(self, uid: str) -> None: ...

    async def unstage_unused(self) -> None: ...


async def tear_down(pod_directory: Path, csi: CsiRemains | None = None) -> None:
    """Unmount and delete everything below the pod's directory; its name is the pod's uid."""
    if csi is not None:
        # parts of volumes that are held fast would keep a driver from unmounting the whole
        await asyncio.to_thread(unmount_below, pod_directory / "volume-subpaths")
        await csi.tear_down(pod_directory.name)

    def work() -> None:
        if pod_directory.exists():
            unmount_below(pod_directory)
            if left := mounts_below(
                pod_directory
            ):  # it may show files of the machine: never delete through it
                raise OSError(f"{left[0]} is still mounted")
            shutil.rmtree(pod_directory)

    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(work)
    if csi is not None:
        await csi.unstage_unused()
