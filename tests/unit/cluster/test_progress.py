import json
import os
from pathlib import Path

import pytest

from pinnace.cluster.progress import Progress, lines_of, show


def test_lines_of_an_earlier_start_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text(json.dumps({"pid": 1}) + "\n" + json.dumps({"ready": "old"}) + "\n")
    assert lines_of(path, os.getpid()) == []
    progress = Progress(path)
    progress.step("API server")
    progress.ready("done")
    assert lines_of(path, os.getpid()) == [{"step": "API server"}, {"ready": "done"}]


def test_a_line_in_the_making_waits(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.write_text('{"pid": 5}\n{"step": "a"}\n{"st')
    assert lines_of(path, 5) == [{"step": "a"}]
    assert lines_of(tmp_path / "nowhere", 5) == []


def test_everything_is_echoed_in_the_foreground(tmp_path: Path) -> None:
    echoed: list[dict[str, object]] = []
    Progress(tmp_path / "progress", echoed.append).note("mind the gap")
    assert echoed[1:] == [{"note": "mind the gap"}]


@pytest.mark.parametrize(
    ("line", "code", "out", "err"),
    [
        ({"step": "containerd"}, None, " ✓ containerd  (1.2 s)\n", ""),
        ({"note": "swap is on"}, None, " ! swap is on\n", ""),
        ({"ready": "It is up"}, 0, " ✓ Ready  (1.2 s)\n\nIt is up\n", ""),
        ({"failed": "port taken"}, 1, "", "error: port taken\n"),
    ],
)
def test_a_line_is_shown_and_may_be_the_last(
    line: dict[str, str], code: int | None, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(line, 1.23, is_terminal=False) == code
    assert tuple(capsys.readouterr()) == (out, err)
