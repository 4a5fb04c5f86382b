"""A KubeletConfiguration: what is honoured, what is refused, and that it is shown as it was read."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pinnace.apimachinery.times import go_duration
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.configuration import (
    FIELDS,
    GROUP,
    KIND,
    NOT_HONOURED,
    ConfigurationError,
    read,
    shown,
)

HEAD = {"apiVersion": GROUP, "kind": KIND}
BASE = KubeletConfig("n", "192.0.2.1", Path("/k"), Path("/l"))
VALUES: dict[str, Any] = {
    "clusterDNS": ["10.0.0.10"], "clusterDomain": "example.org", "maxPods": 7, "podsPerCore": 3,
    "kubeReserved": {"cpu": "100m"}, "systemReserved": {"memory": "1Gi"}, "evictionHard": {"memory.available": "5%"},
    "evictionPressureTransitionPeriod": "1m0s", "evictionSoft": {"memory.available": "1Gi"},
    "evictionSoftGracePeriod": {"memory.available": "1m30s"}, "evictionMaxPodGracePeriod": 30,
    "evictionMinimumReclaim": {"imagefs.available": "2Gi"}, "podPidsLimit": 100, "memorySwap": {"swapBehavior": "LimitedSwap"},
    "crashLoopBackOff": {"maxContainerRestartPeriod": "30s"}, "syncFrequency": "1m30s", "nodeStatusUpdateFrequency": "20s",
    "nodeStatusReportFrequency": "1h0m0s", "nodeLeaseDurationSeconds": 20, "serializeImagePulls": True,
    "imagePullCredentialsVerificationPolicy": "AlwaysVerify", "preloadedImagesVerificationAllowlist": ["a/b"],
    "maxParallelImagePulls": 1, "containerLogMaxSize": "1000", "containerLogMaxFiles": 2,
    "imageGCHighThresholdPercent": 90, "imageGCLowThresholdPercent": 70, "resolvConf": "/r", "staticPodPath": "/m",
    "allowedUnsafeSysctls": ["kernel.msg*"], "seccompDefault": True, "shutdownGracePeriod": "30s",
    "shutdownGracePeriodCriticalPods": "10s",
    "shutdownGracePeriodByPodPriority": [{"priority": 100, "shutdownGracePeriodSeconds": 10}],
}  # fmt: skip

BESIDE: dict[str, dict[str, str]] = {
    "shutdownGracePeriodCriticalPods": {"shutdownGracePeriod": "1m0s"},
    "preloadedImagesVerificationAllowlist": {
        "imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages"
    },
}


def test_every_honoured_field_is_read_and_shown_again() -> None:
    assert VALUES.keys() == FIELDS.keys()
    for name, value in VALUES.items():
        extra = BESIDE.get(name, {})
        config = replace(BASE, **read({**HEAD, **extra, name: value}))
        assert shown(config)[name] == value, name
        assert shown(BASE)[name] != value or name == "maxParallelImagePulls", name


def test_fields_lead_to_attributes_that_are_there() -> None:
    attributes = {one.name for one in fields(KubeletConfig)}
    assert {one.attribute for one in FIELDS.values()} <= attributes
    assert not FIELDS.keys() & NOT_HONOURED.keys()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"maxPodz": 1}, 'strict decoding error: unknown field "maxPodz"'),
        ({"maxPods": "many"}, "maxPods: Invalid value: 'many'"),
        ({"maxPods": -1}, "maxPods: Invalid value: -1"),
        ({"syncFrequency": "soon"}, "syncFrequency: Invalid value: 'soon'"),
        ({"cpuManagerPolicy": "static"}, "cpuManagerPolicy: Invalid value: 'static': this kubelet does not"),
        ({"port": 10251}, "use --kubelet-port"),
        ({"allowedUnsafeSysctls": ["vm.swappiness"]}, '"vm.swappiness" are not known to be namespaced'),
        (
            {"shutdownGracePeriod": "10s", "shutdownGracePeriodCriticalPods": "20s"},
            "shutdownGracePeriodCriticalPods 20s must be <= shutdownGracePeriod 10s",
        ),
        (
            {"serializeImagePulls": True, "maxParallelImagePulls": 3},
            "maxParallelImagePulls cannot be larger than 1 unless serializeImagePulls is set to false",
        ),
        ({"imageGCLowThresholdPercent": 90}, "imageGCLowThresholdPercent 90 must be less"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({**HEAD, **given})
    assert why in str(caught.value)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='no kind "Pod" is registered for version "v1"'):
        read({"apiVersion": "v1", "kind": "Pod"})


def test_a_file_full_of_empty_values_and_defaults_changes_nothing() -> None:
    assert read({**HEAD, **NOT_HONOURED, "cpuManagerReconcilePeriod": "0s", "authentication": {}}) == {}


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (0.5, "0.5s"), (3600, "1h0m0s")])
def test_durations_are_printed_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
