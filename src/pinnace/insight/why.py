"""`why` as a whole: from a reader of a cluster to the report, about some objects or about everything."""

from typing import NamedTuple

from pinnace.api import meta
from pinnace.insight.diagnosis import Diagnosis, diagnose
from pinnace.insight.findings import NOTE, Object
from pinnace.insight.pod_state import is_well
from pinnace.insight.reachability import connection
from pinnace.insight.report import as_json, as_text, is_partial
from pinnace.insight.rights import Question, Subject, explain
from pinnace.insight.world import KINDS, Reader, World

# What is looked at when no object is named; what else there is (replica sets, claims of pods) is reached from these.
STARTS = (
    "Node", "Namespace", "CustomResourceDefinition", "APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "CertificateSigningRequest",
    "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "Service", "Ingress", "PersistentVolumeClaim",
    "HorizontalPodAutoscaler", "PodDisruptionBudget", "PersistentVolume", "NetworkPolicy",
)  # fmt: skip
_ALSO_LISTED = ("ReplicaSet",)


class Answer(NamedTuple):
    text: str
    is_found: bool
    is_blind: bool  # nothing at all could be read
    is_partial: bool = False  # something could not be read that may be wrong


def about_objects(
    objects: list[Object], reader: Reader, now: float, failure: type[Exception], *, is_json: bool = False,
    source: Object | None = None, port: str = "",
) -> Answer:  # fmt: skip
    """With `source`, a pod: also whether it may connect to the one object, on its port."""
    world = World(reader, now, failure)
    world.asked = {meta.uid(one) for one in objects}
    if source is None:
        return _answer(objects, world, is_json=is_json)
    found = diagnose(objects, world)
    ways = [one._replace(rule="connection") for one in connection(objects[0], source, world, port)]
    both = sorted([*ways, *found.findings], key=lambda one: -one.rank)
    return _told(found._replace(findings=both), world, is_json=is_json)


def about_everything(
    namespace: str, reader: Reader, now: float, failure: type[Exception], *, is_json: bool = False
) -> Answer:
    """The whole cluster with namespace "", else what is in the namespace."""
    world = World(reader, now, failure)
    world.preload_events(namespace)
    for kind in _ALSO_LISTED:
        world.every(kind, namespace)
    starts: list[Object] = [] if namespace else list(world.every("Lease", "kube-system"))
    for kind in STARTS:
        if namespace and not KINDS[kind].namespaced:
            continue
        found = world.every(kind, namespace)
        if kind == "Pod":
            found = world.representatives(one for one in found if not is_well(one, world.now))
        starts += found
    return _answer(starts, world, is_json=is_json, is_everything=True)


def _answer(starts: list[Object], world: World, *, is_json: bool, is_everything: bool = False) -> Answer:
    return _told(diagnose(starts, world), world, is_json=is_json, is_everything=is_everything)


def _told(found: Diagnosis, world: World, *, is_json: bool, is_everything: bool = False) -> Answer:
    is_found = any(one.rank > NOTE for one in found.findings)
    text = (
        as_json(found, world.unread) if is_json else as_text(found, world.unread, is_everything=is_everything)
    )
    return Answer(text, is_found, not found.looked_at and bool(world.unread), is_partial(world.unread))


def about_right(
    question: Question, subject: Subject, verdict: tuple[bool, str], reader: Reader, now: float, failure: type[Exception], *,
    is_json: bool = False,
) -> Answer:  # fmt: skip
    """May `subject` do this? `verdict` is what the server says: whether, and its reason."""
    world = World(reader, now, failure)
    found = explain(question, subject, is_allowed=verdict[0], reason=verdict[1], world=world)
    return _told(Diagnosis([found], [f"the rights of {subject.user}"]), world, is_json=is_json)
