"""A namespace for a module's tests, and what the containers of its tables printed."""

import secrets
from collections.abc import Iterator

import pytest

from e2e.conformance.runs import Result, Run, results
from e2e_support import Space, TestCluster


@pytest.fixture(scope="module")
def place(cluster: TestCluster) -> Iterator[Space]:
    """One namespace for all tests of the module, so that they can share pods."""
    made = cluster.make_namespace(f"c-{secrets.token_hex(3)}")
    yield made
    cluster.remove_namespace(made.name)


@pytest.fixture(scope="module")
def furnished(place: Space) -> Space:
    """A module that needs more in its namespace than nothing says so here."""
    return place


@pytest.fixture(scope="module")
def printed(furnished: Space, request: pytest.FixtureRequest) -> dict[Run, Result]:
    """The results of all `run` parameters of the module's selected tests."""
    chosen = [
        item.callspec.params["run"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and _has_run(item)
    ]
    return results(furnished, chosen)


def _has_run(item: pytest.Function) -> bool:
    return hasattr(item, "callspec") and "run" in item.callspec.params
