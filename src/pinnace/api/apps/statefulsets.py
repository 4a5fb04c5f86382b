"""StatefulSets: defaults, validation, and the few fields that an update may change.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/apps/validation/validation.go. As there, the pod spec of
the template is not judged: its mounts may name volumes that only the claim templates bring.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors, metadata
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.core.volume_defaults import set_claim_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

RETENTION = ("Delete", "Retain")
_POD_MANAGEMENT = ("OrderedReady", "Parallel")
_REPLICAS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_UPDATABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_NOT_UPDATABLE = (
    "updates to statefulset spec for fields other than "
    + ", ".join(f"'{field}'" for field in _UPDATABLE[:-1])
    + f" and '{_UPDATABLE[-1]}' are forbidden"
)


class StatefulSetStrategy(WorkloadStrategy):
    names_pods = False

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
        update = spec.setdefault("updateStrategy", {})
        update["type"] = update.get("type") or "RollingUpdate"
        if update["type"] == "RollingUpdate":
            update.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for field in ("whenDeleted", "whenScaled"):
            retention[field] = retention.get(field) or "Retain"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim["apiVersion"] = claim.get("apiVersion") or "v1"
            claim["kind"] = claim.get("kind") or "PersistentVolumeClaim"
            claim.setdefault("metadata", {})
            set_claim_defaults(claim.setdefault("spec", {}))
            claim["status"] = {"phase": "Pending", **(claim.get("status") or {})}
        set_template_defaults(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_spec(new["spec"]))
        if _fixed(new["spec"]) != _fixed(old["spec"]):
            found.append(fields.forbidden("spec", _NOT_UPDATABLE))
        return found

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        status, before = new.get("status") or {}, old.get("status") or {}
        found = super().validate_status_update(new, old)
        found += rules.validate_status_counts(status, "replicas", "observedGeneration", "collisionCount")
        found += rules.validate_replica_status(status, *_REPLICAS)
        collisions = status.get("collisionCount", 0)
        if collisions < before.get("collisionCount", 0):
            found.append(fields.invalid("status.collisionCount", collisions, "cannot be decremented"))
        return found

    def warnings(self, obj: Object) -> list[str]:
        limit = (obj.get("spec") or {}).get("revisionHistoryLimit")
        found = super().warnings(obj)
        if limit is not None and limit < 0:
            found.append(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
            )
        return found


def _fixed(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in spec.items() if field not in _UPDATABLE}


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    policy = spec.get("podManagementPolicy")
    if policy not in _POD_MANAGEMENT:
        why = "must be 'OrderedReady' or 'Parallel'"
        yield fields.invalid("spec.podManagementPolicy", policy, why)
    yield from _validate_update_strategy(spec.get("updateStrategy") or {})
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        if retention.get(field) not in RETENTION:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            yield fields.not_supported(path, retention.get(field), RETENTION)
    yield from rules.validate_counts(spec, "replicas", "minReadySeconds")
    yield from fields.non_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start"))
    yield from rules.validate_selector(spec.get("selector"), "statefulset")
    template = spec.get("template") or {}
    yield from rules.validate_match(spec.get("selector"), template)
    own = template.get("metadata") or {}
    yield from metadata.validate_labels(own.get("labels"), "spec.template.labels")
    yield from metadata.validate_annotations(own.get("annotations"), "spec.template.annotations")
    yield from rules.validate_runs_always(template, "StatefulSet")


def _validate_update_strategy(update: Mapping[str, Any]) -> Iterator[Cause]:
    rolling, path = update.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    match update.get("type"):
        case "OnDelete":
            if rolling is not None:
                yield fields.invalid(path, rolling, "only allowed for updateStrategy 'RollingUpdate'")
        case "RollingUpdate":
            if rolling is None:
                return
            yield from fields.non_negative(f"{path}.partition", rolling.get("partition"))
            unavailable = rolling.get("maxUnavailable")
            yield from label_selectors.validate_int_or_percent(unavailable, f"{path}.maxUnavailable")
            if unavailable is not None and label_selectors.is_zero(unavailable):
                yield fields.invalid(f"{path}.maxUnavailable", unavailable, "cannot be 0")
            yield from label_selectors.validate_at_most_all(unavailable, f"{path}.maxUnavailable")
        case _:
            yield fields.invalid("spec.updateStrategy", update, "must be 'RollingUpdate' or 'OnDelete'")
