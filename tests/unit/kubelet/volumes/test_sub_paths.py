"""`subPath`: nothing that a container does to its volume leads the kubelet out of it."""

import os
from pathlib import Path
from typing import Any

import pytest

from pinnace.kubelet.environment import ConfigError
from pinnace.kubelet.volumes.mounts import unmount_below
from pinnace.kubelet.volumes.set import container_mounts
from pinnace.kubelet.volumes.sub_paths import BoundSubPaths, _step, open_inside


class Reached:
    """Tells what was reached instead of mounting it."""

    def hold(self, descriptor: int, *place: str) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()


def mounts(volume: Path, kind: str = "emptyDir", **mount: Any) -> list[dict[str, Any]]:
    pod = {"metadata": {}, "spec": {"volumes": [{"name": "v", kind: {}}]}}
    container = {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v", **mount}]}
    return container_mounts(pod, container, {"v": volume}, {"N": "n"}, Reached())


def reached(volume: Path, part: str) -> Path:
    descriptor = open_inside(volume, part)
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    finally:
        os.close(descriptor)


def test_missing_directories_are_made_with_the_volumes_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    assert reached(tmp_path, "a/b") == tmp_path / "a" / "b"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o2770


def test_links_inside_the_volume_are_followed_and_others_refused(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "real").mkdir(parents=True)
    (volume / "link").symlink_to("real")
    (volume / "out").symlink_to("/etc")
    assert reached(volume, "link") == volume / "real"
    with pytest.raises(ConfigError, match="leads out of the volume"):
        reached(volume, "out/passwd")


def test_a_name_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "swapped").symlink_to("/etc")
    parent = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(ConfigError, match="became a symlink"):
            _step(parent, "swapped", 0o755)
    finally:
        os.close(parent)


def test_sub_paths_and_their_expressions(tmp_path: Path) -> None:
    assert mounts(tmp_path, subPathExpr="x/$(N)")[0]["host_path"] == str(tmp_path / "x" / "n")
    assert mounts(tmp_path)[0]["host_path"] == str(tmp_path)
    for wrong in ({"subPath": "../up"}, {"subPath": "/abs"}, {"subPathExpr": "$(MISSING)"}):
        with pytest.raises(ConfigError):
            mounts(tmp_path, **wrong)


@pytest.mark.parametrize("kind", ["configMap", "secret", "projected", "downwardAPI"])
def test_files_of_the_kubelet_are_read_only_in_containers(tmp_path: Path, kind: str) -> None:
    assert mounts(tmp_path, kind)[0]["readonly"]
    assert not mounts(tmp_path, "emptyDir")[0]["readonly"]


def test_recursive_read_only_mounts_are_refused_where_the_runtime_has_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='volume "v" requested recursive read-only mode'):
        mounts(tmp_path, readOnly=True, recursiveReadOnly="Enabled")
    assert mounts(tmp_path, readOnly=True, recursiveReadOnly="IfPossible")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_what_is_held_stays_when_its_name_changes(tmp_path: Path) -> None:
    volume, pod = tmp_path / "volume", tmp_path / "link" / "pod"
    (tmp_path / "real" / "pod").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (volume / "a").mkdir(parents=True)
    (volume / "a" / "mine").touch()
    held = BoundSubPaths(pod)
    try:
        for _ in range(2):  # the second time as when a container is started again
            descriptor = open_inside(volume, "a")
            target = held.hold(descriptor, "v", "c", "0")
            os.close(descriptor)
        (volume / "a").rename(volume / "b")
        (volume / "a").symlink_to("/etc")
        assert [entry.name for entry in target.iterdir()] == ["mine"]
    finally:
        unmount_below(pod)
    assert list(target.iterdir()) == []
    assert (volume / "b" / "mine").exists()


@pytest.mark.parametrize("part", ["circle", "circle/x", "a\0b"])
def test_what_cannot_be_followed_is_told(tmp_path: Path, part: str) -> None:
    """A container can make links in a circle: the next one that names them is told, and no worker of the kubelet breaks."""
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ConfigError, match="cannot be followed"):
        mounts(tmp_path, subPath=part)
