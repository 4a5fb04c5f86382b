"""metrics.k8s.io: what nodes and pods use now, asked from the kubelets when somebody asks us. Nothing is stored."""

import asyncio
from collections.abc import Iterable
from typing import Any

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import parse_scope
from pinnace.apiserver.negotiation import negotiate
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListOptions

Object = dict[str, Any]
_ANSWER_SECONDS = 5.0
_DEFAULT_WINDOW = "10s"


async def get(request: Request, row: Resource) -> Answer:
    info = request.info
    source = r.NODES if row.gvr == r.NODE_METRICS else r.PODS
    item = await request.services.registries.of(source).storage.get(info.name, info.namespace)
    found = await _measure(request, row, [item])
    if not found:
        raise errors.not_found(row.gvr.resource, info.name, row.gvr.group)
    return document(found[0], negotiate(request.headers.get("Accept", "")))


async def list_all(request: Request, row: Resource) -> Answer:
    source = request.services.registries.of(r.NODES if row.gvr == r.NODE_METRICS else r.PODS)
    scope = parse_scope(
        request.info.namespace,
        request.param("labelSelector"),
        request.param("fieldSelector"),
        source.strategy,
    )
    result = await source.storage.list(ListOptions(scope))
    body = {
        "kind": row.list_kind,
        "apiVersion": row.gvr.api_version,
        "metadata": {"resourceVersion": result.resource_version},
        "items": await _measure(request, row, result.items),
    }
    return document(body, negotiate(request.headers.get("Accept", "")))


async def _measure(request: Request, row: Resource, items: Iterable[Item]) -> list[Object]:
    if row.gvr == r.NODE_METRICS:
        nodes = {item.name: item for item in items}
        summaries = await _summaries(request, nodes)
        return [
            _node_metrics(nodes[name].obj, summary)
            for name, summary in summaries.items()
            if _usage(summary.get("node") or {})
        ]
    pods = [item.obj for item in items if (item.obj.get("spec") or {}).get("nodeName")]
    summaries = await _summaries(request, {pod["spec"]["nodeName"] for pod in pods})
    by_uid = {
        entry["podRef"]["uid"]: entry for summary in summaries.values() for entry in summary.get("pods") or ()
    }
    measured = [(pod, by_uid[pod["metadata"]["uid"]]) for pod in pods if pod["metadata"]["uid"] in by_uid]
    return [made for pod, entry in measured if (made := _pod_metrics(pod, entry)) is not None]


async def _summaries(request: Request, nodes: Iterable[str]) -> dict[str, Object]:
    """Of the nodes that answer in time."""
    names = sorted(nodes)

    async def ask(name: str) -> Object | None:
        kubelets, clock = request.services.kubelets, request.services.clock
        try:
            answer: Object = await clock.wait_for(kubelets.json(name, "/stats/summary"), _ANSWER_SECONDS)
        except (errors.StatusError, OSError, TimeoutError, ValueError):
            return None
        return answer

    answers = await asyncio.gather(*map(ask, names))
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}


def _usage(stats: Object) -> dict[str, str]:
    """Quantities as metrics-server writes them; empty while the node has not measured twice."""
    cpu, memory = stats.get("cpu") or {}, stats.get("memory") or {}
    if cpu.get("usageNanoCores") is None or memory.get("workingSetBytes") is None:
        return {}
    return {"cpu": f"{int(cpu['usageNanoCores'])}n", "memory": f"{int(memory['workingSetBytes']) // 1024}Ki"}


def _measured_at(stats: Object) -> str:
    text: str = (stats.get("cpu") or {}).get("time") or (stats.get("memory") or {}).get("time") or ""
    return text


def _head(row: Resource, obj: Object, stats: Object) -> Object:
    metadata = {"name": obj["metadata"]["name"], "creationTimestamp": _measured_at(stats)}
    for field in ("namespace", "labels"):
        if field in obj["metadata"]:
            metadata[field] = obj["metadata"][field]
    return {
        "kind": row.kind,
        "apiVersion": row.gvr.api_version,
        "metadata": metadata,
        "timestamp": _measured_at(stats),
        "window": _DEFAULT_WINDOW,
    }


def _node_metrics(node: Object, summary: Object) -> Object:
    stats = summary["node"]
    return {**_head(r.BY_GVR[r.NODE_METRICS], node, stats), "usage": _usage(stats)}


def _pod_metrics(pod: Object, entry: Object) -> Object | None:
    containers = [
        {"name": stats["name"], "usage": usage}
        for stats in entry.get("containers") or ()
        if (usage := _usage(stats))
    ]
    if not containers:
        return None
    return {**_head(r.BY_GVR[r.POD_METRICS], pod, entry["containers"][0]), "containers": containers}
