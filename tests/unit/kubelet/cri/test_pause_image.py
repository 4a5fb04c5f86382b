import os
import signal
import subprocess
from pathlib import Path

import pytest

from pinnace.kubelet.cri.pause_image import ARCHITECTURES, executable, image_archive, this_machine


def test_programs_are_small_elf_files() -> None:
    for machine in ARCHITECTURES:
        program = executable(machine)
        assert program.startswith(b"\x7fELF")
        assert len(program) < 400
    with pytest.raises(ValueError, match="no pause program"):
        executable("z80")


def test_the_image_is_the_same_each_time() -> None:
    assert image_archive(machine="x86_64") == image_archive(machine="x86_64")


@pytest.mark.skipif(this_machine() not in ARCHITECTURES, reason="no program for this machine")
def test_it_waits_and_ends_on_sigterm(tmp_path: Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(executable(this_machine()))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    os.kill(process.pid, signal.SIGCHLD)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.terminate()
    assert process.wait(5) in (0, -signal.SIGTERM)
