"""HorizontalPodAutoscalers through the real API server; what the metrics APIs answer is put in between."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, cast

import pytest_asyncio

from custom_resources import FOOS, definition, establish, foo, version
from integration.controllers.conftest import Start
from pinnace.api import meta
from pinnace.api.resources import DEPLOYMENTS, EVENTS, HORIZONTAL_POD_AUTOSCALERS, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import ActsFor, Client, Object
from pinnace.component.clock import Clock, RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.controllers.horizontalpodautoscaling import AutoscalingConfig
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

QUICK = AutoscalingConfig(sync_period=0.1, downscale_stabilization=0.3, cpu_initialization_period=0.0)


class Acting:
    """The same metrics for somebody with other rights."""

    def __init__(self, client: Client, metered: "Metered") -> None:
        self._client, self._metered = client, metered

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def raw(self, method: str, path: str, **named: Any) -> Any:
        client = self._metered if "metrics.k8s.io" in path else self._client
        return await client.raw(method, path, **named)


class Metered:
    """A client whose metrics APIs answer with `values`: path -> value, or for pods cpu of each."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client, self._clock = client, clock or RealClock()
        self.cpu: str | None = None
        self.values: dict[str, str] = {}
        self.queries: list[tuple[str, Mapping[str, str]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def acting_as(self, user: str, groups: tuple[str, ...]) -> "Acting":
        return Acting(cast("ActsFor", self._client).acting_as(user, groups), self)

    async def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        if "metrics.k8s.io" not in path or (path.startswith("/apis/metrics") and self.cpu is None):
            return await self._client.raw(method, path, query=query, body=body)
        self.queries.append((path, query or {}))
        if path.startswith("/apis/metrics"):
            return {"items": [self._usage(pod) for pod in await self._pods(query or {})]}
        if path == "/apis/custom.metrics.k8s.io":
            if not self.values:
                raise NotFound("the server could not find the requested resource")
            return {"preferredVersion": {"groupVersion": "custom.metrics.k8s.io/v1beta2"}}
        if "/pods/*/" in path:
            found = await self._pods(query or {})
            return {"items": [self._value(path, {"kind": "Pod", "name": meta.name(pod)}) for pod in found]}
        return {"items": [self._value(path, {})] if path in self.values else []}

    async def _pods(self, query: Mapping[str, str]) -> list[Object]:
        found = await self._client.list(PODS, "default", label_selector=query["labelSelector"])
        return list(found["items"])

    def _usage(self, pod: Object) -> Object:
        usage = [{"name": "main", "usage": {"cpu": self.cpu, "memory": "10Mi"}}]
        return {"metadata": {"name": meta.name(pod), "namespace": "default"}, "containers": usage,
                "timestamp": format_time(self._clock.now()), "window": "10s"}  # fmt: skip

    def _value(self, path: str, about: Object) -> Object:
        return {
            "describedObject": about,
            "timestamp": format_time(self._clock.now()),
            "value": self.values[path],
        }


Begin = Callable[[], Awaitable[tuple[Client, Metered]]]


@pytest_asyncio.fixture
async def begin(start: Start, api_server: ApiServerInProcess) -> AsyncGenerator[Begin, None]:
    running: list[asyncio.Task[None]] = []

    async def run() -> tuple[Client, Metered]:
        client = await start("deployment", "replicaset")
        metered = Metered(api_server.local_client("system:kube-controller-manager", ()))
        settings = ControllersConfig(("horizontal-pod-autoscaler",), autoscaling=QUICK)
        part = Controllers(metered, RealClock(), settings)  # type: ignore[arg-type]
        running.append(asyncio.create_task(part.run()))
        return client, metered

    yield run
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def deployment(name: str = "web", replicas: int = 2, **resources: Any) -> Object:
    container = {
        "name": "main",
        "image": "busybox",
        "resources": resources or {"requests": {"cpu": "100m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }


def autoscaler(name: str = "web", target: str = "web", **spec: Any) -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 1,
            "maxReplicas": 5,
            **spec,
        },
    }


async def replicas(client: Client, name: str = "web") -> int:
    found: int = (await client.get(DEPLOYMENTS, name, "default"))["spec"]["replicas"]
    return found


async def status(client: Client, name: str = "web") -> Object:
    found: Object = (await client.get(HORIZONTAL_POD_AUTOSCALERS, name, "default")).get("status") or {}
    return found


async def condition(client: Client, kind: str, name: str = "web") -> Object:
    found = (await status(client, name)).get("conditions") or ()
    return next((one for one in found if one["type"] == kind), {})


async def has_event(client: Client, reason: str, message: str) -> bool:
    found = (await client.list(EVENTS, "default"))["items"]
    return any(event["reason"] == reason and event["message"] == message for event in found)


async def settled(client: Client, count: int) -> bool:
    found = (await client.get(DEPLOYMENTS, "web", "default")).get("status") or {}
    return found.get("readyReplicas", 0) == count and found.get("replicas") == count


async def test_follows_cpu_up_and_down(begin: Begin) -> None:
    client, metered = await begin()
    await client.create(DEPLOYMENTS, deployment(), "default")
    await eventually(lambda: settled(client, 2))
    metered.cpu = "80m"
    target = {"type": "Utilization", "averageUtilization": 50}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(metrics=[metric]), "default")

    async def is_at(count: int) -> bool:
        return await replicas(client) == count

    await eventually(lambda: is_at(5))  # 80 % of 50 %, again and again
    above = "cpu resource utilization (percentage of request) above target"
    await eventually(lambda: has_event(client, "SuccessfulRescale", f"New size: 4; reason: {above}"))

    async def limited() -> bool:
        return (await condition(client, "ScalingLimited")).get("reason") == "TooManyReplicas"

    await eventually(limited)
    found = await status(client)
    assert found["currentMetrics"][0]["resource"] == {
        "name": "cpu",
        "current": {"averageUtilization": 80, "averageValue": "80m"},
    }
    assert found["lastScaleTime"]
    assert (await condition(client, "ScalingActive"))["message"] == (
        "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"
    )
    metered.cpu = "1m"
    await eventually(lambda: is_at(1))
    await eventually(
        lambda: has_event(client, "SuccessfulRescale", "New size: 1; reason: All metrics below target")
    )


async def test_without_readings_nothing_moves_and_the_condition_says_why(begin: Begin) -> None:
    client, _ = await begin()
    await client.create(DEPLOYMENTS, deployment(), "default")
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(), "default")
    detail = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
        "no metrics returned from resource metrics API"
    )
    await eventually(lambda: has_event(client, "FailedGetResourceMetric", detail))
    whole = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {detail}"
    await eventually(lambda: has_event(client, "FailedComputeMetricsReplicas", whole))
    active = await condition(client, "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
    assert active["message"] == f"the HPA was unable to compute the replica count: {detail}"
    assert (await condition(client, "AbleToScale"))["reason"] == "SucceededGetScale"
    assert await replicas(client) == 2


async def test_the_limits_hold_without_any_metric(begin: Begin) -> None:
    client, _ = await begin()
    await client.create(DEPLOYMENTS, deployment(replicas=7), "default")
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(minReplicas=3), "default")
    reason = "Current number of replicas above Spec.MaxReplicas"
    await eventually(lambda: has_event(client, "SuccessfulRescale", f"New size: 5; reason: {reason}"))
    await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
    reason = "Current number of replicas below Spec.MinReplicas"
    await eventually(lambda: has_event(client, "SuccessfulRescale", f"New size: 3; reason: {reason}"))
    await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, "default")

    async def disabled() -> bool:
        return (await condition(client, "ScalingActive")).get("reason") == "ScalingDisabled"

    await eventually(disabled)
    assert await replicas(client) == 0


