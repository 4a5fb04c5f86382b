"""autoscaling/v1 and v2 show the same objects: nothing is lost on the way there and back."""

import json

import pytest

from pinnace.api import meta
from pinnace.api.autoscaling.conversion import BEHAVIOR, CONDITIONS, CURRENT_METRICS, METRICS, from_v1, to_v1
from pinnace.api.autoscaling.horizontalpodautoscalers import stored_form
from pinnace.api.resources import HORIZONTAL_POD_AUTOSCALERS_V1
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery import errors

CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
}
METRIC = {"name": "m", "selector": {"matchLabels": {"a": "b"}}}
OTHERS = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}}},
    {"type": "Pods", "pods": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "3"}}},
    {"type": "Object", "object": {"metric": METRIC, "describedObject": {"kind": "Service", "name": "s"}, "target": {"type": "Value", "value": "9"}}},
    {"type": "External", "external": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "7"}}},
]  # fmt: skip
SCALED = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}


def hpa(metrics, status=None, **spec):
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": "default", "annotations": {"mine": "kept"}},
        "spec": {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": SCALED, "metrics": metrics, **spec},
        "status": {"currentReplicas": 1, "desiredReplicas": 2, **(status or {})},
    }  # fmt: skip


def test_everything_survives_the_way_through_v1():
    rules = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}  # fmt: skip
    status = {
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9}}}],
        "conditions": [{"type": "AbleToScale", "status": "True"}],
        "lastScaleTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    whole = hpa([*OTHERS, CPU], status, behavior={"scaleUp": rules})
    shown = to_v1(whole)
    assert from_v1(shown) == whole
    assert shown["apiVersion"] == "autoscaling/v1"
    assert shown["spec"] == {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": SCALED, "targetCPUUtilizationPercentage": 60}  # fmt: skip
    assert shown["status"]["currentCPUUtilizationPercentage"] == 9
    annotations = shown["metadata"]["annotations"]
    assert set(annotations) == {"mine", METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR}
    assert json.loads(annotations[METRICS])[2] == {
        "type": "Pods", "pods": {"metricName": "m", "selector": {"matchLabels": {"a": "b"}}, "targetAverageValue": "3"},
    }  # fmt: skip
    assert json.loads(annotations[BEHAVIOR])["ScaleUp"]["StabilizationWindowSeconds"] == 0


def test_a_plain_v1_object_is_stored_with_the_defaults_of_v2():
    old = {**hpa([]), "apiVersion": "autoscaling/v1"}
    old["spec"].pop("metrics")
    stored = stored_form(old)
    assert stored["apiVersion"] == "autoscaling/v2"
    assert stored["spec"]["metrics"][0]["resource"]["target"] == {
        "type": "Utilization",
        "averageUtilization": 80,
    }
    assert to_v1(stored)["spec"]["targetCPUUtilizationPercentage"] == 80


@pytest.mark.parametrize("text", ["{", '[{"type":"Pods","pods":{"targetAverageValue":"lots"}}]', "[1]"])
def test_annotations_that_cannot_be_read_are_bad_requests(text):
    obj = {**to_v1(hpa([CPU])), "metadata": {"name": "h", "annotations": {METRICS: text}}}
    with pytest.raises(errors.BadRequest):
        strategy_for(HORIZONTAL_POD_AUTOSCALERS_V1).default(obj)


def test_v1_is_judged_as_what_it_means_in_v2():
    strategy = strategy_for(HORIZONTAL_POD_AUTOSCALERS_V1)
    obj = to_v1(hpa([CPU]))
    obj["spec"]["targetCPUUtilizationPercentage"] = 0
    strategy.default(obj)
    assert [f"{cause.field}: {cause.message}" for cause in strategy.validate(meta.mutable_copy(obj))] == [
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"
    ]
