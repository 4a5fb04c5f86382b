"""From protobuf answers of CRI to the dataclasses of `cri.runtime`. Pure."""

from typing import Any

from pinnace.kubelet.cri.runtime import (
    Container,
    ContainerState,
    ContainerStats,
    ContainerStatus,
    FilesystemUsage,
    HandlerFeatures,
    Image,
    RuntimeFeatures,
    Sandbox,
    SandboxStatus,
)

NODE_NAMESPACE = 2


def sandbox(item: Any) -> Sandbox:
    meta = item.metadata
    return Sandbox(
        item.id,
        meta.name,
        meta.namespace,
        meta.uid,
        meta.attempt,
        item.state == 0,
        item.created_at,
        dict(item.labels),
        dict(item.annotations),
    )


def sandbox_status(answer: Any) -> SandboxStatus:
    item = answer.status
    first = [item.network.ip] if item.network.ip else []
    base = sandbox(item)
    return SandboxStatus(
        base.id,
        base.name,
        base.namespace,
        base.uid,
        base.attempt,
        base.is_ready,
        base.created_at,
        base.labels,
        base.annotations,
        ips=(*first, *(extra.ip for extra in item.network.additional_ips)),
        on_host_network=item.linux.namespaces.options.network == NODE_NAMESPACE,
        info=dict(answer.info),
    )


def container(item: Any) -> Container:
    return Container(
        item.id,
        item.pod_sandbox_id,
        item.metadata.name,
        item.metadata.attempt,
        item.image.image,
        item.image_ref,
        ContainerState(item.state),
        item.created_at,
        dict(item.labels),
        dict(item.annotations),
    )


def container_status(answer: Any) -> ContainerStatus:
    item = answer.status
    return ContainerStatus(
        id=item.id,
        name=item.metadata.name,
        attempt=item.metadata.attempt,
        state=ContainerState(item.state),
        created_at=item.created_at,
        started_at=item.started_at,
        finished_at=item.finished_at,
        exit_code=item.exit_code,
        image=item.image.image,
        image_ref=item.image_ref,
        reason=item.reason,
        message=item.message,
        log_path=item.log_path,
        labels=dict(item.labels),
        annotations=dict(item.annotations),
        info=dict(answer.info),
    )


def image(item: Any) -> Image:
    return Image(
        item.id,
        tuple(item.repo_tags),
        tuple(item.repo_digests),
        item.size,
        item.uid.value if item.HasField("uid") else None,
        item.username,
        item.pinned,
    )


def container_stats(item: Any) -> ContainerStats:
    cpu, memory, layer = item.cpu, item.memory, item.writable_layer
    return ContainerStats(
        id=item.attributes.id,
        name=item.attributes.metadata.name,
        labels=dict(item.attributes.labels),
        timestamp=cpu.timestamp or memory.timestamp,
        cpu_usage_nanos=_wrapped(cpu, "usage_core_nano_seconds"),
        memory_working_set_bytes=_wrapped(memory, "working_set_bytes"),
        memory_usage_bytes=_wrapped(memory, "usage_bytes"),
        memory_rss_bytes=_wrapped(memory, "rss_bytes"),
        page_faults=_wrapped(memory, "page_faults"),
        major_page_faults=_wrapped(memory, "major_page_faults"),
        writable_layer_bytes=_wrapped(layer, "used_bytes"),
        writable_layer_inodes=_wrapped(layer, "inodes_used"),
    )


def filesystem_usage(item: Any) -> FilesystemUsage:
    return FilesystemUsage(
        item.fs_id.mountpoint, item.timestamp, item.used_bytes.value, item.inodes_used.value
    )


def _wrapped(message: Any, field: str) -> int | None:
    return getattr(message, field).value if message.HasField(field) else None


def features(answer: Any) -> RuntimeFeatures:
    groups = answer.features.supplemental_groups_policy if answer.HasField("features") else None
    handlers = tuple(
        HandlerFeatures(one.name, one.features.recursive_read_only_mounts, one.features.user_namespaces)
        for one in answer.runtime_handlers
    )
    return RuntimeFeatures(groups, handlers)
