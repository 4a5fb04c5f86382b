"""`why` as a whole: from a reader of a cluster to the report, about some objects or about everything."""

from typing import NamedTuple

from pinnace.insight.diagnosis import diagnose
from pinnace.insight.findings import NOTE, Object
from pinnace.insight.pod_state import is_well
from pinnace.insight.report import as_json, as_text
from pinnace.insight.world import Reader, World

# What is looked at when no object is named; what else there is (replica sets, claims of pods) is reached from these.
STARTS = (
    "Node", "Namespace", "CustomResourceDefinition", "APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
    "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "Service", "Ingress", "PersistentVolumeClaim",
    "HorizontalPodAutoscaler", "PodDisruptionBudget",
)  # fmt: skip
_CLUSTER_WIDE = STARTS[:6]
_ALSO_LISTED = ("ReplicaSet",)


class Answer(NamedTuple):
    text: str
    is_found: bool
    is_blind: bool  # nothing at all could be read


def about_objects(
    objects: list[Object], reader: Reader, now: float, failure: type[Exception], *, is_json: bool = False
) -> Answer:
    world = World(reader, now, failure)
    return _answer(objects, world, is_json=is_json)


def about_everything(
    namespace: str, reader: Reader, now: float, failure: type[Exception], *, is_json: bool = False
) -> Answer:
    """The whole cluster with namespace "", else what is in the namespace."""
    world = World(reader, now, failure)
    world.preload_events(namespace)
    for kind in _ALSO_LISTED:
        world.every(kind, namespace)
    starts: list[Object] = []
    for kind in STARTS:
        if namespace and kind in _CLUSTER_WIDE:
            continue
        found = world.every(kind, namespace)
        starts += [one for one in found if kind != "Pod" or not is_well(one, world.now)]
    return _answer(starts, world, is_json=is_json, is_everything=True)


def _answer(starts: list[Object], world: World, *, is_json: bool, is_everything: bool = False) -> Answer:
    found = diagnose(starts, world)
    is_found = any(one.rank > NOTE for one in found.findings)
    text = (
        as_json(found, world.unread) if is_json else as_text(found, world.unread, is_everything=is_everything)
    )
    return Answer(text, is_found, is_blind=not found.looked_at and bool(world.unread))
