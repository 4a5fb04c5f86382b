"""fsGroup on files: everything, or nothing when the root is right already and the pod asks for that."""

import os
from pathlib import Path

import pytest

from pinnace.kubelet.volumes.ownership import give_to

GROUP = os.getgid()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    root = tmp_path / "disk"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").touch(mode=0o600)
    (root / "link").symlink_to("/etc/hostname")
    return root


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("policy", [None, "Always"])
def test_always_goes_through_everything(disk: Path, policy: str | None) -> None:
    disk.chmod(0o2770)
    assert give_to(disk, GROUP, policy)
    assert mode(disk / "sub") & 0o2770 == 0o2770
    assert mode(disk / "sub" / "file") == 0o660
    assert Path("/etc/hostname").stat().st_mode & 0o020 == 0, "links are not followed"


def test_a_right_root_is_enough_when_the_pod_says_so(disk: Path) -> None:
    disk.chmod(0o2770)
    assert not give_to(disk, GROUP, "OnRootMismatch")
    assert mode(disk / "sub" / "file") == 0o600
    disk.chmod(0o770)
    assert give_to(disk, GROUP, "OnRootMismatch"), "new files would not inherit the group"
    assert mode(disk / "sub" / "file") == 0o660


def test_the_root_is_changed_last(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that was cut off must not look as if it were done."""
    order: list[str] = []
    change = Path.chmod
    monkeypatch.setattr(Path, "chmod", lambda path, bits: (order.append(path.name), change(path, bits))[1])
    give_to(disk, GROUP, "OnRootMismatch")
    assert order[-1] == "disk"
