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
    singular_name: str = ""  # of custom resources, which name these three themselves
    list_kind_name: str = ""
    stored_version: str = ""
    deprecation: str = ""  # the sentence that warns whoever uses this version
    revision: str = ""  # tells states of a custom resource's definition apart
    view_of: GVR | None = None  # the resource whose stored objects this one shows in another version

    @property
    def gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.kind)

    @property
    def singular(self) -> str:
        return self.singular_name or self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.list_kind_name or f"{self.kind}List"

    @property
    def is_stored(self) -> bool:
        """False for reviews and other resources that only answer a create."""
        return "get" in self.verbs

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def _core(resource: str) -> GVR:
    return GVR("", "v1", resource)


BINDINGS = _core("bindings")
COMPONENT_STATUSES = _core("componentstatuses")
CONFIG_MAPS = _core("configmaps")
ENDPOINTS = _core("endpoints")
EVENTS = _core("events")
LIMIT_RANGES = _core("limitranges")
NAMESPACES = _core("namespaces")
NODES = _core("nodes")
PERSISTENT_VOLUME_CLAIMS = _core("persistentvolumeclaims")
PERSISTENT_VOLUMES = _core("persistentvolumes")
POD_TEMPLATES = _core("podtemplates")
PODS = _core("pods")
REPLICATION_CONTROLLERS = _core("replicationcontrollers")
RESOURCE_QUOTAS = _core("resourcequotas")
SECRETS = _core("secrets")
SERVICE_ACCOUNTS = _core("serviceaccounts")
SERVICES = _core("services")
MUTATING_ADMISSION_POLICIES = GVR("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies")
MUTATING_ADMISSION_POLICY_BINDINGS = GVR(
    "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"
)
MUTATING_WEBHOOK_CONFIGURATIONS = GVR("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations")
VALIDATING_ADMISSION_POLICIES = GVR("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
VALIDATING_ADMISSION_POLICY_BINDINGS = GVR(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"
)
VALIDATING_WEBHOOK_CONFIGURATIONS = GVR(
    "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"
)
API_SERVICES = GVR("apiregistration.k8s.io", "v1", "apiservices")
CONTROLLER_REVISIONS = GVR("apps", "v1", "controllerrevisions")
DAEMON_SETS = GVR("apps", "v1", "daemonsets")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")
STATEFUL_SETS = GVR("apps", "v1", "statefulsets")
SELF_SUBJECT_REVIEWS = GVR("authentication.k8s.io", "v1", "selfsubjectreviews")
TOKEN_REVIEWS = GVR("authentication.k8s.io", "v1", "tokenreviews")
LOCAL_SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "localsubjectaccessreviews")
SELF_SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
SELF_SUBJECT_RULES_REVIEWS = GVR("authorization.k8s.io", "v1", "selfsubjectrulesreviews")
SUBJECT_ACCESS_REVIEWS = GVR("authorization.k8s.io", "v1", "subjectaccessreviews")
HORIZONTAL_POD_AUTOSCALERS = GVR("autoscaling", "v2", "horizontalpodautoscalers")
HORIZONTAL_POD_AUTOSCALERS_V1 = GVR("autoscaling", "v1", "horizontalpodautoscalers")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
JOBS = GVR("batch", "v1", "jobs")
CERTIFICATE_SIGNING_REQUESTS = GVR("certificates.k8s.io", "v1", "certificatesigningrequests")
CUSTOM_RESOURCE_DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
ENDPOINT_SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
EVENTS_V1 = GVR("events.k8s.io", "v1", "events")
FLOW_SCHEMAS = GVR("flowcontrol.apiserver.k8s.io", "v1", "flowschemas")
PRIORITY_LEVEL_CONFIGURATIONS = GVR("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations")
INGRESS_CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
INGRESSES = GVR("networking.k8s.io", "v1", "ingresses")
IP_ADDRESSES = GVR("networking.k8s.io", "v1", "ipaddresses")
NETWORK_POLICIES = GVR("networking.k8s.io", "v1", "networkpolicies")
SERVICE_CIDRS = GVR("networking.k8s.io", "v1", "servicecidrs")
RUNTIME_CLASSES = GVR("node.k8s.io", "v1", "runtimeclasses")
POD_DISRUPTION_BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
CLUSTER_ROLE_BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
CLUSTER_ROLES = GVR("rbac.authorization.k8s.io", "v1", "clusterroles")
ROLE_BINDINGS = GVR("rbac.authorization.k8s.io", "v1", "rolebindings")
ROLES = GVR("rbac.authorization.k8s.io", "v1", "roles")
DEVICE_CLASSES = GVR("resource.k8s.io", "v1", "deviceclasses")
RESOURCE_CLAIMS = GVR("resource.k8s.io", "v1", "resourceclaims")
RESOURCE_CLAIM_TEMPLATES = GVR("resource.k8s.io", "v1", "resourceclaimtemplates")
RESOURCE_SLICES = GVR("resource.k8s.io", "v1", "resourceslices")
PRIORITY_CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")
CSI_DRIVERS = GVR("storage.k8s.io", "v1", "csidrivers")
CSI_NODES = GVR("storage.k8s.io", "v1", "csinodes")
CSI_STORAGE_CAPACITIES = GVR("storage.k8s.io", "v1", "csistoragecapacities")
STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
VOLUME_ATTACHMENTS = GVR("storage.k8s.io", "v1", "volumeattachments")
VOLUME_ATTRIBUTES_CLASSES = GVR("storage.k8s.io", "v1", "volumeattributesclasses")
NODE_METRICS = GVR("metrics.k8s.io", "v1beta1", "nodes")
POD_METRICS = GVR("metrics.k8s.io", "v1beta1", "pods")

