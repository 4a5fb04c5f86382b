"""The Summary API: `/stats/summary` as JSON, with upstream's names.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go
Left out: accelerators, user-defined metrics, pressure stall information, swap.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery.times import format_time
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerStats, CriError
from pinnace.kubelet.stats.claims import ClaimUsage
from pinnace.kubelet.stats.provider import DiskUse, PodDisk, StatsProvider
from pinnace.kubelet.stats.usage import ContainerUsage, Filesystem, Network, PodUsage, Sample, Usage

Json = dict[str, Any]


async def summary(host: KubeletHost, stats: StatsProvider, *, only_cpu_and_memory: bool = False) -> Json:
    """Everything `/stats/summary` says."""
    sample = await stats.sample()
    pods = {meta.uid(pod): pod for pod in host.pods}
    time = format_time(sample.time)
    if only_cpu_and_memory:
        node = {"nodeName": host.config.node_name, **_cpu_and_memory(sample.node, time)}
        return {"node": node, "pods": [pod_json(usage, time) for usage in sample.pods]}
    layers = await _layers(host)
    shown = []
    for usage in sample.pods:
        if (pod := pods.get(usage.uid)) is not None:
            disk = await stats.disk(pod, layers)
            networks = await stats.network(pod)
            filesystem, processes = stats.node_filesystem(), stats.process_count(pod)
            body = full_pod_json(usage, time, disk, networks, filesystem=filesystem, processes=processes)
            body["volume"] += [claim_json(one) for one in await host.claim_usage(pod)]
            shown.append(body)
    node = await _node(host.config.node_name, stats, sample)
    return {"node": node, "pods": shown}


async def _layers(host: KubeletHost) -> list[ContainerStats]:
    try:
        return await host.runtime.list_container_stats()
    except CriError:
        return []


async def _node(name: str, stats: StatsProvider, sample: Sample) -> Json:
    time = format_time(sample.time)
    cpu_and_memory = _cpu_and_memory(sample.node, time)
    cpu_and_memory["memory"]["availableBytes"] = sample.memory_available
    processes, most = stats.proc.processes()
    filesystem, images = stats.node_filesystem(), await stats.image_filesystem()
    return {
        "nodeName": name,
        "startTime": format_time(datetime.fromtimestamp(stats.proc.boot_time(), UTC)),
        **cpu_and_memory,
        "network": network_json(stats.proc.network(), time, stats.proc.default_interface()),
        "fs": filesystem_json(filesystem, time),
        "runtime": {"imageFs": filesystem_json(images, time), "containerFs": filesystem_json(images, time)},
        "rlimit": {"time": time, "maxpid": most, "curproc": processes},
    }


def _cpu_and_memory(usage: Usage, time: str) -> Json:
    cpu: Json = {"time": time, "usageCoreNanoSeconds": usage.cpu_nanos}
    if usage.cpu_nanocores is not None:
        cpu["usageNanoCores"] = usage.cpu_nanocores
    memory = {
        "time": time,
        "usageBytes": usage.memory.usage,
        "workingSetBytes": usage.memory.working_set,
        "rssBytes": usage.memory.rss,
        "pageFaults": usage.memory.page_faults,
        "majorPageFaults": usage.memory.major_page_faults,
    }
    return {"cpu": cpu, "memory": memory}


def pod_json(usage: PodUsage, time: str) -> Json:
    return {
        "podRef": {"name": usage.name, "namespace": usage.namespace, "uid": usage.uid},
        "startTime": format_time(usage.started_at),
        "containers": [_container_json(container, time) for container in usage.containers],
        **_cpu_and_memory(usage.usage, time),
    }


def _container_json(container: ContainerUsage, time: str) -> Json:
    started = format_time(container.started_at)
    return {"name": container.name, "startTime": started, **_cpu_and_memory(container.usage, time)}


def full_pod_json(
    usage: PodUsage,
    time: str,
    disk: PodDisk,
    networks: Sequence[Network],
    *,
    filesystem: Filesystem,
    processes: int | None,
) -> Json:
    body = pod_json(usage, time)
    when = format_time(disk.time)
    for container in body["containers"]:
        container["rootfs"] = _use_json(disk.layers.get(container["name"]), filesystem, when)
        container["logs"] = _use_json(disk.logs.get(container["name"]), filesystem, when)
    if networks:
        body["network"] = network_json(networks, time, "eth0")
    body["volume"] = [
        {**_use_json(use, filesystem, when), "name": name} for name, use in disk.volumes.items()
    ]
    body["ephemeral-storage"] = _use_json(disk.total, filesystem, when)
    if processes is not None:
        body["process_stats"] = {"process_count": processes}
    return body


def claim_json(one: ClaimUsage) -> Json:
    reference = {"name": one.claim, "namespace": one.namespace}
    return {**filesystem_json(one.usage, format_time(one.time)), "name": one.volume, "pvcRef": reference}


def _use_json(use: DiskUse | None, filesystem: Filesystem, time: str) -> Json:
    """What one directory uses of the filesystem that it is on."""
    found = use or DiskUse(0, 0)
    return {**filesystem_json(filesystem, time), "usedBytes": found.bytes, "inodesUsed": found.inodes}


def filesystem_json(filesystem: Filesystem, time: str) -> Json:
    return {
        "time": time,
        "availableBytes": filesystem.available,
        "capacityBytes": filesystem.capacity,
        "usedBytes": filesystem.used,
        "inodesFree": filesystem.inodes_free,
        "inodes": filesystem.inodes,
        "inodesUsed": max(0, filesystem.inodes - filesystem.inodes_free),
    }


def network_json(networks: Sequence[Network], time: str, default: str) -> Json:
    """All interfaces, and the default one's numbers once more on top, as upstream."""
    interfaces = [
        {
            "name": one.name,
            "rxBytes": one.rx_bytes,
            "rxErrors": one.rx_errors,
            "txBytes": one.tx_bytes,
            "txErrors": one.tx_errors,
        }
        for one in networks
    ]
    main: Json = next((one for one in interfaces if one["name"] == default), {})
    return {"time": time, **main, "interfaces": interfaces}
