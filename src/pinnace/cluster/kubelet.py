"""The embedded kubelet with its edges: server, probes, statistics, eviction."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.client.interface import Client
from pinnace.cluster import node_settings
from pinnace.cluster.config import STORAGE
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.paced import PacedCriClient
from pinnace.kubelet.cri.private_containerd import needs_restricted_oom_score_adj
from pinnace.kubelet.eviction_runner import Eviction
from pinnace.kubelet.host import Host
from pinnace.kubelet.kubelet import Kubelet
from pinnace.kubelet.probes.manager import Probes
from pinnace.kubelet.server.server import KubeletServer
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.kubelet.volumes.mounts import share

if TYPE_CHECKING:
    from pinnace.cluster.node import Node

log = logging.getLogger(__name__)


def kubelet_config(node: "Node") -> KubeletConfig:
    config = node.config
    own_subnets = () if node.is_given_its_subnet else tuple(map(str, node.subnets))
    base = KubeletConfig(
        node_name=config.node_name,
        node_ip=node.address,
        other_node_ips=node.other_addresses,
        root_dir=config.directory / "kubelet",
        pod_logs_dir=config.directory / "logs" / "pods",
        local_volumes=config.directory / STORAGE,
        cluster_dns=() if config.disable_dns else tuple(config.dns_ip.split(",")),
        cluster_domain=config.cluster_domain,
        cgroup_root=f"/{node.names.cgroup}",
        port=config.kubelet_port or 10250,
        pod_cidrs=own_subnets,
        restrict_oom_score_adj=needs_restricted_oom_score_adj(),
    )
    base = node_settings.apply(config, base)
    for directory in (base.root_dir, base.pod_logs_dir):
        directory.mkdir(parents=True, exist_ok=True)
    return base


class _Serving:
    """The kubelet's server, from the moment on that it has a certificate."""

    def __init__(self, node: "Node", host: Host, client: Client, stats: StatsProvider) -> None:
        self._node, self._host, self._client, self._stats = node, host, client, stats

    async def run(self) -> None:
        node = self._node
        tls = await node.serving_tls()
        await KubeletServer(
            self._host, self._client, node.clock, self._stats, tls=tls, tracer=node.tracer
        ).run()


async def run_kubelet(node: "Node", client: Client) -> None:
    """Until cancelled; running containers stay as they are."""
    runtime = PacedCriClient(node.runtime_endpoint, node.clock)
    config = kubelet_config(node)
    _share(config.root_dir)
    kubelet = Kubelet(client, node.clock, config, runtime, tracer=node.tracer)
    _handle_shutdown(kubelet, node)
    probes = Probes(kubelet.host, node.clock, kubelet.recorder)
    stats = StatsProvider(kubelet.host, node.clock)
    server = _Serving(node, kubelet.host, client, stats)
    eviction = Eviction(kubelet.host, node.clock, kubelet.recorder, stats, reclaim_disk=kubelet.reclaim_disk)
    kubelet.attach(
        probes=probes,
        http_hooks=probes.hooks,
        edges=(server, eviction),
        refuses=eviction.refuses,
        network_admits=node.policies.admit if node.policies else None,
    )
    try:
        await kubelet.run()
    finally:
        await runtime.close()


def _share(directory: Path) -> None:
    """CSI drivers that are pods mount volumes for others; without rights for this only they are worse off."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        share(directory)
    except OSError as error:
        log.warning("mounts of containers do not propagate: %s", error)


def _handle_shutdown(kubelet: Kubelet, node: "Node") -> None:
    """Where it is configured and somebody tells of it."""
    from pinnace.kubelet.shutdown import logind
    from pinnace.kubelet.shutdown.periods import periods

    if not (shares := periods(kubelet.config)):
        return
    if logind.is_there():
        kubelet.handle_shutdown(logind.Logind(node.clock, sum(seconds for _, seconds in shares)))
    else:
        log.warning(
            "a graceful shutdown of the node is configured, but there is no systemd-logind to tell of one"
        )
