import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinnace.cluster import decide, network_claims, preflight
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.errors import UsageError
from pinnace.cluster.preflight import Holder

ROUTES = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "pinnace0\t00002A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No other cluster and no route, whatever runs beside the tests."""
    empty = tmp_path / "route"
    empty.write_text(ROUTES.splitlines()[0])
    monkeypatch.setattr(decide, "ROUTES", empty)
    monkeypatch.setattr(decide, "running_records", list)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield holder.getsockname()[1]


def control_plane(**values: object) -> ClusterConfig:
    return ClusterConfig(**{"nodes": "none", "port": 0, **values})  # type: ignore[arg-type] # by name, as flags come


def test_a_first_cluster_gets_the_documented_networks() -> None:
    config = control_plane()
    decide.settle(config)
    assert (config.pod_cidr, config.service_cidr, config.dns_ip) == (
        "10.42.0.0/16",
        "10.43.0.0/16",
        "10.43.0.10",
    )


def test_clusters_that_start_together_do_not_choose_the_same_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither has a record or a route yet. The claims of this process count, too: locks are of open files."""
    monkeypatch.setattr(network_claims, "DIRECTORY", tmp_path / "networks")
    monkeypatch.setattr(decide, "_ingress_port", lambda *_: 0)
    chosen = []
    for name in ("one", "two", "three"):
        config = ClusterConfig(name=name, port=0, kubelet_port=0)
        decide.settle(config)
        chosen.append((config.pod_cidr, config.service_cidr))
    assert chosen == [
        ("10.42.0.0/16", "10.43.0.0/16"), ("10.44.0.0/16", "10.45.0.0/16"), ("10.46.0.0/16", "10.47.0.0/16"),
    ]  # fmt: skip


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = f"from pathlib import Path\nfrom pinnace.cluster.network_claims import claim\nprint(claim('10.42.0.0/16', Path({str(tmp_path)!r})))"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"
    assert network_claims.claim("10.42.0.0/16", tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_where_no_file_can_be_made_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert network_claims.claim("10.42.0.0/16", tmp_path / "file" / "below")


def test_a_second_cluster_goes_round_the_routes_and_records_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide.ROUTES.write_text(ROUTES)
    record = {"name": "x", "podCIDR": "10.44.0.0/16", "serviceCIDR": "10.45.0.0/16"}
    monkeypatch.setattr(decide, "running_records", lambda: [record])
    config = control_plane()
    decide.settle(config)
    assert (config.pod_cidr, config.service_cidr) == ("10.46.0.0/16", "10.47.0.0/16")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pod_cidr": "10.1.0.0/16", "service_cidr": "10.1.128.0/17"}, "overlap"),
        ({"service_cidr": "10.1.0.0/30"}, "is too small: /28 is the least"),
        ({"service_cidr": "10.1.0.1/16"}, "has host bits set"),
        ({"pod_cidr": "nonsense"}, "--cluster-cidr nonsense"),
        ({"service_node_port_range": "many"}, "--service-node-port-range many: must be like 30000-32767"),
        ({"service_node_port_range": "2-1"}, "must go up"),
        ({"service_node_port_range": "30000-70000"}, "between 1 and 65535"),
        ({"dns_ip": "nonsense"}, "--cluster-dns nonsense"),
        ({"dns_ip": "10.9.9.9"}, "is not in the service network"),
        ({"dns_ip": "10.43.0.1"}, "is the address of the Service `kubernetes`"),
        ({"bind_address": "somewhere"}, "must be an IP address"),
        ({"bind_address": "192.0.2.1"}, "is not an address of this machine"),
    ],
)
def test_networks_that_cannot_be_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        decide.settle(control_plane(**values))


def test_port_zero_keeps_the_port_of_the_start_before(taken: int) -> None:
    free = preflight.free_port()
    config = control_plane(remembered_port=free)
    decide.settle(config)
    assert config.port == free
    config = control_plane(remembered_port=taken)
    decide.settle(config)
    assert config.port not in (0, taken)


def test_a_taken_port_that_was_asked_for_is_refused_with_its_holder(taken: int) -> None:
    with pytest.raises(UsageError, match=rf"API server port {taken} is taken by .* \(pid \d+\)"):
        decide.settle(control_plane(port=taken))


def test_the_default_port_gives_way_to_another_cluster_only(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "DEFAULT_PORT", taken)
    with pytest.raises(UsageError, match="is taken"):
        decide.settle(control_plane(port=None))
    monkeypatch.setattr(preflight, "port_holder", lambda _: Holder(7, "python3", is_pinnace=True))
    config = control_plane(port=None)
    decide.settle(config)
    assert config.port not in (None, 0, taken)


def test_ingress_ports_give_way_to_another_cluster_and_are_otherwise_left_to_the_node(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "DEFAULT_HTTP_PORT", taken)
    config = control_plane(nodes="real", kubelet_port=0)
    decide.settle(config)
    assert config.http_port == taken
    monkeypatch.setattr(preflight, "port_holder", lambda _: Holder(7, "haproxy", is_pinnace=True))
    config = control_plane(nodes="real", kubelet_port=0)
    decide.settle(config)
    assert config.http_port not in (None, 0, taken)


def test_names_carry_the_cluster_and_fit_into_a_link() -> None:
    assert decide.names_of("pinnace") == decide.Names("pinnace0", "pinnace1", "pinnace", "pinnace")
    names = decide.names_of("a-name-that-is-rather-long")
    assert len(names.bridge) <= 15
    assert len(names.overlay) <= 15
    assert names.cgroup == names.nft_table == "pinnace-a-name-that-is-rather-long"
    assert names.bridge != decide.names_of("another").bridge
