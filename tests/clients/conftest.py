"""A control plane with two simulated nodes, shared by all tests of clients; its pods run nothing, and are ready at once."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e_support import KUBECTLS, Space, TestCluster, until

ONLY_SOME = os.environ.get("PINNACE_TEST_KUBECTLS", "").split(",")  # "1.27,1.33": a developer's shorter run
VERSIONS = [
    v
    for v in sorted(KUBECTLS, key=lambda v: tuple(map(int, v.split("."))))
    if ONLY_SOME == [""] or v in ONLY_SOME
]
Run = Callable[..., str]


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    name = f"cli{secrets.token_hex(2)}"
    running = TestCluster(name, tmp_path_factory.mktemp("clients"), ("--port=0", "--nodes=sim:2"))
    try:
        running.up()
        yield running
    finally:
        running.down("--purge")


@pytest.fixture
def space(simulated: TestCluster) -> Iterator[Space]:
    """A namespace that goes with the test."""
    name = f"t-{secrets.token_hex(3)}"
    simulated.kubectl("create", "namespace", name)
    # Pods are refused before their service account is there.
    until(lambda: simulated.kubectl("get", "serviceaccount", "default", "-n", name))
    yield Space(simulated, name)
    simulated.kubectl("delete", "namespace", name, "--wait=false", check=False)


def _parameter(version: str) -> Any:
    """The newest kubectl runs always, older ones only in `./dev test --all`: the oldest has its day in `e2e/test_kubectl_versions.py`."""
    return pytest.param(version, marks=() if version == VERSIONS[-1] else pytest.mark.full)


@pytest.fixture(
    params=[_parameter(version) for version in VERSIONS]
    or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))]
)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(space: Space, version: str) -> Run:
    """`kubectl ARGUMENTS` of that version in the test's namespace; the answer is its standard output."""

    def of_version(*arguments: str, **options: Any) -> str:
        manifest = options.pop("manifest", None)
        if manifest is not None:
            options["stdin"] = json.dumps(manifest)
        return space.out(*arguments, version=version, **options)

    return of_version
