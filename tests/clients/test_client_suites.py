"""The suites that clients' authors publish, unmodified, against a cluster with a real node: `./dev clients` runs the same."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from e2e_support import TestCluster
from pinnace.cluster import preflight
from pinnace.cluster.config import ClusterConfig

pytestmark = [pytest.mark.full, pytest.mark.e2e, pytest.mark.timeout(2400)]
HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


suites = _load("suites")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    return _load("run")


@pytest.fixture(scope="module")
def running(runner: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    reasons = preflight.run(ClusterConfig(name="suites")).fatal
    if reasons:
        pytest.skip(reasons[0])
    saved = os.environ.pop("KUBECONFIG", None)
    with runner.cluster(tmp_path_factory.mktemp("suites")) as running:
        yield running
    if saved is not None:
        os.environ["KUBECONFIG"] = saved


@pytest.mark.parametrize("name", suites.SUITES)
def test_suite_of(name: str, running: TestCluster, runner: ModuleType, tmp_path: Path) -> None:
    try:
        outcome = runner.run(suites.SUITES[name], running.kubeconfig, tmp_path)
    except runner.Unavailable as error:
        pytest.skip(str(error))
    assert outcome.passed > 0
    assert outcome.failed == {}, str(outcome)
