"""Where CSI volumes are on the node, and the files that tell whose they are. The layout is upstream's.

`mark` in a file's data says that the driver has done its part since the machine was started: it holds the boot's id.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PLUGIN, DATA_FILE = "kubernetes.io~csi", "vol_data.json"
DONE = "doneInBoot"


@dataclass(frozen=True, slots=True)
class Place:
    """A path that the driver is given, and the file that tells of it; `handle` and `driver` stand in the file."""

    target: Path
    record: Path


class Places:
    """`root` is the kubelet's directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._csi = root / "plugins" / "kubernetes.io" / "csi"

    # --- file systems

    def staging(self, driver: str, handle: str) -> Place:
        directory = self._csi / driver / hashlib.sha256(handle.encode()).hexdigest()
        return Place(directory / "globalmount", directory / DATA_FILE)

    def publishing(self, uid: str, name: str) -> Place:
        directory = self._root / "pods" / uid / "volumes" / PLUGIN / name
        return Place(directory / "mount", directory / DATA_FILE)

    # --- devices

    def block_staging(self, name: str) -> Place:
        base = self._csi / "volumeDevices"
        return Place(base / "staging" / name, base / name / "data" / DATA_FILE)

    def block_publishing(self, uid: str, name: str) -> Place:
        """The record is the pod's own, beside the link that upstream makes."""
        directory = self._root / "pods" / uid / "volumeDevices" / PLUGIN
        return Place(self._csi / "volumeDevices" / "publish" / name / uid, directory / f"{name}.{DATA_FILE}")

    def block_link(self, uid: str, name: str) -> Path:
        return self._root / "pods" / uid / "volumeDevices" / PLUGIN / name

    # --- what is there

    def of_pod(self, uid: str) -> Iterator[tuple[Place, dict[str, str]]]:
        """Published volumes and devices of the pod, or such that were begun."""
        pod = self._root / "pods" / uid
        for record in sorted((pod / "volumes" / PLUGIN).glob(f"*/{DATA_FILE}")):
            if (data := read(record)) is not None:
                yield Place(record.parent / "mount", record), data
        for record in sorted((pod / "volumeDevices" / PLUGIN).glob(f"*.{DATA_FILE}")):
            if (data := read(record)) is not None:
                yield self.block_publishing(uid, data["specVolID"]), data

    def users(self, driver: str, handle: str) -> int:
        """How many pods have the volume."""
        pods = self._root / "pods"
        records = [
            *pods.glob(f"*/volumes/{PLUGIN}/*/{DATA_FILE}"),
            *pods.glob(f"*/volumeDevices/{PLUGIN}/*.{DATA_FILE}"),
        ]
        found = (read(record) or {} for record in records)
        return sum((one.get("driverName"), one.get("volumeHandle")) == (driver, handle) for one in found)

    def staged(self) -> Iterator[tuple[Place, dict[str, str]]]:
        """Every volume that was staged or begun to be, also such that no pod uses any more."""
        for record in (
            *self._csi.glob(f"*/*/{DATA_FILE}"),
            *self._csi.glob(f"volumeDevices/*/data/{DATA_FILE}"),
        ):
            if (data := read(record)) is not None:
                is_block = record.parent.name == "data"
                target = self.block_staging(record.parent.parent.name).target if is_block else record.parent / "globalmount"  # fmt: skip
                yield Place(target, record), data


def read(record: Path) -> dict[str, str] | None:
    """None for a file that is not there or that a crash cut off."""
    try:
        data = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write(record: Path, data: Mapping[str, str]) -> None:
    record.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = record.with_name(f".{record.name}.new")
    fresh.write_text(json.dumps(data))
    fresh.rename(record)


def remove(place: Place) -> None:
    """The driver has let go of it: what it left of the target goes, then the record, then directories that are empty.

    What is not empty is never deleted: it could be somebody's data."""
    with contextlib.suppress(FileNotFoundError):
        if place.target.is_dir() and not place.target.is_symlink():
            place.target.rmdir()
        else:
            place.target.unlink()
    place.record.unlink(missing_ok=True)
    for directory in (place.target.parent, place.record.parent, place.record.parent.parent):
        with contextlib.suppress(OSError):
            directory.rmdir()


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_done(record: Path) -> bool:
    data = read(record)
    return data is not None and data.get(DONE) == boot_id()


def exists(path: Path) -> bool:
    return os.path.lexists(path)
