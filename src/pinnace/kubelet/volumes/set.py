"""All volumes of one pod: set up before containers start, kept up to date, given to containers as mounts, removed."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.api.meta import Object
from pinnace.kubelet.environment import ConfigError, expand
from pinnace.kubelet.volumes.catalog import is_read_only, plugin_for
from pinnace.kubelet.volumes.mounts import mounts_below, unmount_below
from pinnace.kubelet.volumes.plugin import MountError, Unprocessed, VolumeContext
from pinnace.kubelet.volumes.sub_paths import SubPaths, open_inside

PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}


@dataclass(frozen=True, slots=True)
class FailedVolume:
    name: str
    message: str
    processed: bool = True  # it is known what is to be mounted

    @property
    def event(self) -> str:
        if not self.processed:
            volumes = f"unmounted volumes=[{self.name}], unattached volumes=[], failed to process volumes=[{self.name}]"
            return f"Unable to attach or mount volumes: {volumes}: {self.message}"
        return f'MountVolume.SetUp failed for volume "{self.name}" : {self.message}'


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
            failures.append(FailedVolume(name, str(error), not isinstance(error, Unprocessed)))
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
    if container.get("volumeDevices"):
        raise ConfigError("volumeDevices (raw block volumes) are not supported on this node")
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


async def tear_down(pod_directory: Path) -> None:
    """Unmount and delete everything below the pod's directory."""

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
