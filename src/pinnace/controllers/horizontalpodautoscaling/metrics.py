"""The metrics of one autoscaler, one after another: what each asks for, what it measured, and what to say when it cannot.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetric)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.apimachinery.selectors import to_text
from pinnace.controllers.horizontalpodautoscaling import calculator
from pinnace.controllers.horizontalpodautoscaling.calculator import (
    NotComputable,
    Proposal,
    Tolerances,
    Warmup,
)
from pinnace.controllers.horizontalpodautoscaling.measurements import Measurements


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled, as it is now."""

    namespace: str
    selector: str
    spec_replicas: int
    status_replicas: int
    pods: list[Object]


class Asked(NamedTuple):
    """`name` as events and conditions have it; `status` is the entry of currentMetrics."""

    proposal: Proposal
    name: str
    status: Object


class MetricFailed(Exception):
    """One metric gave nothing. `reason` and `detail` are of the event and the condition, the message of the whole pass."""

    def __init__(self, reason: str, detail: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.detail = reason, detail


class MetricReader:
    def __init__(self, measurements: Measurements, warmup: Warmup, now: datetime) -> None:
        self._measurements, self._warmup, self._now = measurements, warmup, now

    async def ask(self, metric: Mapping[str, Any], target: Target, tolerances: Tolerances) -> Asked:
        kind = metric["type"]
        field = kind[:1].lower() + kind[1:]
        readers = {
            "Resource": self._resource, "ContainerResource": self._resource, "Pods": self._pods,
            "Object": self._object, "External": self._external,
        }  # fmt: skip
        source = metric[field]
        if kind not in readers:
            error = f'unknown metric source type "{kind}"'
            raise MetricFailed("InvalidMetricSourceType", error, error)
        try:
            proposal, name, current, shown = await readers[kind](source, target, tolerances)
        except NotComputable as error:
            raise MetricFailed(
                f"FailedGet{kind}Metric", str(error), f"{_failure_of(kind, source)}: {error}"
            ) from error
        return Asked(proposal, name, {"type": kind, field: {**shown, "current": current}})

    async def _resource(
        self, source: Mapping[str, Any], target: Target, tolerances: Tolerances
    ) -> tuple[Proposal, str, Object, Object]:
        resource, container, wanted = source["name"], source.get("container") or "", source["target"]
        shown = {key: source[key] for key in ("name", "container") if key in source}
        by_average = wanted.get("averageValue") is not None
        try:
            readings = await self._of_resource(resource, target, container)
            common = {"resource": resource, "warmup": self._warmup, "now": self._now}
            if by_average:
                milli = quantity.milli(wanted["averageValue"])
                found = calculator.by_average(
                    target.spec_replicas, target.pods, readings, milli, tolerances, **common
                )
            else:
                found = calculator.by_utilization(
                    target.spec_replicas, target.pods, readings, wanted["averageUtilization"], tolerances,
                    container=container, **common,
                )  # fmt: skip
        except NotComputable as error:
            what = "usage" if by_average else "utilization"
            raise NotComputable(f"failed to get {resource} {what}: {error}") from error
        current: Object = {
            "averageValue": _amount(found.milli, "binary" if resource == "memory" else "decimal")
        }
        if by_average:
            return found, f"{resource} resource", current, shown
        current = {"averageUtilization": found.utilization, **current}
        scope = "container resource" if container else "resource"
        return found, f"{resource} {scope} utilization (percentage of request)", current, shown

    async def _of_resource(
        self, resource: str, target: Target, container: str
    ) -> dict[str, calculator.Reading]:
        try:
            return await self._measurements.of_resource(
                resource, target.namespace, target.selector, container
            )
        except NotComputable as error:
            raise NotComputable(f"unable to get metrics for resource {resource}: {error}") from error

    async def _pods(
        self, source: Mapping[str, Any], target: Target, tolerances: Tolerances
    ) -> tuple[Proposal, str, Object, Object]:
        name = source["metric"]["name"]
        try:
            readings = await self._measurements.of_pods(
                name, target.namespace, target.selector, to_text(source["metric"].get("selector"))
            )
        except NotComputable as error:
            raise NotComputable(f"unable to get metric {name}: {error}") from error
        found = calculator.by_average(
            target.spec_replicas, target.pods, readings, quantity.milli(source["target"]["averageValue"]),
            tolerances, warmup=self._warmup, now=self._now,
        )  # fmt: skip
        return (
            found,
            f"pods metric {name}",
            {"averageValue": _amount(found.milli)},
            {"metric": source["metric"]},
        )

    async def _object(
        self, source: Mapping[str, Any], target: Target, tolerances: Tolerances
    ) -> tuple[Proposal, str, Object, Object]:
        name, reference, wanted = source["metric"]["name"], source["describedObject"], source["target"]
        shown = {"describedObject": reference, "metric": source["metric"]}
        by_value = wanted["type"] == "Value" and wanted.get("value") is not None
        if not by_value and (wanted["type"] != "AverageValue" or wanted.get("averageValue") is None):
            raise NotComputable(
                "invalid object metric source: neither a value target nor an average value target was set"
            )
        try:
            milli = await self._measurements.of_object(
                name, target.namespace, reference, to_text(source["metric"].get("selector"))
            )
        except NotComputable as error:
            where = f"{reference['kind']} {target.namespace} {reference['name']}"
            raise NotComputable(f"unable to get metric {name}: {where}/{error}") from error
        if by_value:
            aim = quantity.milli(wanted["value"])
            found = calculator.by_value(target.spec_replicas, target.pods, milli, aim, tolerances)
            return found, f"{reference['kind']} metric {name}", {"value": _amount(found.milli)}, shown
        aim = quantity.milli(wanted["averageValue"])
        found = calculator.by_share(target.status_replicas, milli, aim, tolerances)
        return found, _series(source["metric"]), {"averageValue": _amount(found.milli)}, shown

    async def _external(
        self, source: Mapping[str, Any], target: Target, tolerances: Tolerances
    ) -> tuple[Proposal, str, Object, Object]:
        name, selector, wanted = source["metric"]["name"], source["metric"].get("selector"), source["target"]
        shown = {"metric": source["metric"]}
        by_share = wanted.get("averageValue") is not None
        try:
            milli = await self._measurements.external(name, target.namespace, to_text(selector))
        except NotComputable as error:
            where = f"{target.namespace}/{name}/{_go_selector(selector)}"
            raise NotComputable(f"unable to get external metric {where}: {error}") from error
        if by_share:
            aim = quantity.milli(wanted["averageValue"])
            found = calculator.by_share(target.status_replicas, milli, aim, tolerances)
            return found, _series(source["metric"]), {"averageValue": _amount(found.milli)}, shown
        aim = quantity.milli(wanted["value"])
        found = calculator.by_value(target.spec_replicas, target.pods, milli, aim, tolerances)
        return found, _series(source["metric"]), {"value": _amount(found.milli)}, shown


def _failure_of(kind: str, source: Mapping[str, Any]) -> str:
    match kind:
        case "Resource":
            return f"failed to get {source['name']} resource metric value"
        case "ContainerResource":
            return f"failed to get {source['container']} container metric value"
        case "External" if source["target"].get("averageValue") is not None:
            name = source["metric"]["name"]
            return f"failed to get {name} external metric value: failed to get {name} external metric"
        case "External":
            name = source["metric"]["name"]
            return f"failed to get {name} external metric value: failed to get external metric {name}"
        case "Object" if source["target"]["type"] == "AverageValue":
            return (
                f"failed to get object metric value: failed to get {source['metric']['name']} object metric"
            )
        case _:
            return f"failed to get {kind.lower()} metric value"


def _amount(milli: int, family: str = "decimal") -> str:
    return quantity.format_quantity(Decimal(milli) / 1000, family)


def _series(metric: Mapping[str, Any]) -> str:
    return f"external metric {metric['name']}({_go_selector(metric.get('selector'))})"


def _go_selector(selector: Mapping[str, Any] | None) -> str:
    """As Go prints a pointer to a LabelSelector, which is what upstream's texts show."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one['key']},Operator:{one['operator']},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