async def test_a_target_that_is_not_there(begin: Begin) -> None:
    client, _ = await begin()
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(), "default")
    odd = autoscaler("odd")
    odd["spec"]["scaleTargetRef"] = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w"}
    await client.create(HORIZONTAL_POD_AUTOSCALERS, odd, "default")
    await eventually(
        lambda: has_event(client, "FailedGetScale", 'no matches for kind "Widget" in group "example.com"')
    )
    await eventually(lambda: has_event(client, "FailedGetScale", 'deployments.apps "web" not found'))
    able = await condition(client, "AbleToScale")
    assert (able["status"], able["reason"]) == ("False", "FailedGetScale")
    assert able["message"] == (
        'the HPA controller was unable to get the target\'s current scale: deployments.apps "web" not found'
    )


async def test_two_autoscalers_on_the_same_pods(begin: Begin) -> None:
    client, metered = await begin()
    metered.cpu = "90m"
    await client.create(DEPLOYMENTS, deployment(), "default")
    await eventually(lambda: settled(client, 2))
    for name in ("a", "b"):
        body = autoscaler(name, minReplicas=1, maxReplicas=2)
        await client.create(HORIZONTAL_POD_AUTOSCALERS, body, "default")
    message = "pods by selector app=web are controlled by multiple HPAs: [default/a default/b]"
    await eventually(lambda: has_event(client, "AmbiguousSelector", message))
    await eventually(lambda: has_event(client, "FailedComputeMetricsReplicas", message))
    await client.delete(HORIZONTAL_POD_AUTOSCALERS, "b", "default")

    async def active() -> bool:
        return (await condition(client, "ScalingActive", "a")).get("reason") == "ValidMetricFound"

    await eventually(active)


