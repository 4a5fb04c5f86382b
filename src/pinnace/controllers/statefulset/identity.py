"""Who a pod of a StatefulSet is: its ordinal, its name, and what it looks like when it is made."""

from pinnace.api import meta
from pinnace.api.apps.deployments import replicas
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods
from pinnace.controllers.statefulset import claims

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
REVISION_LABEL = "controller-revision-hash"  # on pods: the name of their revision
_LARGEST_ORDINAL = 2**31 - 1


def ordinal_of(pod: Object) -> int:
    """The number behind the last dash of the pod's name; -1 where there is none (or none that counts)."""
    digits = meta.name(pod).rpartition("-")[2]
    ordinal = int(digits) if digits.isdecimal() and digits.isascii() else -1
    return ordinal if ordinal <= _LARGEST_ORDINAL else -1


def is_member(ss: Object, pod: Object) -> bool:
    """Whether the pod's name is one that this set could have given."""
    parent, _, digits = meta.name(pod).rpartition("-")
    return parent == meta.name(ss) and digits.isdecimal() and digits.isascii()


def ordinals(ss: Object) -> range:
    """The ordinals that the set should have pods for."""
    start = (ss["spec"].get("ordinals") or {}).get("start") or 0
    return range(start, start + replicas(ss))


def pod_name(ss: Object, ordinal: int) -> str:
    return f"{meta.name(ss)}-{ordinal}"


def revision_of(pod: Object) -> str:
    return meta.labels(pod).get(REVISION_LABEL, "")


def matches(ss: Object, pod: Object, ordinal: int) -> bool:
    """Whether the pod still says that it is the one of this ordinal."""
    return meta.labels(pod).get(POD_NAME_LABEL) == meta.name(pod) == pod_name(ss, ordinal)


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
