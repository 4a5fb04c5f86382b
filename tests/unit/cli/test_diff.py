"""`diff --concurrency`."""

import threading
from typing import Any

import pytest

from pinnace.cli.builder import Selection
from pinnace.cli.command import GLOBAL_FLAGS
from pinnace.cli.commands import diff
from pinnace.cli.flags import parse
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

ROW = Resource("", "v1", "configmaps", "ConfigMap", True, "configmap", [], [], [])
CHOSEN = [Selection(ROW, str(number), "default", {}, "file") for number in range(6)]


def test_objects_are_compared_at_the_same_time_and_told_in_the_order_of_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three are under way, each on a connection of its own, before the first is done."""
    meeting, used = threading.Barrier(3), set[int]()

    def states(session: Session, flags: Any, one: Selection) -> Any:
        used.add(id(session))
        meeting.wait(60)
        return None, {"name": one.name}

    monkeypatch.setattr(diff, "_states", states)
    flags, _ = parse(["--concurrency=3"], (*diff.DIFF.flags, *GLOBAL_FLAGS), "kubectl diff")
    flags["server"] = "http://127.0.0.1:1"  # nothing is sent to it
    session = Session(flags, "kubectl diff")
    found = list(diff._all_states(session, flags, iter(CHOSEN)))
    assert [after["name"] for _, _, after in found] == ["0", "1", "2", "3", "4", "5"]
    assert len(used) == 3
