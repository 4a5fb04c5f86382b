"""The volume claims of a StatefulSet's pods: their names, the volumes they become, and who owns them.

Who owns a claim decides what the garbage collector does with it, so the owner references are how
`spec.persistentVolumeClaimRetentionPolicy` takes effect:

| whenScaled | whenDeleted | owner while the ordinal is wanted | owner after a scale-down |
|------------|-------------|-----------------------------------|--------------------------|
| Retain     | Retain      | nobody                            | nobody                   |
| Retain     | Delete      | the set                           | the set                  |
| Delete     | Retain      | nobody                            | the pod                  |
| Delete     | Delete      | the set                           | the pod                  |
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS
from pinnace.controllers.runtime import World

Reference = dict[str, object]


@dataclass(frozen=True, slots=True)
class Bearer:
    """The pod that claims are for; `uid` is "" before it exists."""

    name: str
    uid: str
    wanted: bool  # its ordinal is one that the set should have


def templates(ss: Object) -> Sequence[Object]:
    return ss["spec"].get("volumeClaimTemplates") or ()


def name_of(ss: Object, template: Object, ordinal: int) -> str:
    return f"{meta.name(template)}-{meta.name(ss)}-{ordinal}"


def volumes(ss: Object, ordinal: int, others: Iterable[Object]) -> list[Object]:
    """The claims as volumes of the pod, and its `others`; a claim wins over a volume with its name."""
    mounted = [
        {"name": meta.name(each), "persistentVolumeClaim": {"claimName": name_of(ss, each, ordinal)}}
        for each in templates(ss)
    ]
    taken = {volume["name"] for volume in mounted}
    return [*mounted, *(volume for volume in others if volume["name"] not in taken)]


def are_mounted(ss: Object, ordinal: int, pod: Object) -> bool:
    named = {
        volume["name"]: (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for volume in pod["spec"].get("volumes") or ()
    }
    return all(named.get(meta.name(each)) == name_of(ss, each, ordinal) for each in templates(ss))


def new_claims(ss: Object, ordinal: int) -> Iterator[Object]:
    """The claims of this ordinal as they are created; the set owns them from the start where it is to own them at all."""
    matched = (ss["spec"].get("selector") or {}).get("matchLabels") or {}
    for each in templates(ss):
        source = each["metadata"]
        metadata: Object = {
            "name": name_of(ss, each, ordinal),
            "namespace": meta.namespace(ss),
            "labels": {**(source.get("labels") or {}), **matched},
        }
        for field in ("annotations", "finalizers"):
            if source.get(field):
                metadata[field] = source[field]
        if _deletes(ss, "whenDeleted"):
            metadata["ownerReferences"] = [meta.owner_reference(ss)]
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": each.get("spec") or {},
        }


def existing(ss: Object, ordinal: int, world: World) -> Iterator[Object]:
    for each in templates(ss):
        claim = world.get(PERSISTENT_VOLUME_CLAIMS, name_of(ss, each, ordinal), meta.namespace(ss))
        if claim is not None:
            yield claim


# --- retention


def is_stale(ss: Object, claim: Object, bearer: Bearer) -> bool:
    """The claim waits for the garbage collector: it belongs to an earlier pod of this name, and claims go with their pod."""
    return _deletes(ss, "whenScaled") and _of_another(claim, _pod_reference(bearer))


def has_conflict(ss: Object, claim: Object, bearer: Bearer) -> bool:
    """Somebody else controls the claim although the policy says that the set or its pod should be able to."""
    if not (_deletes(ss, "whenScaled") or _deletes(ss, "whenDeleted")):
        return False
    ours = (meta.owner_reference(ss), _pod_reference(bearer))
    for reference in _owners(claim):
        mine = next((own for own in ours if _same(reference, own)), None)
        if reference.get("controller") if mine is None else reference["uid"] != mine["uid"]:
            return True
    return False


def owners(ss: Object, claim: Object, bearer: Bearer) -> list[Reference] | None:
    """The owner references that the claim should have; None when it has them, or when it is to be left alone."""
    by_set, by_pod = meta.owner_reference(ss), _pod_reference(bearer)
    if _of_another(claim, by_set) or _of_another(claim, by_pod):
        return None
    found = _owners(claim)
    theirs = [reference for reference in found if not (_same(reference, by_set) or _same(reference, by_pod))]
    if has_conflict(ss, claim, bearer):
        return theirs if theirs != found else None
    due = list(theirs)
    if _deletes(ss, "whenScaled") and not bearer.wanted:
        due.append(by_pod)
    elif _deletes(ss, "whenDeleted"):
        due.append(by_set)
    return due if _facts(due) != _facts(found) else None


def _deletes(ss: Object, when: str) -> bool:
    return (ss["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get(when) == "Delete"


def _owners(claim: Object) -> list[Reference]:
    return claim["metadata"].get("ownerReferences") or []


def _pod_reference(bearer: Bearer) -> Reference:
    return {
        "apiVersion": "v1", "kind": "Pod", "name": bearer.name, "uid": bearer.uid,
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def _same(one: Reference, other: Reference) -> bool:
    """The same object by name; its uid may be that of an earlier one."""
    return all(one.get(field) == other[field] for field in ("apiVersion", "kind", "name"))


def _of_another(claim: Object, own: Reference) -> bool:
    return any(_same(reference, own) and reference["uid"] != own["uid"] for reference in _owners(claim))


def _facts(references: Iterable[Reference]) -> set[tuple[object, bool]]:
    return {(reference["uid"], bool(reference.get("controller"))) for reference in references}
