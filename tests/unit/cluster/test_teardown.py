import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnace.cluster import kubeconfig, teardown
from pinnace.cluster.state import RunState


@pytest.fixture(autouse=True)
def cleaned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Cleaning the machine is recorded, not done: the end-to-end tests do it."""
    calls: list[tuple[str, Path]] = []
    monkeypatch.setattr(teardown, "clean_machine", lambda name, directory: calls.append((name, directory)))
    monkeypatch.setattr(teardown.os, "geteuid", lambda: 0)
    return calls


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    RunState(directory).directory.mkdir(parents=True)
    path = tmp_path / "config"
    kubeconfig.merge(path, kubeconfig.entries("web", "https://x", b"ca", b"cert", b"key"))
    RunState(directory).write({"kubeconfig": str(path)})
    return directory


@pytest.fixture
def server(data: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock as a server does, and ends when told."""
    code = (
        "import signal, sys\nfrom pathlib import Path\nfrom pinnace.cluster.state import RunState\n"
        f"state = RunState(Path({str(data)!r}))\nassert state.acquire()\nprint('locked', flush=True)\nsignal.pause()\n"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_is_not_there_needs_no_stopping(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cleaned: list[tuple[str, Path]]
) -> None:
    assert teardown.teardown("web", tmp_path / "nowhere", purge=True) == 0
    assert capsys.readouterr().out == "Cluster 'web' does not exist: nothing to stop.\n"
    assert cleaned == []


def test_a_server_is_stopped_even_before_it_wrote_its_record(
    data: Path,
    server: "subprocess.Popen[str]",
    capsys: pytest.CaptureFixture[str],
    cleaned: list[tuple[str, Path]],
) -> None:
    RunState(data).clear()
    assert teardown.teardown("web", data, purge=False) == 0
    assert server.wait(5) == -signal.SIGTERM
    assert capsys.readouterr().out == "Cluster 'web' is stopped.\n"
    assert cleaned == [("web", data)]
    assert data.exists()


def test_the_machine_is_cleaned_after_a_killed_server_too(
    data: Path, server: "subprocess.Popen[str]", cleaned: list[tuple[str, Path]]
) -> None:
    server.kill()
    server.wait()
    assert teardown.teardown("web", data, purge=False) == 0
    assert cleaned == [("web", data)]


def test_purge_deletes_the_data_and_the_kubeconfig_entries(data: Path) -> None:
    assert teardown.teardown("web", data, purge=True) == 0
    assert not data.exists()
    assert "pinnace-web" not in (data.parent / "config").read_text()


def test_a_damaged_kubeconfig_does_not_keep_the_data(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data.parent / "config").write_text("a: [")
    assert teardown.teardown("web", data, purge=True) == 0
    assert not data.exists()
    assert "the cluster's entries stay in the kubeconfig" in capsys.readouterr().err


def test_only_our_programs_below_the_directory_are_found(tmp_path: Path) -> None:
    """A shell that merely names the directory is somebody else's."""
    program = tmp_path / "haproxy"
    program.symlink_to("/bin/sleep")
    ours = subprocess.Popen([str(program), "60"])
    theirs = subprocess.Popen(["sleep", "60", f"{tmp_path}/x"], stderr=subprocess.DEVNULL)
    try:
        assert teardown._processes_of(tmp_path) == [ours.pid]
        assert teardown._processes_of(tmp_path.parent / "other") == []
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_the_record_is_cleared(data: Path) -> None:
    teardown.teardown("web", data, purge=False)
    assert RunState(data).read() == {}
