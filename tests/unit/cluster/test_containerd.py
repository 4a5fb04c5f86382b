"""Whether the cluster's containerd is alive, which decides whether it is started again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnace.cluster.containerd import ClusterContainerd
from pinnace.kubelet.cri.private_containerd import ContainerdConfig
from pinnace.testing.fake_clock import FakeClock


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that bears containerd's name."""
    program = tmp_path / "containerd"
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    yield process
    process.kill()
    process.wait()


def of(directory: Path, pid: int) -> ClusterContainerd:
    base = directory / "c"
    base.mkdir(exist_ok=True)
    (base / "containerd.pid").write_text(f"{pid}\n")
    return ClusterContainerd(ContainerdConfig(base / "root", base / "state", base / "cni"), None, FakeClock())


def test_a_process_that_nobody_has_reaped_is_dead(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    found = of(tmp_path, sleeper.pid)
    assert found.is_alive
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not found.is_alive


def test_another_process_with_its_number_is_not_it(tmp_path: Path) -> None:
    assert not of(tmp_path, os.getpid()).is_alive
    assert not of(tmp_path, 2**22 + 1).is_alive
