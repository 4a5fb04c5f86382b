"""What the metrics APIs say: metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io, whoever serves them.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/metrics/client.go
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pinnace.api.meta import Object
from pinnace.apimachinery import quantity, times
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.client.interface import Client
from pinnace.controllers.horizontalpodautoscaling.calculator import NotComputable, Reading
from pinnace.controllers.runtime.directory import Directory

RESOURCE = "/apis/metrics.k8s.io/v1beta1"
CUSTOM = "/apis/custom.metrics.k8s.io"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
_WINDOW = timedelta(minutes=1)  # of custom metrics that do not say


class Measurements:
    """Raises NotComputable with what users are told."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client, self._directory = client, directory

    async def of_resource(
        self, resource: str, namespace: str, selector: str, container: str
    ) -> dict[str, Reading]:
        """Pod name -> use of the resource by all of its containers, or by one."""
        path = f"{RESOURCE}/namespaces/{namespace}/pods"
        items = await self._items("resource", path, {"labelSelector": selector})
        found = {}
        for item in items:
            amount = _container_use(item, resource, container) if container else _pod_use(item, resource)
            if amount is not None:
                found[item["metadata"]["name"]] = _reading(amount, item, item.get("window"))
        return found

    async def of_pods(
        self, name: str, namespace: str, selector: str, metric_selector: str
    ) -> dict[str, Reading]:
        """Pod name -> a custom metric of the pod."""
        path = f"{await self._custom_api()}/namespaces/{namespace}/pods/*/{name}"
        items = await self._items("custom", path, {"labelSelector": selector, **_metric(metric_selector)})
        return {
            item["describedObject"]["name"]: _reading(
                quantity.milli(item["value"]), item, item.get("windowSeconds")
            )
            for item in items
        }

    async def of_object(self, name: str, namespace: str, reference: Object, metric_selector: str) -> int:
        """A custom metric of any object, in thousandths."""
        served = self._directory.find(reference.get("apiVersion") or "", reference["kind"])
        if served is None:
            await self._directory.refresh()
            served = self._directory.find(reference.get("apiVersion") or "", reference["kind"])
        if served is None:
            raise NotComputable(
                "unable to fetch metrics from custom metrics API: no matches for kind "
                f'"{reference["kind"]}" in version "{reference.get("apiVersion") or ""}"'
            )
        api = await self._custom_api()
        if served.kind == "Namespace" and not served.gvr.group:
            path = f"{api}/namespaces/{reference['name']}/metrics/{name}"
        else:
            space = f"/namespaces/{namespace}" if served.namespaced else ""
            path = f"{api}{space}/{served.gvr.qualified}/{reference['name']}/{name}"
        items = await self._items("custom", path, _metric(metric_selector))
        return quantity.milli(items[0]["value"])

    async def external(self, name: str, namespace: str, metric_selector: str) -> int:
        """The sum of all series of the metric that match, in thousandths."""
        query = {"labelSelector": metric_selector} if metric_selector else {}
        items = await self._items("external", f"{EXTERNAL}/namespaces/{namespace}/{name}", query)
        return sum(quantity.milli(item["value"]) for item in items)

    async def _custom_api(self) -> str:
        try:
            group = await self._client.raw("GET", CUSTOM)
        except (StatusError, OSError, TimeoutError) as error:
            why = (
                "no custom metrics API (custom.metrics.k8s.io) registered"
                if isinstance(error, NotFound)
                else error
            )
            raise NotComputable(f"unable to fetch metrics from custom metrics API: {why}") from error
        return f"/apis/{group['preferredVersion']['groupVersion']}"

    async def _items(self, api: str, path: str, query: Mapping[str, str]) -> list[Object]:
        try:
            answer = await self._client.raw("GET", path, query=query)
        except (StatusError, OSError, TimeoutError) as error:
            raise NotComputable(f"unable to fetch metrics from {api} metrics API: {error}") from error
        items: list[Object] = answer.get("items") or []
        if not items:
            raise NotComputable(f"no metrics returned from {api} metrics API")
        return items


def _metric(selector: str) -> dict[str, str]:
    return {"metricLabelSelector": selector} if selector else {}


def _reading(milli: int, item: Object, window: Any) -> Reading:
    when = times.parse_time(item["timestamp"]) if item.get("timestamp") else datetime.min.replace(tzinfo=UTC)
    if isinstance(window, str):
        return Reading(milli, when, timedelta(seconds=times.parse_duration(window)))
    return Reading(milli, when, _WINDOW if window is None else timedelta(seconds=window))


def _pod_use(item: Object, resource: str) -> int | None:
    """None when a container says nothing."""
    containers = item.get("containers") or ()
    amounts: list[Any] = [(container.get("usage") or {}).get(resource) for container in containers]
    if not amounts or None in amounts:
        return None
    return sum(map(quantity.milli, amounts))


def _container_use(item: Object, resource: str, container: str) -> int | None:
    for each in item.get("containers") or ():
        if each["name"] == container:
            amount = (each.get("usage") or {}).get(resource)
            return None if amount is None else quantity.milli(amount)
    where = f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
    raise NotComputable(f"container {container} not present in metrics for pod {where}")
