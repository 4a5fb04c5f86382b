"""What rules see of a cluster: asked when it is needed, each thing once; what may not be read is told apart from what is not there."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from pinnace.api import meta
from pinnace.api.core import nodes, pod_resources, pods
from pinnace.apimachinery.selectors import SelectorError, from_label_selector
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import Object
from pinnace.insight.pod_state import likeness


class Kind(NamedTuple):
    api_version: str
    plural: str
    namespaced: bool = True


MOST_DECISIONS = 20  # of the scheduler, asked for in one run
MOST_LOGS = 30  # of containers

KINDS = {
    "APIService": Kind("apiregistration.k8s.io/v1", "apiservices", namespaced=False),
    "CSIDriver": Kind("storage.k8s.io/v1", "csidrivers", namespaced=False),
    "CSINode": Kind("storage.k8s.io/v1", "csinodes", namespaced=False),
    "CertificateSigningRequest": Kind("certificates.k8s.io/v1", "certificatesigningrequests", namespaced=False),
    "ClusterRole": Kind("rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind("rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False),
    "ConfigMap": Kind("v1", "configmaps"),
    "CronJob": Kind("batch/v1", "cronjobs"),
    "CustomResourceDefinition": Kind("apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
    "DaemonSet": Kind("apps/v1", "daemonsets"),
    "Deployment": Kind("apps/v1", "deployments"),
    "EndpointSlice": Kind("discovery.k8s.io/v1", "endpointslices"),
    "HorizontalPodAutoscaler": Kind("autoscaling/v2", "horizontalpodautoscalers"),
    "Ingress": Kind("networking.k8s.io/v1", "ingresses"),
    "IngressClass": Kind("networking.k8s.io/v1", "ingressclasses", namespaced=False),
    "Job": Kind("batch/v1", "jobs"),
    "Lease": Kind("coordination.k8s.io/v1", "leases"),
    "LimitRange": Kind("v1", "limitranges"),
    "MutatingWebhookConfiguration": Kind("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", namespaced=False),
    "Namespace": Kind("v1", "namespaces", namespaced=False),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "Node": Kind("v1", "nodes", namespaced=False),
    "PersistentVolume": Kind("v1", "persistentvolumes", namespaced=False),
    "PersistentVolumeClaim": Kind("v1", "persistentvolumeclaims"),
    "Pod": Kind("v1", "pods"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "PriorityClass": Kind("scheduling.k8s.io/v1", "priorityclasses", namespaced=False),
    "ReplicaSet": Kind("apps/v1", "replicasets"),
    "ReplicationController": Kind("v1", "replicationcontrollers"),
    "ResourceQuota": Kind("v1", "resourcequotas"),
    "Role": Kind("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": Kind("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": Kind("v1", "secrets"),
    "Service": Kind("v1", "services"),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "StatefulSet": Kind("apps/v1", "statefulsets"),
    "StorageClass": Kind("storage.k8s.io/v1", "storageclasses", namespaced=False),
    "ValidatingAdmissionPolicy": Kind("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", namespaced=False),
    "ValidatingAdmissionPolicyBinding": Kind("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", namespaced=False),
    "VolumeAttachment": Kind("storage.k8s.io/v1", "volumeattachments", namespaced=False),
    "ValidatingWebhookConfiguration": Kind("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", namespaced=False),
}  # fmt: skip


def is_known(obj: Object) -> bool:
    """One of the kinds above, and not a custom resource that has the same name."""
    row = KINDS.get(obj["kind"])
    return row is not None and _group(obj.get("apiVersion", "")) == _group(row.api_version)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


class Unreadable(Exception):
    """The server refused, or did not answer; the text says why."""


class Reader(Protocol):
    """The cluster. Each raises where the server does not tell (see `World.failure`)."""

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """None: it is not there."""

    def every(self, kind: Kind, namespace: str) -> list[Object]:
        """All of a namespace, of all namespaces with ""."""

    def events(self, namespace: str, fields: dict[str, str]) -> list[Object]:
        """Those whose fields have these values."""

    def log(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        """The last lines of a container; empty where there are none."""

    def decision(self, namespace: str, pod: str) -> Object | None:
        """What a scheduler of Pinnace decided last about a pod; None elsewhere."""

    def version(self) -> str:
        """`v1.36.0`."""

    def contents(self, group: str, plural: str, namespace: str) -> list[Object]:
        """The objects of any type, in the version that the server prefers."""

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        """What a server of Pinnace (or the agent of a node) recorded about an object (resource, namespace, name) and those with the
        uids; None elsewhere."""


class World:
    """`now` is in seconds since the epoch. `unread` names what the server did not tell (it raised `failure`): conclusions stop there."""

    def __init__(self, reader: Reader, now: float, failure: type[Exception] = Unreadable) -> None:
        self._reader, self.now, self.failure = reader, now, failure
        self._objects: dict[tuple[str, str, str], Object | None] = {}
        self._lists: dict[tuple[str, str], list[Object]] = {}
        self._events: dict[tuple[str, str, str], list[Object]] = {}
        self._indices: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._refused: set[tuple[str, str]] = set()
        self._allocatable: dict[str, dict[str, Decimal]] = {}
        self._requested: dict[str, dict[str, Decimal]] = {}
        self._by_namespace: dict[str, dict[str, list[Object]]] = {}
        self._by_owner: dict[tuple[str, str], dict[str, list[Object]]] = {}
        self._by_label: dict[str, dict[tuple[str, str], list[Object]]] = {}
        self.alike: dict[tuple[str, str], list[str]] = {}  # see `representatives`
        self._by_node: dict[str, list[Object]] | None = None
        self.fits: dict[tuple[str, ...], Any] = {}  # what `whatif` has computed
        self._unknown: set[tuple[str, str, str]] = set()
        self._all_events_of: str | None = None
        self._decisions_left = MOST_DECISIONS
        self._logs: dict[tuple[str, str, bool], list[str]] = {}
        self._logs_left = MOST_LOGS
        self._silent_nodes: set[str] = set()  # no log comes from there
        self._version: str | None = None
        self.asked: set[str] = set()  # uids of the objects that the question named
        self.unread: dict[str, str] = {}

    def preload_events(self, namespace: str) -> None:
        """All events of the namespace ("": all) with one request, for when most objects are looked at."""
        try:
            found = self._reader.events(namespace, {})
        except self.failure as error:
            self.unread[f"events of {namespace or 'the cluster'}"] = str(error)
            found = []
        for one in sorted(found, key=_last_seen, reverse=True):
            about = one.get("involvedObject") or {}
            key = (about.get("kind", ""), about.get("namespace", ""), about.get("name", ""))
            self._events.setdefault(key, []).append(one)
        self._all_events_of = namespace

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """None when it is not there, and when that is not known (see `is_missing`)."""
        row = KINDS[kind]
        space = namespace if row.namespaced else ""
        for where in (space, ""):
            if (kind, where) in self._lists:
                return self._indexed(kind, where).get((space, name))
        key = (kind, space, name)
        if key not in self._objects:
            try:
                self._objects[key] = _typed(self._reader.get(row, space, name), kind)
            except self.failure as error:
                self.unread[f"{row.plural} {space}/{name}" if space else f"{row.plural} {name}"] = str(error)
                self._objects[key] = None
                self._unknown.add(key)
        return self._objects[key]

    def _indexed(self, kind: str, where: str) -> dict[tuple[str, str], Object]:
        if (kind, where) not in self._indices:
            self._indices[kind, where] = {meta.key(one): one for one in self._lists[kind, where]}
        return self._indices[kind, where]

    def is_missing(self, kind: str, namespace: str, name: str) -> bool:
        """The server said that it is not there; False when it may not be asked."""
        if self.get(kind, namespace, name) is not None:
            return False
        space = namespace if KINDS[kind].namespaced else ""
        return (kind, space, name) not in self._unknown

    def every(self, kind: str, namespace: str = "") -> list[Object]:
        """Empty also when the server does not tell."""
        row = KINDS[kind]
        space = namespace if row.namespaced else ""
        key = (kind, space)
        if key in self._lists or key in self._refused:
            return self._lists.get(key, [])
        if (kind, "") in self._lists:
            found = self._of_namespace(kind, space)
        else:
            try:
                found = [_typed(one, kind) for one in self._reader.every(row, space)]
            except self.failure as error:
                self.unread[f"{row.plural} of {space}" if space else row.plural] = str(error)
                self._refused.add(key)
                return []
        self._lists[key] = found
        return found

    def _of_namespace(self, kind: str, namespace: str) -> list[Object]:
        if kind not in self._by_namespace:
            found = self._by_namespace.setdefault(kind, {})
            for one in self._lists[kind, ""]:
                found.setdefault(meta.namespace(one), []).append(one)
        return self._by_namespace[kind].get(namespace, [])

    def age(self, obj: Object) -> float:
        """Seconds since it was created, or since it was deleted; very old where that is not said."""
        metadata = obj["metadata"]
        since = metadata.get("deletionTimestamp") or metadata.get("creationTimestamp")
        return self.now - parse_time(since).timestamp() if since else 1e9

    def is_asked(self, obj: Object) -> bool:
        """The question named it; what somebody set on purpose is then an answer."""
        return bool(meta.uid(obj)) and meta.uid(obj) in self.asked

    def can_list(self, kind: str, namespace: str = "") -> bool:
        """Whether an empty list means that there is nothing."""
        self.every(kind, namespace)
        space = namespace if KINDS[kind].namespaced else ""
        return (kind, space) in self._lists or (kind, "") in self._lists

    def owned_by(self, owner: Object, kind: str) -> list[Object]:
        namespace = meta.namespace(owner)
        key = (kind, namespace)
        if key not in self._by_owner:
            found = self._by_owner.setdefault(key, {})
            for one in self.every(kind, namespace):
                for reference in one["metadata"].get("ownerReferences") or ():
                    found.setdefault(reference.get("uid", ""), []).append(one)
        return self._by_owner[key].get(meta.uid(owner), [])

    def requested_on(self, node: str) -> dict[str, Decimal]:
        """What the pods of the node ask for together, by resource."""
        if node not in self._requested:
            sums = self._requested.setdefault(node, {})
            for pod in self.pods_on(node):
                for resource, amount in pod_resources.requests(pod).items():
                    sums[resource] = sums.get(resource, Decimal(0)) + amount
        return self._requested[node]

    def pods_on(self, node: str) -> list[Object]:
        """Those that take room there."""
        if self._by_node is None:
            self._by_node = {}
            for pod in self.every("Pod"):
                if pods.node_name(pod) and not pods.is_terminal(pod):
                    self._by_node.setdefault(pods.node_name(pod), []).append(pod)
        return self._by_node.get(node, [])

    def allocatable(self, node: Object) -> dict[str, Decimal]:
        """What pods may use of the node; read from its text once."""
        name = meta.name(node)
        if name not in self._allocatable:
            self._allocatable[name] = nodes.allocatable(node)
        return self._allocatable[name]

    def pods_matching(self, namespace: str, selector: Object | None) -> list[Object]:
        """By a metav1.LabelSelector."""
        try:
            parsed = from_label_selector(selector)
        except SelectorError:
            return []
        exact = next(iter(((selector or {}).get("matchLabels") or {}).items()), None)
        some = self.every("Pod", namespace) if exact is None else self._labelled(namespace).get(exact, [])
        return [pod for pod in some if parsed.matches(meta.labels(pod))]

    def _labelled(self, namespace: str) -> dict[tuple[str, str], list[Object]]:
        """The pods of a namespace by each of their labels."""
        if namespace not in self._by_label:
            found = self._by_label.setdefault(namespace, {})
            for pod in self.every("Pod", namespace):
                for label in meta.labels(pod).items():
                    found.setdefault(label, []).append(pod)
        return self._by_label[namespace]

    def representatives(self, found: Iterable[Object]) -> list[Object]:
        """Of pods that one controller made and that are in one state, the first; `alike` names those for whom it stands."""
        groups: dict[tuple[str, ...], list[Object]] = {}
        for pod in found:
            groups.setdefault(likeness(pod), []).append(pod)
        chosen: list[Object] = []
        for group in groups.values():
            chosen.append(group[0])
            if len(group) > 1:
                self.alike[meta.key(group[0])] = [meta.name(one) for one in group[1:]]
        return chosen

    def events(self, obj: Object, *reasons: str) -> list[Object]:
        """The newest first, with one of the reasons if any is named."""
        namespace, name = meta.key(obj)
        key = (obj["kind"], namespace, name)
        is_preloaded = self._all_events_of in ("", namespace)
        if key not in self._events and not is_preloaded:
            fields = {"involvedObject.kind": obj["kind"], "involvedObject.name": name}
            if meta.uid(obj) and obj["kind"] != "Node":  # a kubelet may write the node's name for its uid
                fields["involvedObject.uid"] = meta.uid(obj)
            try:
                found = self._reader.events(namespace, fields)
            except self.failure as error:
                self.unread[f"events of {namespace or 'the cluster'}"] = str(error)
                found = []
            self._events[key] = sorted(found, key=_last_seen, reverse=True)
        return [one for one in self._events.get(key, ()) if not reasons or one.get("reason") in reasons]

    def log(self, pod: Object, container: str, *, previous: bool = False) -> list[str]:
        namespace, name = meta.key(pod)
        key = (f"{namespace}/{name}", container, previous)
        if key not in self._logs:
            self._logs_left -= 1
            if self._logs_left < 0 or pods.node_name(pod) in self._silent_nodes:
                return []  # many pods fail: the logs of the first are enough to read
            try:
                self._logs[key] = self._reader.log(namespace, name, container, previous=previous)
            except self.failure as error:
                self.unread[f"log of {namespace}/{name} {container}"] = str(error)
                self._logs[key] = []
                if "forbidden" not in str(error):
                    self._silent_nodes.add(pods.node_name(pod))  # each further one would take as long to fail
        return self._logs[key]

    def server_version(self) -> str:
        """Empty where it is not told."""
        if self._version is None:
            try:
                self._version = self._reader.version()
            except self.failure:
                self._version = ""  # anybody may ask; who may not misses a comparison only
        return self._version

    def contents(self, group: str, plural: str, namespace: str) -> list[Object]:
        """Of types that are not among the kinds above."""
        try:
            return self._reader.contents(group, plural, namespace)
        except self.failure as error:
            self.unread[f"{plural}.{group} of {namespace}".replace(". ", " ")] = str(error)
            return []

    def decision(self, pod: Object) -> Object | None:
        namespace, name = meta.key(pod)
        self._decisions_left -= 1
        if self._decisions_left < 0:
            return None  # the condition tells enough
        try:
            return self._reader.decision(namespace, name)
        except self.failure:
            return None  # other clusters have none: nothing is missed

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        try:
            return self._reader.spans(about, uids, node)
        except self.failure as error:
            if not node:
                self.unread["recorded spans"] = str(error)
            return None


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    times: Iterable[str | None] = (
        series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )  # fmt: skip
    return next((one for one in times if one), "")


def _typed(obj: Object | None, kind: str) -> Object:
    """Items of lists carry no kind."""
    if obj is None:
        return None  # type: ignore[return-value]
    return obj if obj.get("kind") else {"kind": kind, "apiVersion": KINDS[kind].api_version, **obj}
