"""All volumes of one pod: set up before containers start, kept up to date, given to containers as mounts, removed."""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.kubelet.environment import ConfigError, expand
from pinnace.kubelet.volumes.catalog import plugin_for
from pinnace.kubelet.volumes.mounts import unmount_below
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext

PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}


@dataclass(frozen=True, slots=True)
class FailedVolume:
    name: str
    message: str

    @property
    def event(self) -> str:
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
            failures.append(FailedVolume(name, str(error)))
    return paths, failures


def container_mounts(
    container: dict[str, Any], paths: Mapping[str, Path], environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    """CRI mounts of the container's `volumeMounts`; raises ConfigError."""
    if container.get("volumeDevices"):
        raise ConfigError("volumeDevices (raw block volumes) are not supported on this node")
    mounts = []
    for mount in container.get("volumeMounts") or ():
        volume = mount["name"]
        if volume not in paths:
            raise ConfigError(f'cannot find volume "{volume}" to mount into container "{container["name"]}"')
        inside = mount["mountPath"]
        mounts.append(
            {
                "container_path": inside if inside.startswith("/") else f"/{inside}",
                "host_path": str(_sub_path(paths[volume], mount, environment)),
                "readonly": bool(mount.get("readOnly")),
                "propagation": PROPAGATION[mount.get("mountPropagation") or "None"],
            }
        )
    return mounts


def _sub_path(volume: Path, mount: dict[str, Any], environment: Mapping[str, str]) -> Path:
    """The sub-path, created if missing; symlinks must not lead out of the volume."""
    part = mount.get("subPath") or ""
    if mount.get("subPathExpr"):
        part = expand(mount["subPathExpr"], environment)
        if "$(" in part:
            raise ConfigError(f"subPathExpr {mount['subPathExpr']} has undefined variables")
    if not part:
        return volume
    if part.startswith("/") or ".." in Path(part).parts:
        raise ConfigError(f"subPath {part!r} must be relative and must not contain '..'")
    root = volume.resolve()
    full = (root / part).resolve()
    if not full.is_relative_to(root):
        raise ConfigError(
            f'failed to prepare subPath for volumeMount "{mount["name"]}": it leads out of the volume'
        )
    if not full.exists():
        full.mkdir(mode=0o750, parents=True)
        full.chmod(root.stat().st_mode & 0o7777)
    return full


async def tear_down(pod_directory: Path) -> None:
    """Unmount and delete everything below the pod's directory."""

    def work() -> None:
        if pod_directory.exists():
            unmount_below(pod_directory)
            shutil.rmtree(pod_directory)

    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(work)
