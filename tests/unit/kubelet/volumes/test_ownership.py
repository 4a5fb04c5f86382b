"""fsGroup on files: everything, or nothing when the root is right already and the pod asks for that."""

import os
import stat
from pathlib import Path
from typing import Any

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
    change = os.chmod

    def told(itself: str, bits: int) -> None:
        order.append(Path(itself).readlink().name)
        change(itself, bits)

    monkeypatch.setattr(os, "chmod", told)
    give_to(disk, GROUP, "OnRootMismatch")
    assert order[-1] == "disk"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to a group of which the user is no member")
@pytest.mark.parametrize("swapped", ["f", "."])
def test_what_is_swapped_for_a_link_meanwhile_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """Another pod has the volume: at the first change it replaces the file, or its directory, by a link to the machine's."""
    machine, volume = tmp_path / "machine", tmp_path / "volume"
    for one in (machine, volume / "d"):
        one.mkdir(parents=True)
        (one / "f").write_text("")
        (one / "f").chmod(0o600)
    original, done = os.chown, []

    def chown(path: Any, uid: int, gid: int, **more: Any) -> None:
        if not done:
            done.append(path)
            victim = volume / "d" / swapped
            victim.resolve().rename(tmp_path / "away")
            (volume / "d" if swapped == "." else victim).symlink_to(
                machine / "f" if swapped == "f" else machine
            )
        original(path, uid, gid, **more)

    monkeypatch.setattr(os, "chown", chown)
    give_to(volume, 4242)
    monkeypatch.undo()
    assert done
    status = (machine / "f").stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (GROUP, 0o600)
