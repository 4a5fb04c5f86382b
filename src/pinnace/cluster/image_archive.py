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
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pinnace.cluster.errors import ImageError

NAME_ANNOTATION = "io.containerd.image.name"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MANIFEST, CONFIG = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


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
    is_layout = (source / "oci-layout").exists()
    if source.is_dir() and not is_layout:
        _from_root(source, reference, settings, target)
        return
    if settings.entrypoint or settings.cmd or settings.env:
        raise ImageError(
            f"{source} is an image already: entrypoint, cmd and env are for a plain root directory"
        )
    if is_layout:
        _from_layout(source, reference, target)
    else:
        _from_archive(source, reference, target)


def _from_root(source: Path, reference: str, settings: ImageSettings, target: IO[bytes]) -> None:
    with tempfile.TemporaryFile(prefix="pinnace-layer-") as layer:
        layer_descriptor = _write_layer(source, layer)
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
            "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
            "history": [{"created_by": "pinnace image load"}],
        }
        config_blob = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config_blob),
            "layers": [layer_descriptor],
        }
        manifest_blob = json.dumps(manifest).encode()
        entry = {**_descriptor(MANIFEST, manifest_blob), "annotations": {NAME_ANNOTATION: reference}}
        with tarfile.open(fileobj=target, mode="w") as archive:
            layer_entry = tarfile.TarInfo(_blob_path(layer_descriptor["digest"]))
            layer_entry.size = layer_descriptor["size"]
            archive.addfile(layer_entry, layer)
            for blob in (config_blob, manifest_blob):
                _add(archive, _blob_path(_digest(blob)), blob)
            _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
            _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _write_layer(source: Path, layer: IO[bytes]) -> dict[str, Any]:
    """The directory as a tar with the same bytes for the same content, whenever and by whomever it is made."""

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = 0
        entry.uname = entry.gname = ""
        if os.geteuid() != 0:
            entry.uid = entry.gid = 0
        return entry

    try:
        with tarfile.open(fileobj=layer, mode="w") as archive:
            for child in sorted(source.iterdir()):
                archive.add(child, arcname=child.name, filter=neutral)
    except OSError as error:
        raise ImageError(f"{source}: {error}") from error
    size = layer.tell()
    layer.seek(0)
    digest = hashlib.file_digest(layer, "sha256").hexdigest()  # type: ignore[arg-type] # any binary file will do
    layer.seek(0)
    return {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _from_layout(source: Path, reference: str, target: IO[bytes]) -> None:
    index = _named_index((source / "index.json").read_bytes(), reference, str(source))
    with tarfile.open(fileobj=target, mode="w") as archive:
        _add(archive, "oci-layout", (source / "oci-layout").read_bytes())
        _add(archive, "index.json", index)
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
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ImageError(f"{source} is not an image archive: {error}") from error


def _copy_renamed(archive: tarfile.TarFile, reference: str, target: IO[bytes], where: str) -> None:
    with tarfile.open(fileobj=target, mode="w") as copy:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            name = entry.name.removeprefix("./")
            if content is not None and name == "index.json":
                _add(copy, name, _named_index(content.read(), reference, where))
            elif content is not None and name == "manifest.json":
                _add(copy, name, _named_manifest(content.read(), reference, where))
            else:
                entry.name = name
                copy.addfile(entry, content)


def _named_manifest(content: bytes, reference: str, where: str) -> bytes:
    """A docker archive's manifest.json with its one image under the wanted name."""
    manifests = _entries(content, "manifest.json", where)
    if len(manifests) != 1:
        raise ImageError(f"{where} holds {len(manifests)} images: save one image into one archive")
    return json.dumps([{**manifests[0], "RepoTags": [reference]}]).encode()


def _named_index(content: bytes, reference: str, where: str) -> bytes:
    """A layout's index.json with exactly one image in it, under the wanted name."""
    manifests = _entries(content, "index.json", where)
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
    return json.dumps(
        {**json.loads(content), "manifests": [{**manifests[0], "annotations": annotations}]}
    ).encode()


def _entries(content: bytes, file: str, where: str) -> list[dict[str, Any]]:
    """The images that manifest.json (a list) or index.json (its `manifests`) names."""
    try:
        document = json.loads(content)
        entries = document if file == "manifest.json" else document.get("manifests") or []
        if all(isinstance(entry, dict) for entry in entries):
            return entries
    except (ValueError, AttributeError, TypeError):
        pass
    raise ImageError(f"{where} is not an image: its {file} is damaged")


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))
