from pathlib import Path

import pytest

from pinnace.kubelet.volumes.host_path import prepare
from pinnace.kubelet.volumes.plugin import MountError


def test_what_may_be_created_is(tmp_path: Path) -> None:
    prepare(tmp_path / "d" / "e", "DirectoryOrCreate")
    prepare(tmp_path / "f", "FileOrCreate")
    assert (tmp_path / "d" / "e").is_dir()
    assert (tmp_path / "f").is_file()
    prepare(tmp_path / "f", "File")
    prepare(tmp_path / "not there", "")


def test_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(MountError, match=r"hostPath type check failed: .*/f is not a directory"):
        prepare(tmp_path / "f", "Directory")
    with pytest.raises(MountError, match="is not a socket file"):
        prepare(tmp_path / "f", "Socket")
