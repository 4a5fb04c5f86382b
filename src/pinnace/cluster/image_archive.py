"""Image archives: made from a plain root directory, or re-tagged from what docker, skopeo or buildah wrote.

The result is always one tar file that `ctr images import` takes: an OCI layout whose index names the image, or a docker
archive whose manifest does.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

NAME_ANNOTATION = "io.containerd.image.name"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MANIFEST, CONFIG = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class ImageError(Exception):
    """The image cannot be read, loaded or removed; the message is for the user."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What a root directory does not say by itself."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = "/"
    ports: tuple[int, ...] = field(default=())


def architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def write_archive(source: Path, reference: str, settings: ImageSettings, target: IO[bytes]) -> None:
    """Write `source` (OCI layout, docker or OCI archive, root directory) as an archive of the image `reference`."""
    if not source.exists():
        raise ImageError(f"{source}: no such file or directory")
    if source.is_dir() and (source / "oci-layout").exists():
        _from_layout(source, reference, target)
    elif source.is_dir():
        _from_root(source, reference, settings, target)
    else:
        _from_archive(source, reference, target)


def _from_root(source: Path, reference: str, settings: ImageSettings, target: IO[bytes]) -> None:
    layer = _layer_of(source)
    config = {
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": list(settings.entrypoint) or None,
            "Cmd": list(settings.cmd) or None,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *settings.env],
            "WorkingDir": settings.working_dir,
            "ExposedPorts": {f"{port}/tcp": {} for port in settings.ports} or None,
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        "history": [{"created_by": "pinnace image load"}],
    }
    config_blob = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config_blob),
        "layers": [_descriptor(LAYER, layer)],
    }
    manifest_blob = json.dumps(manifest).encode()
    entry = {**_descriptor(MANIFEST, manifest_blob), "annotations": {NAME_ANNOTATION: reference}}
    with tarfile.open(fileobj=target, mode="w") as archive:
        for blob in (layer, config_blob, manifest_blob):
            _add(archive, f"blobs/sha256/{_digest(blob)[7:]}", blob)
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _layer_of(source: Path) -> bytes:
    """The directory as a tar with the same bytes for the same content, whenever and by whomever it is made."""
    buffer = io.BytesIO()

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = 0
        entry.uname = entry.gname = ""
        if os.geteuid() != 0:
            entry.uid = entry.gid = 0
        return entry

    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for child in sorted(source.iterdir()):
            archive.add(child, arcname=child.name, filter=neutral)
    return buffer.getvalue()


def _from_layout(source: Path, reference: str, target: IO[bytes]) -> None:
    index = _named_index(json.loads((source / "index.json").read_text()), reference, str(source))
    with tarfile.open(fileobj=target, mode="w") as archive:
        _add(archive, "oci-layout", (source / "oci-layout").read_bytes())
        _add(archive, "index.json", json.dumps(index).encode())
        for blob in sorted((source / "blobs").rglob("*")):
            if blob.is_file():
                archive.add(blob, arcname=str(blob.relative_to(source)))


def _from_archive(source: Path, reference: str, target: IO[bytes]) -> None:
    try:
        with tarfile.open(source) as archive:
            names = {name.removeprefix("./") for name in archive.getnames()}
            if "index.json" not in names and "manifest.json" not in names:
                raise ImageError(
                    f"{source} is not an image: neither an OCI layout nor a docker archive (no index.json or manifest.json)"
                )
            _copy_renamed(archive, reference, target, str(source))
    except tarfile.TarError as error:
        raise ImageError(f"{source} is not an image archive: {error}") from error


def _copy_renamed(archive: tarfile.TarFile, reference: str, target: IO[bytes], where: str) -> None:
    with tarfile.open(fileobj=target, mode="w") as copy:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            name = entry.name.removeprefix("./")
            if content is not None and name == "index.json":
                _add(copy, name, json.dumps(_named_index(json.load(content), reference, where)).encode())
            elif content is not None and name == "manifest.json":
                manifests = json.load(content)
                if len(manifests) != 1:
                    raise ImageError(
                        f"{where} holds {len(manifests)} images: save one image into one archive"
                    )
                manifests[0]["RepoTags"] = [reference]
                _add(copy, name, json.dumps(manifests).encode())
            else:
                entry.name = name
                copy.addfile(entry, content)


def _named_index(index: dict[str, Any], reference: str, where: str) -> dict[str, Any]:
    """The index with exactly one image in it, under the wanted name."""
    manifests = index.get("manifests") or []
    if len(manifests) > 1:
        fitting = [m for m in manifests if (m.get("platform") or {}).get("architecture") == architecture()]
        if len(fitting) != 1:
            raise ImageError(
                f"{where} holds {len(manifests)} images, none or several for {architecture()}: save one image into it"
            )
        manifests = fitting
    if not manifests:
        raise ImageError(f"{where} holds no image")
    annotations = {**(manifests[0].get("annotations") or {}), NAME_ANNOTATION: reference}
    return {**index, "manifests": [{**manifests[0], "annotations": annotations}]}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))
