"""What `pip install` must bring along."""

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_data_file_is_in_the_wheel() -> None:
    package = ROOT / "src" / "pinnace"
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["pinnace"]
    listed = {path for pattern in patterns for path in package.glob(pattern)}
    here = {p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert here - listed == set()
    assert all(any(package.glob(pattern)) for pattern in patterns)  # no pattern is a leftover


@pytest.mark.parametrize(
    "target",
    [*PYPROJECT["project"]["scripts"].values(), *PYPROJECT["project"]["entry-points"]["pytest11"].values()],
)
def test_entry_points_lead_somewhere(target: str) -> None:
    assert find_spec(target.partition(":")[0]) is not None


def test_every_package_is_found_by_setuptools() -> None:
    """A directory without __init__.py would be left out of the wheel."""
    package = ROOT / "src" / "pinnace"
    with_code = {path.parent for path in package.rglob("*.py")}
    assert [d for d in with_code if not (d / "__init__.py").exists()] == []
