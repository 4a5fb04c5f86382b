"""The resource table: one row per built-in resource that Pinnace serves.

A new kind is a row here, plus its strategy (`pinnace.api.strategies`) and printer columns (`pinnace.api.columns`) where it
needs more than the generic ones. Names, scopes and verbs are those of Kubernetes v1.36 discovery.
"""

from dataclasses import dataclass

from pinnace.apimachinery.gvk import GVK, GVR

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE = ("create",)
READ_WRITE = ("get", "patch", "update")
CONNECT = ("create", "get")


@dataclass(frozen=True, slots=True)
class Subresource:
    """`kind`/`api_version` are those of the body it takes and gives; "" means the parent's."""

    name: str
    verbs: tuple[str, ...] = READ_WRITE
    kind: str = ""
    api_version: str = ""


STATUS = Subresource("status")
SCALE = Subresource("scale", READ_WRITE, "Scale", "autoscaling/v1")


@dataclass(frozen=True, slots=True)
class Resource:
    gvr: GVR
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    storage: str = (
        ""  # the key prefix below /registry when two resources share objects; "" means group-qualified name
    )

    @property
    def gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.kind)

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def is_stored(self) -> bool:
        """False for reviews and other resources that only answer a create."""
        return "get" in self.verbs

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def _core(resource: str) -> GVR:
    return GVR("", "v1", resource)


BINDINGS = _core("bindings")
CONFIG_MAPS = _core("configmaps")
ENDPOINTS = _core("endpoints")
EVENTS = _core("events")
NAMESPACES = _core("namespaces")
NODES = _core("nodes")
PODS = _core("pods")
SECRETS = _core("secrets")
SERVICE_ACCOUNTS = _core("serviceaccounts")
SERVICES = _core("services")
CONTROLLER_REVISIONS = GVR("apps", "v1", "controllerrevisions")
DAEMON_SETS = GVR("apps", "v1", "daemonsets")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")
SELF_SUBJECT_REVIEWS = GVR("authentication.k8s.io", "v1", "selfsubjectreviews")
TOKEN_REVIEWS = GVR("authentication.k8s.io", "v1", "tokenreviews")
LOCAL_SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "localsubjectaccessreviews")
SELF_SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
SELF_SUBJECT_RULES_REVIEWS = GVR("authorization.k8s.io", "v1", "selfsubjectrulesreviews")
SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "subjectaccessreviews")
CUSTOM_RESOURCE_DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
ENDPOINT_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
EVENTS_V1 = GVR("events.k8s.io", "v1", "events")
INGRESS_CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
INGRESSES = GVR("networking.k8s.io", "v1", "ingresses")
POD_DISRUPTION_BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
CLUSTER_ROLE_BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
CLUSTER_ROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles")
ROLE_BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "rolebindings")
ROLES = GVR("rbac.authorization.k8s.io", "v1", "roles")
NODE_METRICS = GVR("metrics.k8s.io", "v1beta1", "nodes")
POD_METRICS = GVR("metrics.k8s.io", "v1beta1", "pods")

_ALL = ("all",)

TABLE: tuple[Resource, ...] = (
    Resource(BINDINGS, "Binding", verbs=CREATE),
    Resource(CONFIG_MAPS, "ConfigMap", short_names=("cm",)),
    Resource(ENDPOINTS, "Endpoints", short_names=("ep",)),
    Resource(EVENTS, "Event", short_names=("ev",), storage="events"),
    Resource(
        NAMESPACES,
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        subresources=(Subresource("finalize", ("update",)), STATUS),
    ),
    Resource(
        NODES,
        "Node",
        namespaced=False,
        short_names=("no",),
        subresources=(
            Subresource("proxy", ("create", "delete", "get", "patch", "update"), "NodeProxyOptions"),
            STATUS,
        ),
    ),
    Resource(
        PODS,
        "Pod",
        short_names=("po",),
        categories=_ALL,
        subresources=(
            Subresource("attach", CONNECT, "PodAttachOptions"),
            Subresource("binding", CREATE, "Binding"),
            Subresource("ephemeralcontainers"),
            Subresource("eviction", CREATE, "Eviction", "policy/v1"),
            Subresource("exec", CONNECT, "PodExecOptions"),
            Subresource("log", ("get",)),
            Subresource("portforward", CONNECT, "PodPortForwardOptions"),
            Subresource("proxy", ("create", "delete", "get", "patch", "update"), "PodProxyOptions"),
            STATUS,
        ),
    ),
    Resource(SECRETS, "Secret"),
    Resource(
        SERVICE_ACCOUNTS,
        "ServiceAccount",
        short_names=("sa",),
        subresources=(Subresource("token", CREATE, "TokenRequest", "authentication.k8s.io/v1"),),
    ),
    Resource(
        SERVICES,
        "Service",
        short_names=("svc",),
        categories=_ALL,
        subresources=(
            Subresource("proxy", ("create", "delete", "get", "patch", "update"), "ServiceProxyOptions"),
            STATUS,
        ),
    ),
    Resource(CONTROLLER_REVISIONS, "ControllerRevision"),
    Resource(DAEMON_SETS, "DaemonSet", short_names=("ds",), categories=_ALL, subresources=(STATUS,)),
    Resource(
        DEPLOYMENTS, "Deployment", short_names=("deploy",), categories=_ALL, subresources=(SCALE, STATUS)
    ),
    Resource(REPLICA_SETS, "ReplicaSet", short_names=("rs",), categories=_ALL, subresources=(SCALE, STATUS)),
    Resource(SELF_SUBJECT_REVIEWS, "SelfSubjectReview", namespaced=False, verbs=CREATE),
    Resource(TOKEN_REVIEWS, "TokenReview", namespaced=False, verbs=CREATE),
    Resource(LOCAL_SUBJECT_ACCESS_REVIEWS, "LocalSubjectAccessReview", verbs=CREATE),
    Resource(SELF_SUBJECT_ACCESS_REVIEWS, "SelfSubjectAccessReview", namespaced=False, verbs=CREATE),
    Resource(SELF_SUBJECT_RULES_REVIEWS, "SelfSubjectRulesReview", namespaced=False, verbs=CREATE),
    Resource(SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", namespaced=False, verbs=CREATE),
    # Read only until custom resources are served: kubectl lists them before it says that it does not know a kind.
    Resource(
        CUSTOM_RESOURCE_DEFINITIONS,
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        verbs=("get", "list", "watch"),
    ),
    Resource(LEASES, "Lease"),
    Resource(ENDPOINT_SLICES, "EndpointSlice"),
    Resource(EVENTS_V1, "Event", short_names=("ev",), storage="events"),
    Resource(INGRESS_CLASSES, "IngressClass", namespaced=False),
    Resource(INGRESSES, "Ingress", short_names=("ing",), subresources=(STATUS,)),
    Resource(POD_DISRUPTION_BUDGETS, "PodDisruptionBudget", short_names=("pdb",), subresources=(STATUS,)),
    Resource(CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding", namespaced=False),
    Resource(CLUSTER_ROLES, "ClusterRole", namespaced=False),
    Resource(ROLE_BINDINGS, "RoleBinding"),
    Resource(ROLES, "Role"),
    Resource(NODE_METRICS, "NodeMetrics", namespaced=False, verbs=("get", "list")),
    Resource(POD_METRICS, "PodMetrics", verbs=("get", "list")),
)

BY_GVR: dict[GVR, Resource] = {row.gvr: row for row in TABLE}
BY_GVK: dict[GVK, Resource] = {row.gvk: row for row in TABLE}
