"""Who a pod of a StatefulSet is: its ordinal, its name, and what it looks like when it is made."""

import re

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods
from pinnace.controllers.statefulset import claims

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
REVISION_LABEL = "controller-revision-hash"  # on pods: the name of their revision
_NAME = re.compile(r"(.*)-([0-9]+)")
_LARGEST_ORDINAL = 2**31 - 1


def parent_and_ordinal(pod: Object) -> tuple[str, int]:
    """(the set that the pod's name points to, its ordinal); ("", -1) for a name that no set gives."""
    found = _NAME.fullmatch(meta.name(pod))
    if found is None:
        return "", -1
    ordinal = int(found[2])
    return found[1], ordinal if ordinal <= _LARGEST_ORDINAL else -1


def ordinal_of(pod: Object) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(ss: Object, pod: Object) -> bool:
    """Whether the pod's name is one that this set could have given."""
    return parent_and_ordinal(pod)[0] == meta.name(ss)


def ordinals(ss: Object) -> range:
    """The ordinals that the set should have pods for."""
    start = (ss["spec"].get("ordinals") or {}).get("start") or 0
    return range(start, start + replicas(ss))


def replicas(ss: Object) -> int:
    wanted = ss["spec"].get("replicas")
    return 1 if wanted is None else wanted


def pod_name(ss: Object, ordinal: int) -> str:
    return f"{meta.name(ss)}-{ordinal}"


def revision_of(pod: Object) -> str:
    return meta.labels(pod).get(REVISION_LABEL, "")


def matches(ss: Object, pod: Object) -> bool:
    """Whether the pod still says who it is."""
    return meta.labels(pod).get(POD_NAME_LABEL) == meta.name(pod) == pod_name(ss, ordinal_of(pod))


def restored(ss: Object, pod: Object) -> Object:
    """The pod with the labels and volumes that its ordinal gives it."""
    ordinal = ordinal_of(pod)
    labels = {**meta.labels(pod), **_labels(ss, ordinal)}
    volumes = claims.volumes(ss, ordinal, pod["spec"].get("volumes") or ())
    spec = {**pod["spec"], "volumes": volumes} if volumes else pod["spec"]
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}, "spec": spec}


def new_pod(ss: Object, template: Object, ordinal: int, revision: str) -> Object:
    """The pod of this ordinal, of the template that `revision` names."""
    pod = pods.for_owner(template, ss)
    name = pod_name(ss, ordinal)
    labels = {**pod["metadata"]["labels"], **_labels(ss, ordinal), REVISION_LABEL: revision}
    spec = {**template["spec"], "hostname": name}
    if ss["spec"].get("serviceName"):
        spec["subdomain"] = ss["spec"]["serviceName"]
    else:
        spec.pop("subdomain", None)
    if volumes := claims.volumes(ss, ordinal, template["spec"].get("volumes") or ()):
        spec["volumes"] = volumes
    return {**pod, "metadata": {**pod["metadata"], "name": name, "labels": labels}, "spec": spec}


def _labels(ss: Object, ordinal: int) -> dict[str, str]:
    return {POD_NAME_LABEL: pod_name(ss, ordinal), INDEX_LABEL: str(ordinal)}
