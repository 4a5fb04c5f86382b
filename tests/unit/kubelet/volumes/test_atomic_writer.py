from pathlib import Path

import pytest

from pinnace.kubelet.volumes.atomic_writer import File, write


def files(**contents: str) -> dict[str, File]:
    return {name: File(text.encode()) for name, text in contents.items()}


def test_files_appear_through_the_data_link(tmp_path: Path) -> None:
    assert write(tmp_path, {**files(a="1"), "dir/b": File(b"2", 0o400)}, "v1")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "dir" / "b").read_text() == "2"
    assert str((tmp_path / "a").readlink()) == "..data/a"
    assert (tmp_path / "dir" / "b").stat().st_mode & 0o777 == 0o400


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"), "v1")
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, files(a="1"), "v2")
    assert (tmp_path / "..data").readlink() == before


def test_a_new_version_replaces_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, files(a="1", b="2"), "v1")
    assert write(tmp_path, files(a="new", c="3"), "v2")
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "c").read_text() == "3"
    assert not (tmp_path / "b").is_symlink()
    versions = [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("..v")]
    assert len(versions) == 1


def test_empty_and_back(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"), "v1")
    assert write(tmp_path, {}, "v2")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "..data"])
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="invalid path"):
        write(tmp_path, {path: File(b"")}, "v1")


def test_a_link_that_is_not_ours_is_never_followed(tmp_path: Path) -> None:
    """A container that could write to the volume must not make the kubelet delete something else."""
    precious, volume = tmp_path / "precious", tmp_path / "volume"
    precious.mkdir()
    (precious / "file").touch()
    volume.mkdir()
    (volume / "..sneaky").symlink_to(precious)
    for hostile in (str(precious), "../precious", "..", "..sneaky"):
        (volume / "..data").unlink(missing_ok=True)
        (volume / "..data").symlink_to(hostile)
        assert write(volume, {"a": File(hostile.encode())}, "stamp")
        assert (volume / "a").read_bytes() == hostile.encode()
    assert (precious / "file").exists()