_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)

TABLE: tuple[Resource, ...] = (
    Resource(BINDINGS, "Binding", verbs=CREATE),
    Resource(
        COMPONENT_STATUSES,
        "ComponentStatus",
        namespaced=False,
        short_names=("cs",),
        verbs=("get", "list"),
        deprecation="v1 ComponentStatus is deprecated in v1.19+",
    ),
    Resource(CONFIG_MAPS, "ConfigMap", short_names=("cm",)),
    Resource(
        ENDPOINTS,
        "Endpoints",
        short_names=("ep",),
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
    Resource(EVENTS, "Event", short_names=("ev",), storage="events"),
    Resource(LIMIT_RANGES, "LimitRange", short_names=("limits",)),
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
    Resource(PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim", short_names=("pvc",), subresources=(STATUS,)),
    Resource(
        PERSISTENT_VOLUMES, "PersistentVolume", namespaced=False, short_names=("pv",), subresources=(STATUS,)
    ),
    Resource(POD_TEMPLATES, "PodTemplate"),
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
            Subresource("resize"),
            STATUS,
        ),
    ),
    Resource(
        REPLICATION_CONTROLLERS,
        "ReplicationController",
        short_names=("rc",),
        categories=_ALL,
        subresources=(SCALE, STATUS),
    ),
    Resource(RESOURCE_QUOTAS, "ResourceQuota", short_names=("quota",), subresources=(STATUS,)),
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
    Resource(
        MUTATING_ADMISSION_POLICIES, "MutatingAdmissionPolicy", namespaced=False, categories=_EXTENSIONS
    ),
    Resource(
        MUTATING_ADMISSION_POLICY_BINDINGS,
        "MutatingAdmissionPolicyBinding",
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Resource(
        MUTATING_WEBHOOK_CONFIGURATIONS,
        "MutatingWebhookConfiguration",
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Resource(
        VALIDATING_ADMISSION_POLICIES,
        "ValidatingAdmissionPolicy",
        namespaced=False,
        categories=_EXTENSIONS,
        subresources=(STATUS,),
    ),
    Resource(
        VALIDATING_ADMISSION_POLICY_BINDINGS,
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Resource(
        VALIDATING_WEBHOOK_CONFIGURATIONS,
        "ValidatingWebhookConfiguration",
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Resource(API_SERVICES, "APIService", namespaced=False, categories=_EXTENSIONS, subresources=(STATUS,)),
    Resource(CONTROLLER_REVISIONS, "ControllerRevision"),
    Resource(DAEMON_SETS, "DaemonSet", short_names=("ds",), categories=_ALL, subresources=(STATUS,)),
    Resource(
        DEPLOYMENTS, "Deployment", short_names=("deploy",), categories=_ALL, subresources=(SCALE, STATUS)
    ),
    Resource(REPLICA_SETS, "ReplicaSet", short_names=("rs",), categories=_ALL, subresources=(SCALE, STATUS)),
    Resource(
        STATEFUL_SETS, "StatefulSet", short_names=("sts",), categories=_ALL, subresources=(SCALE, STATUS)
    ),
    Resource(
        HORIZONTAL_POD_AUTOSCALERS,
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=_ALL,
        subresources=(STATUS,),
    ),
    Resource(
        HORIZONTAL_POD_AUTOSCALERS_V1,
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=_ALL,
        subresources=(STATUS,),
        view_of=HORIZONTAL_POD_AUTOSCALERS,
    ),
    Resource(CRON_JOBS, "CronJob", short_names=("cj",), categories=_ALL, subresources=(STATUS,)),
    Resource(JOBS, "Job", categories=_ALL, subresources=(STATUS,)),
    Resource(
        CERTIFICATE_SIGNING_REQUESTS,
        "CertificateSigningRequest",
        namespaced=False,
        short_names=("csr",),
        subresources=(Subresource("approval"), STATUS),
    ),
    Resource(SELF_SUBJECT_REVIEWS, "SelfSubjectReview", namespaced=False, verbs=CREATE),
    Resource(TOKEN_REVIEWS, "TokenReview", namespaced=False, verbs=CREATE),
    Resource(LOCAL_SUBJECT_ACCESS_REVIEWS, "LocalSubjectAccessReview", verbs=CREATE),
    Resource(SELF_SUBJECT_ACCESS_REVIEWS, "SelfSubjectAccessReview", namespaced=False, verbs=CREATE),
    Resource(SELF_SUBJECT_RULES_REVIEWS, "SelfSubjectRulesReview", namespaced=False, verbs=CREATE),
    Resource(SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", namespaced=False, verbs=CREATE),
    Resource(
        CUSTOM_RESOURCE_DEFINITIONS,
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=_EXTENSIONS,
        subresources=(STATUS,),
    ),
    Resource(LEASES, "Lease"),
    Resource(ENDPOINT_SLICES, "EndpointSlice"),
    Resource(EVENTS_V1, "Event", short_names=("ev",), storage="events", view_of=EVENTS),
    Resource(FLOW_SCHEMAS, "FlowSchema", namespaced=False, subresources=(STATUS,)),
    Resource(
        PRIORITY_LEVEL_CONFIGURATIONS, "PriorityLevelConfiguration", namespaced=False, subresources=(STATUS,)
    ),
    Resource(INGRESS_CLASSES, "IngressClass", namespaced=False),
    Resource(INGRESSES, "Ingress", short_names=("ing",), subresources=(STATUS,)),
    Resource(IP_ADDRESSES, "IPAddress", namespaced=False, short_names=("ip",)),
    Resource(NETWORK_POLICIES, "NetworkPolicy", short_names=("netpol",)),
    Resource(SERVICE_CIDRS, "ServiceCIDR", namespaced=False, subresources=(STATUS,)),
    Resource(RUNTIME_CLASSES, "RuntimeClass", namespaced=False),
    Resource(POD_DISRUPTION_BUDGETS, "PodDisruptionBudget", short_names=("pdb",), subresources=(STATUS,)),
    Resource(CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding", namespaced=False),
    Resource(CLUSTER_ROLES, "ClusterRole", namespaced=False),
    Resource(ROLE_BINDINGS, "RoleBinding"),
    Resource(ROLES, "Role"),
    Resource(DEVICE_CLASSES, "DeviceClass", namespaced=False),
    Resource(RESOURCE_CLAIMS, "ResourceClaim", subresources=(STATUS,)),
    Resource(RESOURCE_CLAIM_TEMPLATES, "ResourceClaimTemplate"),
    Resource(RESOURCE_SLICES, "ResourceSlice", namespaced=False),
    Resource(PRIORITY_CLASSES, "PriorityClass", namespaced=False, short_names=("pc",)),
    Resource(CSI_DRIVERS, "CSIDriver", namespaced=False),
    Resource(CSI_NODES, "CSINode", namespaced=False),
    Resource(CSI_STORAGE_CAPACITIES, "CSIStorageCapacity"),
    Resource(STORAGE_CLASSES, "StorageClass", namespaced=False, short_names=("sc",)),
    Resource(VOLUME_ATTACHMENTS, "VolumeAttachment", namespaced=False, subresources=(STATUS,)),
    Resource(VOLUME_ATTRIBUTES_CLASSES, "VolumeAttributesClass", namespaced=False, short_names=("vac",)),
    Resource(NODE_METRICS, "NodeMetrics", namespaced=False, verbs=("get", "list")),
    Resource(POD_METRICS, "PodMetrics", verbs=("get", "list")),
)

BY_GVR: dict[GVR, Resource] = {row.gvr: row for row in TABLE}
BY_GVK: dict[GVK, Resource] = {row.gvk: row for row in TABLE}
