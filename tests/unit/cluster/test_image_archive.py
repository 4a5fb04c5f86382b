import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pinnace.cluster.image_archive import (
    NAME_ANNOTATION,
    ImageError,
    ImageSettings,
    architecture,
    write_archive,
)
from pinnace.cluster.images import ImageError as SameError
from pinnace.cluster.images import normalised

REFERENCE = "example.com/web:1"


def written(source: Path, settings: ImageSettings | None = None) -> dict[str, bytes]:
    """The files of the archive that is made of `source`."""
    target = io.BytesIO()
    write_archive(source, REFERENCE, settings or ImageSettings(), target)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        files = {entry: archive.extractfile(entry) for entry in archive if entry.isfile()}
        return {entry.name: content.read() for entry, content in files.items() if content}


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    return files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]


def root_directory(base: Path) -> Path:
    root = base / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/sh\n")
    (root / "bin" / "link").symlink_to("tool")
    return root


def test_a_root_directory_becomes_a_layout_with_one_layer(tmp_path: Path) -> None:
    settings = ImageSettings(("/bin/tool",), ("-v",), ("A=b",), ports=(80,))
    files = written(root_directory(tmp_path), settings)
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {NAME_ANNOTATION: REFERENCE}
    manifest = json.loads(blob(files, entry))
    config = json.loads(blob(files, manifest["config"]))
    assert config["config"]["Entrypoint"] == ["/bin/tool"]
    assert config["config"]["Cmd"] == ["-v"]
    assert config["config"]["Env"][-1] == "A=b"
    assert config["architecture"] == architecture()
    (layer,) = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    with tarfile.open(fileobj=io.BytesIO(blob(files, layer))) as content:
        assert content.getnames() == ["bin", "bin/link", "bin/tool"]
        assert {entry.mtime for entry in content} == {0}


def test_the_same_directory_gives_the_same_bytes(tmp_path: Path) -> None:
    root = root_directory(tmp_path)
    first = written(root)
    (root / "bin" / "tool").touch()
    assert written(root) == first


def layout(base: Path, *manifests: dict[str, Any]) -> Path:
    directory = base / "layout"
    (directory / "blobs" / "sha256").mkdir(parents=True)
    (directory / "blobs" / "sha256" / "abc").write_bytes(b"blob")
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": list(manifests)}))
    return directory


def test_a_layout_is_renamed(tmp_path: Path) -> None:
    files = written(layout(tmp_path, {"digest": "sha256:abc", "annotations": {"x": "y"}}))
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry == {"digest": "sha256:abc", "annotations": {"x": "y", NAME_ANNOTATION: REFERENCE}}
    assert files["blobs/sha256/abc"] == b"blob"


def test_of_several_platforms_this_machines_is_taken(tmp_path: Path) -> None:
    ours = {"digest": "sha256:abc", "platform": {"architecture": architecture()}}
    files = written(layout(tmp_path, {"digest": "sha256:def", "platform": {"architecture": "mips"}}, ours))
    assert [m["digest"] for m in json.loads(files["index.json"])["manifests"]] == ["sha256:abc"]


@pytest.mark.parametrize("manifests", [[], [{"digest": "sha256:a"}, {"digest": "sha256:b"}]])
def test_a_layout_without_one_image_is_refused(tmp_path: Path, manifests: list[dict[str, Any]]) -> None:
    with pytest.raises(ImageError, match="holds"):
        written(layout(tmp_path, *manifests))


def docker_archive(path: Path, manifests: list[dict[str, Any]], prefix: str = "") -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("manifest.json", json.dumps(manifests).encode()), ("layer.tar", b"layer")):
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    path.write_bytes(gzip.compress(buffer.getvalue()) if path.suffix == ".gz" else buffer.getvalue())
    return path


@pytest.mark.parametrize(("name", "prefix"), [("a.tar", ""), ("a.tar.gz", "./")])
def test_a_docker_archive_is_renamed(tmp_path: Path, name: str, prefix: str) -> None:
    files = written(
        docker_archive(tmp_path / name, [{"RepoTags": ["old:1"], "Layers": ["layer.tar"]}], prefix)
    )
    assert json.loads(files["manifest.json"]) == [{"RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]
    assert files["layer.tar"] == b"layer"


def test_settings_are_for_root_directories_only(tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "a.tar", [{"Layers": ["layer.tar"]}])
    with pytest.raises(ImageError, match="is an image already"):
        written(archive, ImageSettings(cmd=("sh",)))


def test_several_images_in_one_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds 2 images: save one image"):
        written(docker_archive(tmp_path / "a.tar", [{}, {}]))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text", b"no image", "is not an image archive"),
        ("empty", b"", "is not an image archive"),
        ("half.tar.gz", gzip.compress(b"x" * 100_000, mtime=0)[:50], "is not an image archive"),
        ("layout/index.json", b"{", "is not an image"),
        ("layout/index.json", b"[]", "is not an image"),
        ("layout/index.json", b'{"manifests": 3}', "is not an image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    source = tmp_path / name
    if "/" in name:
        source.parent.mkdir()
        (source.parent / "oci-layout").write_text("{}")
    source.write_bytes(content)
    with pytest.raises(ImageError, match=words):
        written(source.parent if "/" in name else source)


def test_an_archive_without_an_index_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(root_directory(tmp_path), arcname="root")
    with pytest.raises(ImageError, match="neither an OCI layout nor a docker archive"):
        written(tmp_path / "a.tar")


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SameError, match="nowhere: no such file or directory"):
        written(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("web", "docker.io/library/web:latest"),
        ("me/web:1", "docker.io/me/web:1"),
        ("localhost/web", "localhost/web:latest"),
        ("127.0.0.1:5000/web", "127.0.0.1:5000/web:latest"),
        (f"example.com/a/b@sha256:{'0' * 64}", f"example.com/a/b@sha256:{'0' * 64}"),
    ],
)
def test_references_are_completed_as_the_kubelet_asks_for_them(short: str, full: str) -> None:
    assert normalised(short) == full


def test_a_tag_that_is_no_reference_is_refused() -> None:
    with pytest.raises(ImageError, match='"Web App" is not an image reference'):
        normalised("Web App")
