"""A Deployment's revisions: the ReplicaSet made for a template, and the annotations that tell its history."""

from collections.abc import Iterable

from pinnace.api import meta
from pinnace.api.apps.deployments import DESIRED_REPLICAS, MAX_REPLICAS, REVISION, replicas, revision
from pinnace.api.apps.deployments import REVISION_HISTORY as HISTORY
from pinnace.api.apps.deployments import TEMPLATE_HASH as HASH_LABEL
from pinnace.api.apps.templates import template_hash
from pinnace.api.meta import Object

NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION, HISTORY, DESIRED_REPLICAS, MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    )
)  # fmt: skip
_HISTORY_LIMIT = 2000  # characters of the revision-history annotation


def by_age(sets: Iterable[Object]) -> list[Object]:
    return sorted(sets, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), meta.name(rs)))


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


def new_set(deployment: Object, size: int, maximum: int, number: int) -> Object:
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
                DESIRED_REPLICAS: str(replicas(deployment)),
                MAX_REPLICAS: str(maximum),
            },
            "ownerReferences": [meta.owner_reference(deployment)],
        },
        "spec": {
            "replicas": size,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest},
            },
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
