"""`./dev test` looks for tests with real containers in a few folders only."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_test_with_real_containers_is_where_dev_does_not_look() -> None:
    found = re.search(r'^WITH_E2E="([^"]+)"', (ROOT / "dev").read_text(), re.MULTILINE)
    assert found
    folders = [ROOT / folder for folder in found[1].split()]
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark" + ".e2e" in path.read_text()]
    assert len(marked) > 2
    assert [path for path in marked if not any(folder in path.parents for folder in folders)] == []
