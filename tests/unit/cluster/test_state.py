import os
from pathlib import Path

import pytest

from pinnace.cluster import state
from pinnace.cluster.state import RunState


def test_one_server_has_the_lock_and_says_who_it_is(tmp_path: Path) -> None:
    first, second = RunState(tmp_path), RunState(tmp_path)
    assert not first.is_running()
    assert first.acquire()
    assert not second.acquire()
    assert second.is_running()
    assert second.holder == os.getpid()
    first.release()
    assert not second.is_running()


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    run = RunState(tmp_path)
    assert run.read() == {}
    assert run.acquire()
    run.write({"port": 1})
    assert run.read() == {"port": 1}
    (tmp_path / "run" / "server.json").write_text("{")
    assert run.read() == {}
    run.clear()
    run.release()


def test_running_records_are_those_below_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "data_root", lambda: tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        RunState(tmp_path / name).directory.mkdir()
        RunState(tmp_path / name).write({"name": name})
    one = RunState(tmp_path / "one")
    assert one.acquire()
    assert state.running_records() == [{"name": "one"}]
    assert [name for name, _ in state.known_clusters()] == ["one", "two"]
    one.release()
