"""A KubeletConfiguration (kubelet.config.k8s.io/v1beta1): which of its fields this kubelet honours, read and shown. Pure.

A field that upstream has and this kubelet does not honour is refused, unless its value is empty or upstream's default: such a file
means the same here. Upstream: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/config/v1beta1/types.go
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.apimachinery import quantity
from pinnace.apimachinery.times import go_duration, parse_duration
from pinnace.kubelet.admission import unsafe_sysctls_problem
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.image_records import ALLOWLISTED, POLICIES

GROUP, KIND = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"


class ConfigurationError(ValueError):
    """What is wrong with the document, starting with the field."""


@dataclass(frozen=True, slots=True)
class Field:
    """`attribute` of KubeletConfig; `read` makes its value from the document's, `show` the reverse."""

    attribute: str
    read: Callable[[Any], Any]
    show: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _typed(kind: type, name: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"must be {name}")
        return value

    return read


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("must be a number that is not negative")
    return value


def _percent(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 100:
        raise ValueError("must be between 0 and 100")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        raise TypeError("must be a duration such as 1m30s")
    seconds = parse_duration(value)
    if seconds < 0:
        raise ValueError("must not be negative")
    return seconds


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def _sysctls(value: Any) -> tuple[str, ...]:
    patterns = _texts(value)
    if problem := unsafe_sysctls_problem(patterns):
        raise ValueError(problem)
    return patterns


def _verification(value: Any) -> str:
    if value not in POLICIES:
        raise ValueError(f"must be one of {', '.join(POLICIES)}")
    chosen: str = value
    return chosen


def _text_map(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("must be a map of texts")
    return {str(key): str(one) for key, one in value.items()}


def _bytes(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError("must be a quantity such as 10Mi")
    return quantity.whole(value)


def _path(value: Any) -> Path | None:
    if not isinstance(value, str):
        raise TypeError("must be a path")
    return Path(value) if value else None


def _shutdown(value: Any) -> tuple[tuple[int, float], ...]:
    if not isinstance(value, list):
        raise TypeError("must be a list")
    return tuple((one["priority"], float(one["shutdownGracePeriodSeconds"])) for one in value)


def _show_shutdown(value: tuple[tuple[int, float], ...]) -> list[dict[str, int]]:
    return [{"priority": one, "shutdownGracePeriodSeconds": int(seconds)} for one, seconds in value]


def _crash_loop(value: Any) -> float:
    if not isinstance(value, dict) or set(value) != {"maxContainerRestartPeriod"}:
        raise ValueError("must be a map with maxContainerRestartPeriod")
    longest = _seconds(value["maxContainerRestartPeriod"])
    if not 1 <= longest <= 300:
        raise ValueError("maxContainerRestartPeriod must be between 1s and 300s")
    return longest


def _show_crash_loop(longest: float) -> dict[str, str]:
    return {"maxContainerRestartPeriod": go_duration(longest)}


def _durations(value: Any) -> dict[str, float]:
    return {name: _seconds(one) for name, one in _text_map(value).items()}


def _show_durations(value: dict[str, float]) -> dict[str, str]:
    return {name: go_duration(seconds) for name, seconds in value.items()}


def _swap(value: Any) -> str:
    behavior = value.get("swapBehavior") or "NoSwap" if isinstance(value, dict) else value
    if behavior not in ("NoSwap", "LimitedSwap"):
        raise ValueError('swapBehavior must be one of: "", "LimitedSwap" or "NoSwap"')
    return str(behavior)


def _plain(attribute: str, read: Callable[[Any], Any]) -> Field:
    return Field(attribute, read, _same)


def _lasting(attribute: str) -> Field:
    return Field(attribute, _seconds, go_duration)


def _listed(attribute: str) -> Field:
    return Field(attribute, _texts, list)


FIELDS: Mapping[str, Field] = {
    "clusterDNS": _listed("cluster_dns"),
    "clusterDomain": _plain("cluster_domain", _typed(str, "a text")),
    "maxPods": _plain("max_pods", _count),
    "podsPerCore": _plain("pods_per_core", _count),
    "kubeReserved": _plain("kube_reserved", _text_map),
    "systemReserved": _plain("system_reserved", _text_map),
    "evictionHard": _plain("eviction_hard", _text_map),
    "evictionSoft": _plain("eviction_soft", _text_map),
    "evictionSoftGracePeriod": Field("eviction_soft_grace_seconds", _durations, _show_durations),
    "evictionMaxPodGracePeriod": _plain("eviction_max_pod_grace_period", _typed(int, "a number")),
    "evictionMinimumReclaim": _plain("eviction_minimum_reclaim", _text_map),
    "podPidsLimit": _plain("pod_max_pids", _typed(int, "a number")),
    "memorySwap": Field("memory_swap_behavior", _swap, lambda behavior: {"swapBehavior": behavior}),
    "evictionPressureTransitionPeriod": _lasting("eviction_pressure_transition_seconds"),
    "crashLoopBackOff": Field("max_container_restart_seconds", _crash_loop, _show_crash_loop),
    "syncFrequency": _lasting("sync_frequency_seconds"),
    "nodeStatusUpdateFrequency": _lasting("node_status_update_seconds"),
    "nodeStatusReportFrequency": _lasting("node_status_report_seconds"),
    "nodeLeaseDurationSeconds": _plain("node_lease_seconds", _count),
    "serializeImagePulls": _plain("serialize_image_pulls", _typed(bool, "true or false")),
    "maxParallelImagePulls": _plain("max_parallel_image_pulls", _count),
    "imagePullCredentialsVerificationPolicy": _plain("image_verification_policy", _verification),
    "preloadedImagesVerificationAllowlist": _listed("preloaded_images_allowlist"),
    "containerLogMaxSize": Field("container_log_max_bytes", _bytes, str),
    "containerLogMaxFiles": _plain("container_log_max_files", _count),
    "imageGCHighThresholdPercent": _plain("image_gc_high_threshold_percent", _percent),
    "imageGCLowThresholdPercent": _plain("image_gc_low_threshold_percent", _percent),
    "resolvConf": Field("resolv_conf", _path, str),
    "staticPodPath": Field("static_pod_path", _path, lambda path: str(path) if path else ""),
    "allowedUnsafeSysctls": Field("allowed_unsafe_sysctls", _sysctls, list),
    "seccompDefault": _plain("seccomp_default", _typed(bool, "true or false")),
    "shutdownGracePeriod": _lasting("shutdown_seconds"),
    "shutdownGracePeriodCriticalPods": _lasting("shutdown_critical_seconds"),
    "shutdownGracePeriodByPodPriority": Field("shutdown_by_priority", _shutdown, _show_shutdown),
}

# What upstream has beside these, with its default where that is not empty.
NOT_HONOURED: Mapping[str, Any] = {
    "enableServer": True, "podLogsDir": "/var/log/pods", "fileCheckFrequency": "20s", "httpCheckFrequency": "20s",
    "staticPodURL": "", "staticPodURLHeader": None, "address": "0.0.0.0", "port": 10250, "readOnlyPort": 0,
    "tlsCertFile": "", "tlsPrivateKeyFile": "", "tlsCipherSuites": None, "tlsMinVersion": "", "tlsCurvePreferences": None,
    "rotateCertificates": False, "serverTLSBootstrap": False, "authentication": None, "authorization": None,
    "registryPullQPS": 5, "registryBurst": 10, "eventRecordQPS": 50, "eventBurst": 100,
    "enableDebuggingHandlers": True, "enableContentionProfiling": False, "healthzPort": 10248,
    "healthzBindAddress": "127.0.0.1", "oomScoreAdj": -999, "streamingConnectionIdleTimeout": "4h0m0s",
    "imageMinimumGCAge": "2m0s", "imageMaximumGCAge": "0s", "volumeStatsAggPeriod": "1m0s", "kubeletCgroups": "",
    "systemCgroups": "", "cgroupRoot": "", "cgroupsPerQOS": True, "cgroupDriver": "cgroupfs", "cpuManagerPolicy": "none",
    "singleProcessOOMKill": None, "cpuManagerPolicyOptions": None, "cpuManagerReconcilePeriod": "10s",
    "memoryManagerPolicy": "None", "topologyManagerPolicy": "none", "topologyManagerScope": "container",
    "topologyManagerPolicyOptions": None, "qosReserved": None, "runtimeRequestTimeout": "2m0s",
    "hairpinMode": "promiscuous-bridge", "podCIDR": "", "runOnce": False, "cpuCFSQuota": True,
    "cpuCFSQuotaPeriod": "100ms", "nodeStatusMaxImages": 50, "maxOpenFiles": 1000000,
    "contentType": "application/vnd.kubernetes.protobuf", "kubeAPIQPS": 50, "kubeAPIBurst": 100,
    "mergeDefaultEvictionSettings": False, "enableControllerAttachDetach": True, "protectKernelDefaults": False,
    "makeIPTablesUtilChains": True, "iptablesMasqueradeBit": 14, "iptablesDropBit": 15, "featureGates": None,
    "failSwapOn": True, "containerLogMaxWorkers": 1, "containerLogMonitorInterval": "10s",
    "configMapAndSecretChangeDetectionStrategy": "Watch", "reservedSystemCPUs": "", "showHiddenMetricsForVersion": "",
    "systemReservedCgroup": "", "kubeReservedCgroup": "", "enforceNodeAllocatable": ["pods"], "volumePluginDir": "",
    "providerID": "", "kernelMemcgNotification": False, "logging": None, "enableSystemLogHandler": True,
    "enableSystemLogQuery": False, "reservedMemory": None, "enableProfilingHandler": True,
    "enableDebugFlagsHandler": True, "memoryThrottlingFactor": 0.9, "registerWithTaints": None, "registerNode": True,
    "tracing": None, "localStorageCapacityIsolation": True, "containerRuntimeEndpoint": "", "imageServiceEndpoint": "",
    "failCgroupV1": True, "userNamespaces": None,
}  # fmt: skip
ELSEWHERE: Mapping[str, str] = {
    "port": "--kubelet-port", "containerRuntimeEndpoint": "--container-runtime-endpoint", "featureGates": "--feature-gates",
    "logging": "--logging-format and --verbosity",
}  # fmt: skip


def read(document: Any) -> dict[str, Any]:
    """Values for KubeletConfig by attribute; raises ConfigurationError."""
    if not isinstance(document, dict):
        raise ConfigurationError(f"must be a {KIND}")
    if (document.get("apiVersion"), document.get("kind")) != (GROUP, KIND):
        raise ConfigurationError(
            f'no kind "{document.get("kind")}" is registered for version "{document.get("apiVersion")}"'
        )
    found = {}
    for name, value in document.items():
        if name in ("apiVersion", "kind", "metadata"):
            continue
        if name in FIELDS:
            if value is not None:
                found[FIELDS[name].attribute] = _read(name, value)
        elif name in NOT_HONOURED:
            _check_means_nothing(name, value)
        else:
            raise ConfigurationError(f'strict decoding error: unknown field "{name}"')
    _check_together(found)
    return found


def _read(name: str, value: Any) -> Any:
    try:
        return FIELDS[name].read(value)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{name}: Invalid value: {value!r}: {error}") from error


def _check_means_nothing(name: str, value: Any) -> None:
    if value in (None, "", "0s", 0, False, [], {}) or value == NOT_HONOURED[name]:
        return
    way = f"; use {ELSEWHERE[name]}" if name in ELSEWHERE else ""
    raise ConfigurationError(f"{name}: Invalid value: {value!r}: this kubelet does not support it{way}")


def _check_together(found: Mapping[str, Any]) -> None:
    default = {name: found.get(name, getattr(KubeletConfig, name, None)) for name in found}
    whole, critical = default.get("shutdown_seconds", 0.0), default.get("shutdown_critical_seconds", 0.0)
    if critical > whole:
        raise ConfigurationError(
            f"shutdownGracePeriodCriticalPods {go_duration(critical)} must be <= shutdownGracePeriod {go_duration(whole)}"
        )
    if default.get("shutdown_by_priority") and (whole or critical):
        raise ConfigurationError(
            "Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time"
        )
    if default.get("serialize_image_pulls") and default.get("max_parallel_image_pulls", 1) > 1:
        raise ConfigurationError(
            "invalid configuration: maxParallelImagePulls cannot be larger than 1 unless serializeImagePulls is set to false"
        )
    if found.get("preloaded_images_allowlist") and found.get("image_verification_policy") != ALLOWLISTED:
        raise ConfigurationError(
            f'can\'t set `preloadedImagesVerificationAllowlist` if `imagePullCredentialsVerificationPolicy` is not "{ALLOWLISTED}"'
        )
    low, high = (
        found.get("image_gc_low_threshold_percent", 80),
        found.get("image_gc_high_threshold_percent", 85),
    )
    if low >= high:
        raise ConfigurationError(
            f"imageGCLowThresholdPercent {low} must be less than imageGCHighThresholdPercent {high}"
        )


def shown(config: KubeletConfig) -> dict[str, Any]:
    """The settings under upstream's names, as `/configz` shows them."""
    fields = {name: field.show(getattr(config, field.attribute)) for name, field in FIELDS.items()}
    return {
        "kind": KIND, "apiVersion": GROUP, "port": config.port, "cgroupRoot": config.cgroup_root,
        "cgroupDriver": "cgroupfs", **fields,
    }  # fmt: skip