async def test_custom_and_external_metrics(begin: Begin) -> None:
    client, metered = await begin()
    await client.create(DEPLOYMENTS, deployment(), "default")
    await eventually(lambda: settled(client, 2))
    custom, outside = "/apis/custom.metrics.k8s.io/v1beta2", "/apis/external.metrics.k8s.io/v1beta1"
    metered.values = {
        f"{custom}/namespaces/default/pods/*/requests": "10",
        f"{custom}/namespaces/default/services/front/hits": "11",
        f"{outside}/namespaces/default/queue": "30",
    }
    front = {"apiVersion": "v1", "kind": "Service", "name": "front"}
    labels = {"matchLabels": {"lane": "fast"}}
    metrics = [
        {"type": "Pods", "pods": {"metric": {"name": "requests"},
                                  "target": {"type": "AverageValue", "averageValue": "10"}}},
        {"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": front,
                                      "target": {"type": "Value", "value": "11"}}},
        {"type": "External", "external": {"metric": {"name": "queue", "selector": labels},
                                          "target": {"type": "AverageValue", "averageValue": "10"}}},
    ]  # fmt: skip
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(metrics=metrics), "default")
    name = (
        "external metric queue(&LabelSelector{MatchLabels:map[string]string{lane: fast,},"
        "MatchExpressions:[]LabelSelectorRequirement{},})"
    )
    await eventually(
        lambda: has_event(client, "SuccessfulRescale", f"New size: 3; reason: {name} above target")
    )

    async def shown() -> bool:
        found = (await status(client)).get("currentMetrics") or ()
        return len(found) == 3 and found[2]["external"]["current"] == {"averageValue": "10"}

    await eventually(shown)
    found = (await status(client))["currentMetrics"]
    assert found[0]["pods"] == {"metric": {"name": "requests"}, "current": {"averageValue": "10"}}
    assert found[1]["object"]["current"] == {"value": "11"}
    assert (f"{outside}/namespaces/default/queue", {"labelSelector": "lane=fast"}) in metered.queries


async def test_one_bad_metric_stops_the_way_down_but_not_the_way_up(begin: Begin) -> None:
    client, metered = await begin()
    metered.cpu = "10m"
    await client.create(DEPLOYMENTS, deployment(replicas=3), "default")
    await eventually(lambda: settled(client, 3))
    cpu = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    missing = {"type": "Pods", "pods": {"metric": {"name": "nothing"},
                                        "target": {"type": "AverageValue", "averageValue": "10"}}}  # fmt: skip
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(metrics=[cpu, missing]), "default")
    why = (
        "unable to get metric nothing: unable to fetch metrics from custom metrics API: "
        "no custom metrics API (custom.metrics.k8s.io) registered"
    )
    await eventually(lambda: has_event(client, "FailedGetPodsMetric", why))
    assert await replicas(client) == 3
    metered.cpu = "80m"

    async def grown() -> bool:
        return await replicas(client) == 5

    await eventually(grown)


async def test_one_container_is_measured(begin: Begin) -> None:
    client, metered = await begin()
    metered.cpu = "90m"
    await client.create(DEPLOYMENTS, deployment(), "default")
    await eventually(lambda: settled(client, 2))
    target = {"type": "Utilization", "averageUtilization": 60}
    good = {"name": "cpu", "container": "main", "target": target}
    bad = {"name": "cpu", "container": "other", "target": target}
    metrics = [{"type": "ContainerResource", "containerResource": each} for each in (good, bad)]
    await client.create(HORIZONTAL_POD_AUTOSCALERS, autoscaler(metrics=metrics), "default")

    async def grown() -> bool:
        return await replicas(client) == 5

    await eventually(grown)
    found = (await client.list(EVENTS, "default"))["items"]
    failed = [event["message"] for event in found if event["reason"] == "FailedGetContainerResourceMetric"]
    assert failed
    assert failed[0].startswith(
        "failed to get cpu utilization: unable to get metrics for resource cpu: container other not present in metrics for pod default/web-"
    )
    name = "cpu container resource utilization (percentage of request)"
    assert await has_event(client, "SuccessfulRescale", f"New size: 3; reason: {name} above target")


async def test_a_custom_resource_with_a_scale_is_scaled(begin: Begin) -> None:
    client, metered = await begin()
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    await establish(client, definition(version(subresources={"status": {}, "scale": scale})))
    made = await client.create(FOOS, foo(spec={"replicas": 2}), "default")
    shown = {**made, "status": {"replicas": 2, "selector": "app=foo"}}
    await client.update(FOOS, shown, subresource="status")
    metered.values = {"/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue": "40"}
    target = {"type": "AverageValue", "averageValue": "10"}
    metric = {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}}
    body = autoscaler(metrics=[metric])
    body["spec"]["scaleTargetRef"] = {"apiVersion": "example.com/v1", "kind": "Foo", "name": "a"}
    await client.create(HORIZONTAL_POD_AUTOSCALERS, body, "default")

    async def grown() -> bool:
        return bool((await client.get(FOOS, "a", "default"))["spec"]["replicas"] == 4)

    await eventually(grown)
    await eventually(
        lambda: has_event(
            client, "SuccessfulRescale", "New size: 4; reason: external metric queue(nil) above target"
        )
    )
