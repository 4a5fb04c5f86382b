"""Rates from two samples (pure): nanocores of the node, of each pod and of each container."""

from dataclasses import replace

from pinnace.kubelet.stats.usage import ContainerUsage, PodUsage, Sample, Usage


def with_rates(before: Sample, after: Sample) -> Sample:
    """`after` with `cpu_nanocores` wherever `before` knew the same pod or container."""
    seconds = after.monotonic - before.monotonic
    if seconds <= 0:
        return after
    pods_before = {pod.uid: pod for pod in before.pods}

    def pod_with_rates(pod: PodUsage) -> PodUsage:
        old = pods_before.get(pod.uid)
        if old is None:
            return pod
        known = {container.id: container for container in old.containers}
        containers = tuple(_container(known.get(one.id), one, seconds) for one in pod.containers)
        return replace(pod, usage=_rate(old.usage, pod.usage, seconds), containers=containers)

    return replace(
        after,
        node=_rate(before.node, after.node, seconds),
        pods=tuple(pod_with_rates(pod) for pod in after.pods),
    )


def has_newcomers(before: Sample, after: Sample) -> bool:
    """Whether some container has no rate yet, because the first sample did not know it."""
    known = {container.id for pod in before.pods for container in pod.containers}
    return any(container.id not in known for pod in after.pods for container in pod.containers)


def _container(old: ContainerUsage | None, new: ContainerUsage, seconds: float) -> ContainerUsage:
    return new if old is None else replace(new, usage=_rate(old.usage, new.usage, seconds))


def _rate(old: Usage, new: Usage, seconds: float) -> Usage:
    if new.cpu_nanos < old.cpu_nanos:
        return new  # another cgroup under the same name
    return replace(new, cpu_nanocores=int((new.cpu_nanos - old.cpu_nanos) / seconds))
