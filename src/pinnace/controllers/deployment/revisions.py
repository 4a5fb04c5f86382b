"""A Deployment's revisions: which ReplicaSet is the new one, what it is called, and the annotations that tell its history."""

from collections.abc import Iterable

import orjson

from pinnace.api import meta
from pinnace.api.meta import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION, HISTORY, DESIRED, MAXIMUM,
        "deprecated.deployment.rollback.to",
    )
)  # fmt: skip
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes: what upstream builds names from
_HISTORY_LIMIT = 2000  # characters of the revision-history annotation


def template_hash(template: Object, collisions: int | None) -> str:
    """A short name for a template: FNV-1a over its canonical JSON. Not equal to upstream's value, which hashes Go's memory layout."""
    text = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    if collisions is not None:
        text += collisions.to_bytes(8, "little")
    value = 0x811C9DC5
    for byte in text:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))


def same_template(one: Object, other: Object) -> bool:
    """Equal but for the pod-template-hash label."""
    if one.get("spec") != other.get("spec"):
        return False
    return _bare_metadata(one) == _bare_metadata(other)


def _bare_metadata(template: Object) -> Object:
    metadata = {name: value for name, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    return {**metadata, "labels": labels}


def by_age(sets: Iterable[Object]) -> list[Object]:
    return sorted(sets, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), meta.name(rs)))


def find_new(deployment: Object, sets: Iterable[Object]) -> Object | None:
    """The oldest set with the Deployment's template: all clients then agree on one, should there be several."""
    template = deployment["spec"]["template"]
    return next((rs for rs in by_age(sets) if same_template(rs["spec"]["template"], template)), None)


def revision(obj: Object) -> int:
    text = meta.annotations(obj).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def new_annotations(deployment: Object, rs: Object | None, number: int) -> dict[str, str]:
    """The annotations of the new set: the Deployment's own, and the revision with the earlier ones that it served."""
    current = dict(meta.annotations(rs)) if rs is not None else {}
    copied = {key: value for key, value in meta.annotations(deployment).items() if key not in NOT_COPIED}
    result = {**current, **copied}
    served = current.get(REVISION)
    if revision(rs) < number if rs is not None else True:
        result[REVISION] = str(number)
    if served is not None and result != current:
        result[HISTORY] = _with_history(current.get(HISTORY, ""), served)
    return result


def _with_history(history: str, served: str) -> str:
    entries = [*(entry for entry in history.split(",") if entry), served]
    while len(",".join(entries)) > _HISTORY_LIMIT:
        entries.pop(0)
    return ",".join(entries)


def new_set(deployment: Object, replicas: int, maximum: int, number: int) -> Object:
    """The ReplicaSet of the Deployment's current template."""
    spec, template = deployment["spec"], deployment["spec"]["template"]
    digest = template_hash(template, (deployment.get("status") or {}).get("collisionCount"))
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    selector = spec["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name(deployment)}-{digest}",
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "annotations": {
                **new_annotations(deployment, None, number),
                DESIRED: str(spec_replicas(deployment)),
                MAXIMUM: str(maximum),
            },
            "ownerReferences": [meta.owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest},
            },
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }


def spec_replicas(obj: Object) -> int:
    """`spec.replicas` of a Deployment or ReplicaSet; 1 where it is not given."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else replicas
