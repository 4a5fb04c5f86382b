from pathlib import Path

import pytest

from pinnace.cluster import remembered
from pinnace.cluster.errors import UsageError


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    remembered.save(tmp_path / "new", {"port": 1})
    assert remembered.load(tmp_path / "new") == {"port": 1}
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["config.json"]


def test_a_new_directory_remembers_nothing(tmp_path: Path) -> None:
    assert remembered.load(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("text", ["[]", '{"formatVersion": "x"}'])
def test_somebody_elses_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="is not the configuration of a Pinnace cluster"):
        remembered.load(tmp_path)
