"""Local storage limits (pure): emptyDir sizeLimit and ephemeral-storage limits of containers and pods."""

from decimal import Decimal

from pinnace.api.core import pods as core_pods
from pinnace.api.core.pod_resources import container_limits, limits
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.stats.provider import DiskUse, PodDisk

STORAGE = "ephemeral-storage"


def has_limits(pod: Object) -> bool:
    """Whether this pod's disk usage is worth measuring."""
    volumes = pod["spec"].get("volumes") or ()
    has_size = any((volume.get("emptyDir") or {}).get("sizeLimit") for volume in volumes)
    return (
        has_size
        or STORAGE in limits(pod)
        or any(STORAGE in container_limits(c) for c in core_pods.containers(pod))
    )


def excess(pod: Object, disk: PodDisk) -> tuple[str, str]:
    """Why this pod must go: upstream's name of the limit, and its words; both "" when it keeps its limits."""
    for signal, look in (
        ("emptydirfs.limit", _volume_excess),
        ("ephemeralpodfs.limit", _pod_excess),
        ("ephemeralcontainerfs.limit", _container_excess),
    ):
        if message := look(pod, disk):
            return signal, message
    return "", ""


def _volume_excess(pod: Object, disk: PodDisk) -> str:
    for volume in pod["spec"].get("volumes") or ():
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        used = disk.volumes.get(volume["name"], DiskUse(0, 0)).bytes
        if limit and quantity.whole(limit) and used > quantity.whole(limit):
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{quantity.canonical(limit)}". '
    return ""


def _pod_excess(pod: Object, disk: PodDisk) -> str:
    limit = limits(pod).get(STORAGE)
    if limit is None or any(STORAGE not in container_limits(one) for one in core_pods.containers(pod)):
        return ""  # a container without a limit leaves the pod without one
    if disk.total.bytes <= limit:
        return ""
    total = quantity.format_quantity(limit, "binary")
    return f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "


def _container_excess(pod: Object, disk: PodDisk) -> str:
    for container in core_pods.containers(pod):
        limit = container_limits(container).get(STORAGE, Decimal(0))
        name, none = container["name"], DiskUse(0, 0)
        used = disk.layers.get(name, none).bytes + disk.logs.get(name, none).bytes
        if limit and used > limit:
            text = quantity.canonical(container["resources"]["limits"][STORAGE])
            return f'Container {name} exceeded its local ephemeral storage limit "{text}". '
    return ""
