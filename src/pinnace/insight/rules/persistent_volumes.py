"""PersistentVolumes that nobody can use."""

from collections.abc import Iterator

from pinnace.insight.commands import patch
from pinnace.insight.findings import CAUSE, NOTE, Finding, Object, event, field, finding, ready_to_type
from pinnace.insight.world import World


def volume(obj: Object, world: World) -> Iterator[Finding]:
    status, spec = obj.get("status") or {}, obj["spec"]
    where, claim = field(obj, "status.phase", status.get("phase")), spec.get("claimRef") or {}
    if status.get("phase") == "Failed":
        yield finding(
            obj, f"it could not be reclaimed: {status.get('message') or status.get('reason') or 'nobody says why'}",
            evidence=[where, *map(event, world.events(obj, "VolumeFailedDelete", "VolumeFailedRecycle")[:1])], commands=[ready_to_type("delete", obj), ready_to_type("describe", obj)],
        )  # fmt: skip
    elif status.get("phase") == "Released":
        keeps = spec.get("persistentVolumeReclaimPolicy") == "Retain"
        text = (
            "with reclaim policy Retain it keeps its data, and no other claim gets it"
            if keeps
            else "it is to be deleted, and has not been"
        )
        yield finding(
            obj, f"claim {claim.get('namespace')}/{claim.get('name')} that had it is gone: {text}",
            rank=CAUSE if world.is_asked(obj) or (not keeps and world.age(obj) > 600) else NOTE,
            evidence=[where, field(obj, "spec.persistentVolumeReclaimPolicy", spec.get("persistentVolumeReclaimPolicy"))],
            commands=[patch(obj, {"spec": {"claimRef": None}}, "merge")] if keeps else [ready_to_type("describe", obj)],
        )  # fmt: skip
