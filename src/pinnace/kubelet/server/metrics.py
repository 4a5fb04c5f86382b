"""`/stats/summary`, `/metrics/resource`, `/metrics/cadvisor`, and `/metrics` of the kubelet itself."""

import os
from collections.abc import Mapping

import orjson
from aiohttp import web

from pinnace.api import meta
from pinnace.component.metrics import render
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerState
from pinnace.kubelet.server.routing import Route, route
from pinnace.kubelet.stats.prometheus import cadvisor_metrics, family, resource_metrics, volume_metrics
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.kubelet.stats.summary import summary

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, host: KubeletHost, stats: StatsProvider) -> None:
        self._host, self._stats = host, stats

    def routes(self) -> list[Route]:
        return [
            route("GET POST", "/stats/summary", self._summary),
            route("GET", "/metrics", self._own),
            route("GET", "/metrics/resource", self._resource),
            route("GET", "/metrics/cadvisor", self._cadvisor),
        ]

    async def _summary(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        only = request.query.get("only_cpu_and_memory", "").lower() == "true"
        body = await summary(self._host, self._stats, only_cpu_and_memory=only)
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    async def _resource(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        return _text(resource_metrics(await self._stats.quick_sample()))

    async def _cadvisor(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        sample = await self._stats.quick_sample()
        networks = {meta.uid(pod): await self._stats.network(pod) for pod in self._host.pods}
        return _text(cadvisor_metrics(sample, networks, os.cpu_count() or 1))

    async def _own(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        """This process's own metrics, and how much the kubelet runs."""
        import prometheus_client  # slow to import, and start-up does not need it

        states = [one.state for pod in self._host.pods for one in self._host.containers(meta.uid(pod))]
        by_state = {state: states.count(state) for state in sorted(set(states))}
        running_pods = sum(self._host.sandbox(meta.uid(pod)) is not None for pod in self._host.pods)
        node = {"node": self._host.config.node_name}
        own = (
            family("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.", [(node, 1)]),
            family("kubelet_running_pods", "gauge", "[BETA] Number of pods that have a running pod sandbox",
                   [({}, running_pods)]),
            family("kubelet_running_containers", "gauge", "[BETA] Number of containers currently running",
                   [({"container_state": _state_name(state)}, count) for state, count in by_state.items()]),
        )  # fmt: skip
        claims = [one for pod in self._host.pods for one in await self._host.claim_usage(pod)]
        counted = render(self._host.counts.families(self._host.allocations())).decode()
        return _text(
            "".join(own) + counted + volume_metrics(claims) + prometheus_client.generate_latest().decode()
        )


def _state_name(state: ContainerState) -> str:
    return state.name.lower()


def _text(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": TEXT})
