"""Default roles for people, nodes and the parts of the control plane: rules as (verbs, groups, resources[, names]) or (verbs, URLs)."""

from collections.abc import Callable, Iterator
from typing import Any

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ALL = f"{WRITE} {READ}"

_EVENTS = ("create patch update", "core events.k8s.io", "events")
_DISCOVERY = "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"

_APPS = "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
_CORE_VIEW = (
    "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
    "replicationcontrollers/scale serviceaccounts services services/status bindings events limitranges namespaces/status "
    "pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status namespaces"
)

_VIEW = [
    (READ, "core", _CORE_VIEW),
    (READ, "discovery.k8s.io", "endpointslices"),
    (READ, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
     "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"),
    (READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    (READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    (READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    (READ, "extensions", "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
     "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale"),
    (READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    (READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
    (READ, "metrics.k8s.io", "pods nodes"),
]  # fmt: skip
_EDIT = [
    (READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    ("impersonate", "core", "serviceaccounts"),
    (WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    ("create", "core", "pods/eviction"),
    (WRITE, "core", "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
     "serviceaccounts services services/proxy"),
    ("create", "core", "serviceaccounts/token"),
    (WRITE, "apps", _APPS),
    (WRITE, "autoscaling", "horizontalpodautoscalers"),
    (WRITE, "batch", "cronjobs jobs"),
    (WRITE, "policy", "poddisruptionbudgets"),
    (WRITE, "extensions", "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
     "replicasets/scale replicationcontrollers/scale"),
    (WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    (WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
    (ALL, "coordination.k8s.io", "leases"),
]  # fmt: skip
_ADMIN = [
    ("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    (ALL, "rbac.authorization.k8s.io", "rolebindings roles"),
]
_TO = "rbac.authorization.k8s.io/aggregate-to-"


def aggregated_roles(make: Callable[..., Any]) -> Iterator[Any]:
    """admin, edit and view with their rules already summed up, and the parts that they aggregate."""
    from pinnace.apiserver.authz.bootstrap_policy import rule

    view, edit, admin = ([rule(*entry) for entry in part] for part in (_VIEW, _EDIT, _ADMIN))
    yield make("cluster-admin", [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}
    ])  # fmt: skip
    for name, rules, labels in (
        ("admin", [*edit, *view, *admin], {}),  # in the order in which the aggregation controller joins them
        ("edit", [*edit, *view], {f"{_TO}admin": "true"}),
        ("view", view, {f"{_TO}edit": "true"}),
    ):
        selector = {"clusterRoleSelectors": [{"matchLabels": {f"{_TO}{name}": "true"}}]}
        yield make(name, rules, labels, aggregationRule=selector)
    yield make("system:aggregate-to-admin", admin, {f"{_TO}admin": "true"})
    yield make("system:aggregate-to-edit", edit, {f"{_TO}edit": "true"})
    yield make("system:aggregate-to-view", view, {f"{_TO}view": "true"})


SYSTEM_ROLES: dict[str, list[tuple[str, ...]]] = {
    "system:discovery": [("get", _DISCOVERY)],
    "system:public-info-viewer": [("get", "/healthz /livez /readyz /version /version/")],
    "system:monitoring": [
        ("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
    ],
    "system:basic-user": [
        ("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
    "system:heapster": [
        (READ, "core", "events namespaces nodes pods"),
        (READ, "extensions", "deployments"),
    ],
    "system:node": [
        ("create", "authentication.k8s.io", "tokenreviews"),
        ("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
        (READ, "core", "services"),
        ("create get list watch", "core", "nodes"),
        ("patch update", "core", "nodes/status"),
        ("patch update", "core", "nodes"),
        ("create patch update", "core", "events"),
        (READ, "core", "pods"),
        ("create delete", "core", "pods"),
        ("patch update", "core", "pods/status"),
        ("create", "core", "pods/eviction"),
        (READ, "core", "configmaps secrets"),
        ("get", "core", "persistentvolumeclaims persistentvolumes"),
        ("get", "core", "endpoints"),
        ("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
        ("create delete get patch update", "coordination.k8s.io", "leases"),
        ("get", "storage.k8s.io", "volumeattachments"),
        ("create", "core", "serviceaccounts/token"),
        ("get patch update", "core", "persistentvolumeclaims/status"),
        (READ, "storage.k8s.io", "csidrivers"),
        ("create delete get patch update", "storage.k8s.io", "csinodes"),
        (READ, "node.k8s.io", "runtimeclasses"),
        ("deletecollection get list watch", "resource.k8s.io", "resourceslices"),
        ("get", "resource.k8s.io", "resourceclaims"),
    ],
    "system:node-problem-detector": [
        ("get", "core", "nodes"),
        ("patch", "core", "nodes/status"),
        _EVENTS,
    ],
    # Pinnace's own: its service proxy serves the host ports of pods, which upstream leaves to the CNI plugin portmap
    "pinnace:host-ports": [("list watch", "core", "pods")],
    # and its enforcement of network policies, which upstream leaves to a plugin
    "pinnace:network-policies": [
        ("list watch", "core", "namespaces pods"),
        ("list watch", "networking.k8s.io", "networkpolicies"),
    ],
    # the name server, which upstream runs as a pod
    "pinnace:name-server": [
        ("list watch", "core", "services"),
        ("list watch", "discovery.k8s.io", "endpointslices"),
    ],
    # and the ingress, on the node of `up`: who writes an Ingress chooses the Secrets, so it must see those of every namespace
    "pinnace:ingress": [
        ("list watch", "core", "secrets services"),
        ("list watch", "discovery.k8s.io", "endpointslices"),
        ("list watch", "networking.k8s.io", "ingresses"),
        ("create list patch watch", "networking.k8s.io", "ingressclasses"),
        ("patch", "networking.k8s.io", "ingresses/status"),
        _EVENTS,
    ],
    "system:node-proxier": [
        ("list watch", "core", "endpoints services"),
        (READ, "core", "nodes"),
        _EVENTS,
        ("list watch", "discovery.k8s.io", "endpointslices"),
        (READ, "networking.k8s.io", "servicecidrs"),
    ],
    "system:kubelet-api-admin": [
        (READ, "core", "nodes"),
        ("proxy", "core", "nodes"),
        (
            "*",
            "core",
            "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
        ),
    ],
    "system:node-bootstrapper": [
        ("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
    ],
    "system:auth-delegator": [
        ("create", "authentication.k8s.io", "tokenreviews"),
        ("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
    "system:kube-aggregator": [(READ, "core", "endpoints services")],
    "system:kube-controller-manager": [
        _EVENTS,
        ("create", "coordination.k8s.io", "leases"),
        ("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
        ("create", "core", "secrets serviceaccounts"),
        ("delete", "core", "secrets"),
        ("get", "core", "configmaps namespaces secrets serviceaccounts"),
        ("update", "core", "secrets serviceaccounts"),
        ("create", "authentication.k8s.io", "tokenreviews"),
        ("create", "authorization.k8s.io", "subjectaccessreviews"),
        ("list watch", "*", "*"),
        ("create", "core", "serviceaccounts/token"),
    ],
    "system:kube-dns": [("list watch", "core", "endpoints services")],
    "system:persistent-volume-provisioner": [
        ("create delete get list watch", "core", "persistentvolumes"),
        ("get list update watch", "core", "persistentvolumeclaims"),
        (READ, "storage.k8s.io", "storageclasses"),
        ("watch", "core", "events"),
        _EVENTS,
    ],
    "system:volume-scheduler": [
        ("get list patch update watch", "core", "persistentvolumes"),
        (READ, "storage.k8s.io", "storageclasses"),
        ("get list patch update watch", "core", "persistentvolumeclaims"),
    ],
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": [
        ("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient"),
    ],
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": [
        ("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient"),
    ],
    "system:certificates.k8s.io:kube-apiserver-client-approver": [
        ("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client"),
    ],
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": [
        ("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
    ],
    "system:certificates.k8s.io:kubelet-serving-approver": [
        ("approve", "certificates.k8s.io", "signers", "kubernetes.io/kubelet-serving"),
    ],
    "system:certificates.k8s.io:legacy-unknown-approver": [
        ("approve", "certificates.k8s.io", "signers", "kubernetes.io/legacy-unknown"),
    ],
    "system:service-account-issuer-discovery": [
        (
            "get",
            "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
        ),
    ],
    "system:kube-scheduler": [
        _EVENTS,
        ("create", "coordination.k8s.io", "leases"),
        ("get update", "coordination.k8s.io", "leases", "kube-scheduler"),
        (READ, "core", "nodes"),
        ("delete get list watch", "core", "pods"),
        ("create", "core", "bindings pods/binding"),
        ("patch update", "core", "pods/status"),
        (READ, "core", "replicationcontrollers services"),
        (READ, "apps extensions", "replicasets"),
        (READ, "apps", "statefulsets"),
        (READ, "policy", "poddisruptionbudgets"),
        (READ, "core", "persistentvolumeclaims persistentvolumes"),
        ("create", "authentication.k8s.io", "tokenreviews"),
        ("create", "authorization.k8s.io", "subjectaccessreviews"),
        (READ, "storage.k8s.io", "csinodes"),
        (READ, "core", "namespaces"),
        (READ, "storage.k8s.io", "csidrivers csistoragecapacities"),
        (READ, "storage.k8s.io", "volumeattachments"),
        (READ, "resource.k8s.io", "deviceclasses resourceclaims resourceslices"),
        ("patch update", "resource.k8s.io", "resourceclaims resourceclaims/status"),
    ],
}

_NODE_PARTS = ("Group", "pinnace:node-parts")  # of a joined machine, beside its kubelet
_EVERYBODY = (("Group", "system:authenticated"), ("Group", "system:unauthenticated"))
BINDINGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:discovery": (("Group", "system:authenticated"),),
    "system:basic-user": (("Group", "system:authenticated"),),
    "system:public-info-viewer": _EVERYBODY,
    "system:node": (),  # bound to nobody, as upstream: the Node authorizer does this
    "pinnace:host-ports": (("User", "system:kube-proxy"), _NODE_PARTS),
    "pinnace:network-policies": (("User", "system:kube-proxy"), _NODE_PARTS),
    "pinnace:name-server": (("User", "system:kube-dns"), _NODE_PARTS),
    "pinnace:ingress": (("User", "system:pinnace-ingress"),),
    "system:node-proxier": (("User", "system:kube-proxy"), _NODE_PARTS),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-dns": (("ServiceAccount", "kube-dns", "kube-system"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:volume-scheduler": (("User", "system:kube-scheduler"),),
    "system:service-account-issuer-discovery": (("Group", "system:serviceaccounts"),),
}

_CA = "extension-apiserver-authentication"
NAMESPACED_ROLES: tuple[tuple[str, str, list[tuple[str, ...]]], ...] = (
    ("kube-system", "extension-apiserver-authentication-reader", [(READ, "core", "configmaps", _CA)]),
    ("kube-system", "system::leader-locking-kube-controller-manager", [
        ("watch", "core", "configmaps"), ("get update", "core", "configmaps", "kube-controller-manager"),
    ]),
    ("kube-system", "system::leader-locking-kube-scheduler", [
        ("watch", "core", "configmaps"), ("get update", "core", "configmaps", "kube-scheduler"),
    ]),
    ("kube-system", "system:controller:bootstrap-signer", [(READ, "core", "secrets")]),
    ("kube-system", "system:controller:cloud-provider", [("create get list watch", "core", "configmaps")]),
    ("kube-system", "system:controller:token-cleaner", [("delete get list watch", "core", "secrets"), _EVENTS]),
    ("kube-public", "system:controller:bootstrap-signer", [
        (READ, "core", "configmaps"), ("update", "core", "configmaps", "cluster-info"), _EVENTS,
    ]),
)  # fmt: skip
_LEADER, _SCHEDULER = (
    "system::leader-locking-kube-controller-manager",
    "system::leader-locking-kube-scheduler",
)
_MANAGERS: tuple[tuple[str, ...], ...] = (
    ("User", "system:kube-controller-manager"), ("ServiceAccount", "kube-controller-manager", "kube-system"),
)  # fmt: skip
_SCHEDULERS: tuple[tuple[str, ...], ...] = (
    ("User", "system:kube-scheduler"), ("ServiceAccount", "kube-scheduler", "kube-system"),
)  # fmt: skip
_READER = "extension-apiserver-authentication-reader"
NAMESPACED_BINDINGS: tuple[tuple[str, str, str, tuple[tuple[str, ...], ...]], ...] = (
    ("kube-system", _READER, "system::extension-apiserver-authentication-reader",
     (("User", "system:kube-controller-manager"), ("User", "system:kube-scheduler"))),
    ("kube-system", _LEADER, _LEADER, _MANAGERS),
    ("kube-system", _SCHEDULER, _SCHEDULER, _SCHEDULERS),
    *(("kube-system", f"system:controller:{name}", f"system:controller:{name}",
       (("ServiceAccount", name, "kube-system"),)) for name in ("bootstrap-signer", "cloud-provider", "token-cleaner")),
    ("kube-public", "system:controller:bootstrap-signer", "system:controller:bootstrap-signer",
     (("ServiceAccount", "bootstrap-signer", "kube-system"),)),
)  # fmt: skip
