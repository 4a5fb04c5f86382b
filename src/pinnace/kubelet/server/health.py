"""`/healthz` and `/configz`: is the kubelet alive, and with which settings."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.server.routing import Route, route


class Health:
    def __init__(self, host: KubeletHost) -> None:
        self._host = host

    def routes(self) -> list[Route]:
        return [
            route("GET HEAD", "/healthz", self._healthz),
            route("GET HEAD", "/healthz/ping", self._healthz),
            route("GET", "/configz", self._configz),
        ]

    async def _healthz(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _configz(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        body = {"kubeletconfig": configuration(self._host.config)}
        return web.Response(body=orjson.dumps(body), content_type="application/json")


def configuration(config: KubeletConfig) -> dict[str, Any]:
    """Our settings under the names of upstream's KubeletConfiguration."""

    def seconds(number: float) -> str:
        return f"{number:g}s"

    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "port": config.port,
        "clusterDNS": list(config.cluster_dns),
        "clusterDomain": config.cluster_domain,
        "cgroupRoot": config.cgroup_root,
        "cgroupDriver": "cgroupfs",
        "maxPods": config.max_pods,
        "podsPerCore": config.pods_per_core,
        "kubeReserved": config.kube_reserved,
        "systemReserved": config.system_reserved,
        "evictionHard": config.eviction_hard,
        "evictionPressureTransitionPeriod": seconds(config.eviction_pressure_transition_seconds),
        "crashLoopBackOff": {"maxContainerRestartPeriod": seconds(config.max_container_restart_seconds)},
        "syncFrequency": seconds(config.sync_frequency_seconds),
        "nodeStatusUpdateFrequency": seconds(config.node_status_update_seconds),
        "nodeStatusReportFrequency": seconds(config.node_status_report_seconds),
        "nodeLeaseDurationSeconds": config.node_lease_seconds,
        "serializeImagePulls": config.serialize_image_pulls,
        "maxParallelImagePulls": config.max_parallel_image_pulls,
        "containerLogMaxSize": str(config.container_log_max_bytes),
        "containerLogMaxFiles": config.container_log_max_files,
        "imageGCHighThresholdPercent": config.image_gc_high_threshold_percent,
        "imageGCLowThresholdPercent": config.image_gc_low_threshold_percent,
        "resolvConf": str(config.resolv_conf),
    }
