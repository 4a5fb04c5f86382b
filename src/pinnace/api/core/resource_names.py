"""The names of resources: which exist where. Of containers, of quotas, and in general.

Rules: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/helper/helpers.go
"""

from collections.abc import Iterator

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

HUGE_PAGES, REQUESTS = "hugepages-", "requests."
_CONTAINER = frozenset(("cpu", "memory", "ephemeral-storage"))
OBJECT_COUNTS = frozenset((
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps",
    "services.nodeports", "services.loadbalancers",
))  # fmt: skip
COMPUTE_QUOTA = frozenset(("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
_QUOTA = (
    _CONTAINER
    | OBJECT_COUNTS
    | COMPUTE_QUOTA
    | {"requests.storage", "requests.ephemeral-storage", "limits.ephemeral-storage"}
)
_STANDARD = _QUOTA | {"storage"}


def is_huge_pages(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_standard_for_quota(name: str) -> bool:
    return name in _QUOTA or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES))


def is_native(name: str) -> bool:
    """Of Kubernetes itself: no domain, or one of its own."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that somebody adds to nodes: `example.com/gpu`."""
    if is_native(name) or name.startswith(REQUESTS):
        return False
    return not names.qualified_name(REQUESTS + name)


def is_integer(name: str) -> bool:
    return name in OBJECT_COUNTS or is_extended(name)


def validate_resource(name: str, path: str) -> Iterator[Cause]:
    yield from fields.all_invalid(path, name, names.qualified_name(name))
    if "/" not in name and not (name in _STANDARD or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES))):
        yield fields.invalid(path, name, "must be a standard resource type or fully qualified")


def validate_container_resource(name: str, path: str) -> Iterator[Cause]:
    yield from validate_resource(name, path)
    if "/" not in name:
        if name not in _CONTAINER and not is_huge_pages(name):
            yield fields.invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield fields.invalid(path, name, "doesn't follow extended resource name standard")


def validate_quota_resource(name: str, path: str) -> Iterator[Cause]:
    yield from validate_resource(name, path)
    if "/" not in name and not is_standard_for_quota(name):
        yield fields.invalid(path, name, "must be a standard resource for quota")
