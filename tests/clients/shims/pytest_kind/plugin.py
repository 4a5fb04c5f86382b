"""The one option of pytest-kind's pytest plugin that kr8s's settings name."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="leave the cluster running")
