import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_support import Space, TestCluster, node_ports, pinnace
from pinnace.cluster import preflight
from pinnace.cluster.config import ClusterConfig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs root and the system packages; where they are missing the reason names them."""
    here = Path(__file__).parent
    reasons = preflight.run(ClusterConfig(name="e2e")).fatal
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if reasons:
                item.add_marker(pytest.mark.skip(reason=reasons[0]))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """One cluster with a real node for all tests of the session; ports and networks are its own."""
    name = f"e2e{secrets.token_hex(2)}"
    directory = tmp_path_factory.mktemp("cluster")
    (directory / "manifests").mkdir()
    flags = (
        "--port=0", "--kubelet-port=0", "--http-port=0", "--https-port=0", "--max-container-restart-period=2s",
        "--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
        f"--pod-manifest-path={directory / 'manifests'}", "--allowed-unsafe-sysctls=kernel.msg*", node_ports(0, 149),
    )  # fmt: skip
    running = TestCluster(name, directory, flags)
    try:
        running.up()
        load_demo_image(running)
        yield running
    finally:
        running.down("--purge")


def load_demo_image(running: TestCluster) -> None:
    from pinnace.cluster import demo

    record = running.status()
    assert record["ready"], record
    demo.load_image(str(running.data / "containerd" / "state" / "containerd.sock"))


@pytest.fixture
def space(cluster: TestCluster, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A namespace that goes with the test."""
    made = cluster.make_namespace(f"t-{secrets.token_hex(3)}")
    yield made
    cluster.remove_namespace(made.name)


@pytest.fixture(scope="session", autouse=True)
def no_user_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the developer's own kubeconfig."""
    saved = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(tmp_path_factory.mktemp("kube") / "config")
    yield
    if saved is None:
        del os.environ["KUBECONFIG"]
    else:
        os.environ["KUBECONFIG"] = saved


__all__ = ["pinnace"]
