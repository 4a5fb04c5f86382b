"""The order of what is written: as it came, or by kind (`sortOptions`; what `kustomize` does unless told otherwise)."""

from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.resource import Resource

FIRST = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
]
LAST = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]


def ordered(resources: list[Resource], options: dict[str, Any] | None) -> list[Resource]:
    options = options or {"order": "fifo"}
    order, legacy = options.get("order", ""), options.get("legacySortOptions")
    if order not in ("fifo", "legacy"):
        raise BuildError("the field 'sortOptions.order' must be one of [fifo, legacy]")
    if order == "fifo":
        if legacy is not None:
            raise BuildError(
                f"the field 'sortOptions.legacySortOptions' is set but the selected sort order is '{order}', not 'legacy'"
            )
        return resources
    if legacy is None:
        legacy = {"orderFirst": FIRST, "orderLast": LAST}
    first, last = legacy.get("orderFirst") or [], legacy.get("orderLast") or []
    ranks = {kind: index - len(first) for index, kind in enumerate(first)}
    ranks |= {kind: index + 1 for index, kind in enumerate(last)}

    def key(one: Resource) -> tuple[int, str, str]:
        gvk = one.gvk
        by_kind = f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"
        return ranks.get(gvk.kind, 0), by_kind, f"{gvk}|{one.namespace or '~X'}|{one.name or '~N'}"

    return sorted(resources, key=key)
