"""Default roles of the controllers, `system:controller:NAME`: rules as (verbs, groups, resources[, names]).

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go
"""

READ = "get list watch"
_EVENTS = ("create patch update", "core events.k8s.io", "events")

ROLES: dict[str, list[tuple[str, ...]]] = {
    "certificate-controller": [
        ("delete get list watch", "certificates.k8s.io", "certificatesigningrequests"),
        (
            "update",
            "certificates.k8s.io",
            "certificatesigningrequests/approval certificatesigningrequests/status",
        ),
        ("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
        (
            "sign",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
            "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
        ),
        ("create", "authorization.k8s.io", "subjectaccessreviews"),
        _EVENTS,
    ],
    "clusterrole-aggregation-controller": [
        ("escalate get list patch update watch", "rbac.authorization.k8s.io", "clusterroles"),
    ],
    "daemon-set-controller": [
        (READ, "apps extensions", "daemonsets"),
        ("patch update", "apps extensions", "daemonsets/status"),
        ("update", "apps extensions", "daemonsets/finalizers"),
        ("list watch", "core", "nodes"),
        ("create delete list patch watch", "core", "pods"),
        ("create", "core", "pods/binding"),
        ("create delete get list patch update watch", "apps", "controllerrevisions"),
        _EVENTS,
    ],
    "deployment-controller": [
        ("get list patch update watch", "apps extensions", "deployments"),
        ("patch update", "apps extensions", "deployments/status"),
        ("update", "apps extensions", "deployments/finalizers"),
        ("create delete get list patch update watch", "apps extensions", "replicasets"),
        ("get list update watch", "core", "pods"),
        _EVENTS,
    ],
    "disruption-controller": [
        (READ, "apps extensions", "deployments replicasets"),
        (READ, "core", "replicationcontrollers pods"),
        (READ, "policy", "poddisruptionbudgets"),
        (READ, "apps", "statefulsets"),
        ("patch update", "policy", "poddisruptionbudgets/status"),
        ("patch update", "core", "pods/status"),
        ("get", "*", "*/scale"),
        _EVENTS,
    ],
    "endpoint-controller": [
        (READ, "core", "pods services"),
        ("create delete get list patch update watch", "core", "endpoints"),
        ("create", "core", "endpoints/restricted"),
        _EVENTS,
    ],
    "endpointslice-controller": [
        (READ, "core", "nodes pods services"),
        ("update", "core", "services/finalizers"),
        ("create delete get list patch update watch", "discovery.k8s.io", "endpointslices"),
        ("create", "discovery.k8s.io", "endpointslices/restricted"),
        _EVENTS,
    ],
    "endpointslicemirroring-controller": [
        (READ, "core", "endpoints services"),
        ("update", "core", "endpoints/finalizers services/finalizers"),
        ("create delete get list patch update watch", "discovery.k8s.io", "endpointslices"),
        ("create", "discovery.k8s.io", "endpointslices/restricted"),
        _EVENTS,
    ],
    "generic-garbage-collector": [("delete get list patch update watch", "*", "*"), _EVENTS],
    "job-controller": [
        ("get list patch update watch", "batch", "jobs"),
        ("patch update", "batch", "jobs/status"),
        ("update", "batch", "jobs/finalizers"),
        ("create delete list patch watch", "core", "pods"),
        _EVENTS,
    ],
    "namespace-controller": [
        ("delete get list watch", "core", "namespaces"),
        ("update", "core", "namespaces/finalize namespaces/status"),
        ("delete deletecollection get list", "*", "*"),
    ],
    "node-controller": [
        ("delete get list patch update watch", "core", "nodes"),
        ("patch update", "core", "nodes/status"),
        ("patch update", "core", "pods/status"),
        ("delete get list watch", "core", "pods"),
        (READ, "coordination.k8s.io", "leases"),
        _EVENTS,
    ],
    "pod-garbage-collector": [
        ("delete list watch", "core", "pods"),
        ("get list", "core", "nodes"),
        ("patch update", "core", "pods/status"),
    ],
    "replicaset-controller": [
        ("get list update watch", "apps extensions", "replicasets"),
        ("patch update", "apps extensions", "replicasets/status"),
        ("update", "apps extensions", "replicasets/finalizers"),
        ("create delete list patch watch", "core", "pods"),
        _EVENTS,
    ],
    "replication-controller": [
        ("get list update watch", "core", "replicationcontrollers"),
        ("patch update", "core", "replicationcontrollers/status"),
        ("update", "core", "replicationcontrollers/finalizers"),
        ("create delete list patch watch", "core", "pods"),
        _EVENTS,
    ],
    "pv-protection-controller": [("get list update watch", "core", "persistentvolumes"), _EVENTS],
    "pvc-protection-controller": [
        ("get list update watch", "core", "persistentvolumeclaims"),
        (READ, "core", "pods"),
        _EVENTS,
    ],
    "resourcequota-controller": [
        ("list watch", "*", "*"),
        ("update", "core", "resourcequotas/status"),
        _EVENTS,
    ],
    "root-ca-cert-publisher": [("create update", "core", "configmaps"), _EVENTS],
    "service-cidrs-controller": [
        ("get list patch update watch", "networking.k8s.io", "servicecidrs"),
        ("patch update", "networking.k8s.io", "servicecidrs/finalizers servicecidrs/status"),
        (READ, "networking.k8s.io", "ipaddresses"),
        _EVENTS,
    ],
    "service-account-controller": [("create", "core", "serviceaccounts"), _EVENTS],
}
