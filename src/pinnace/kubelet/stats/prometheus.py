"""Samples as Prometheus text (pure): `/metrics/resource`, and the part of `/metrics/cadvisor` that dashboards ask for.

Names, help and labels as upstream: pkg/kubelet/metrics/collectors/resource_metrics.go, and cAdvisor's.
"""

from collections.abc import Callable, Iterable, Mapping

from pinnace.kubelet.stats.claims import ClaimUsage
from pinnace.kubelet.stats.usage import Filesystem, Network, PodUsage, Sample

Labels = dict[str, str]
Point = tuple[Labels, float]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def family(name: str, kind: str, help: str, points: Iterable[Point], stamp: int | None = None) -> str:
    """One metric with its points; "" when it has none. `stamp` is in milliseconds."""
    suffix = f" {stamp}" if stamp is not None else ""
    lines = [f"{name}{_labels(labels)} {_number(value)}{suffix}\n" for labels, value in points]
    return f"# HELP {name} {help}\n# TYPE {name} {kind}\n{''.join(lines)}" if lines else ""


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{labels[name].translate(_ESCAPES)}"' for name in sorted(labels)) + "}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(value)


def _pod_labels(pod: PodUsage) -> Labels:
    return {"namespace": pod.namespace, "pod": pod.name}


def _containers(sample: Sample, value: Callable[[PodUsage, int], float]) -> list[Point]:
    return [
        ({**_pod_labels(pod), "container": container.name}, value(pod, index))
        for pod in sample.pods
        for index, container in enumerate(pod.containers)
    ]


def resource_metrics(sample: Sample) -> str:
    stamp = int(sample.time.timestamp() * 1000)
    cpu, memory = "Cumulative cpu time consumed by the", "Current working set of the"
    return "".join((
        family("container_cpu_usage_seconds_total", "counter", f"[STABLE] {cpu} container in core-seconds",
               _containers(sample, lambda pod, at: pod.containers[at].usage.cpu_nanos / 1e9), stamp),
        family("container_memory_working_set_bytes", "gauge", f"[STABLE] {memory} container in bytes",
               _containers(sample, lambda pod, at: pod.containers[at].usage.memory.working_set), stamp),
        family("container_start_time_seconds", "gauge",
               "[STABLE] Start time of the container since unix epoch in seconds",
               _containers(sample, lambda pod, at: pod.containers[at].started_at.timestamp())),
        family("node_cpu_usage_seconds_total", "counter", f"[STABLE] {cpu} node in core-seconds",
               [({}, sample.node.cpu_nanos / 1e9)], stamp),
        family("node_memory_working_set_bytes", "gauge", f"[STABLE] {memory} node in bytes",
               [({}, sample.node.memory.working_set)], stamp),
        family("pod_cpu_usage_seconds_total", "counter", f"[STABLE] {cpu} pod in core-seconds",
               [(_pod_labels(pod), pod.usage.cpu_nanos / 1e9) for pod in sample.pods], stamp),
        family("pod_memory_working_set_bytes", "gauge", f"[STABLE] {memory} pod in bytes",
               [(_pod_labels(pod), pod.usage.memory.working_set) for pod in sample.pods], stamp),
        family("resource_scrape_error", "gauge",
               "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", [({}, 0)]),
    ))  # fmt: skip


VOLUME_METRICS: tuple[tuple[str, str, Callable[[Filesystem], int]], ...] = (
    ("available_bytes", "Number of available bytes in the volume", lambda use: use.available),
    ("capacity_bytes", "Capacity in bytes of the volume", lambda use: use.capacity),
    ("inodes", "Maximum number of inodes in the volume", lambda use: use.inodes),
    ("inodes_free", "Number of free inodes in the volume", lambda use: use.inodes_free),
    ("inodes_used", "Number of used inodes in the volume", lambda use: max(0, use.inodes - use.inodes_free)),
    ("used_bytes", "Number of used bytes in the volume", lambda use: use.used),
)


def volume_metrics(claims: Iterable[ClaimUsage]) -> str:
    """`kubelet_volume_stats_*`; a claim that several pods use is told once."""
    by_claim = {(one.namespace, one.claim): one for one in claims}
    return "".join(
        family(
            f"kubelet_volume_stats_{name}", "gauge", f"[ALPHA] {text}",
            [({"namespace": space, "persistentvolumeclaim": claim}, value(one.usage))
             for (space, claim), one in by_claim.items()],
        )
        for name, text, value in VOLUME_METRICS
    )  # fmt: skip


def cadvisor_metrics(sample: Sample, networks: Mapping[str, Iterable[Network]], cores: int) -> str:
    """`networks` by pod uid."""
    stamp = int(sample.time.timestamp() * 1000)

    def containers(value: Callable[[PodUsage, int], float]) -> list[Point]:
        return [
            (
                {
                    **_pod_labels(pod),
                    "container": one.name,
                    "id": f"/{one.id}",
                    "image": one.image,
                    "name": one.id,
                },
                value(pod, index),
            )
            for pod in sample.pods
            for index, one in enumerate(pod.containers)
        ]

    def interfaces(value: Callable[[Network], int]) -> list[Point]:
        return [
            (
                {**_pod_labels(pod), "container": "", "image": "", "name": "", "interface": one.name},
                value(one),
            )
            for pod in sample.pods
            for one in networks.get(pod.uid, ())
        ]

    return "".join((
        family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.",
               containers(lambda pod, at: pod.containers[at].usage.cpu_nanos / 1e9), stamp),
        family("container_memory_usage_bytes", "gauge", "Current memory usage in bytes, including all memory.",
               containers(lambda pod, at: pod.containers[at].usage.memory.usage), stamp),
        family("container_memory_working_set_bytes", "gauge", "Current working set in bytes.",
               containers(lambda pod, at: pod.containers[at].usage.memory.working_set), stamp),
        family("container_memory_rss", "gauge", "Size of RSS in bytes.",
               containers(lambda pod, at: pod.containers[at].usage.memory.rss), stamp),
        family("container_network_receive_bytes_total", "counter", "Cumulative count of bytes received",
               interfaces(lambda one: one.rx_bytes), stamp),
        family("container_network_transmit_bytes_total", "counter", "Cumulative count of bytes transmitted",
               interfaces(lambda one: one.tx_bytes), stamp),
        family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [({}, cores)]),
        family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.",
               [({}, sample.memory_capacity)]),
    ))  # fmt: skip
