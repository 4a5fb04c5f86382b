"""Defaults and rules of the kinds other than pods: one line a rule, in upstream's words."""

import pytest

from pinnace.api import meta
from pinnace.api.resources import TABLE
from pinnace.api.strategies import strategy_for

ROWS = {row.kind: row for row in TABLE if row.view_of is None}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
FINISHING = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
JOB = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": FINISHING}
CRON = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": FINISHING}}}
HPA = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}


def build(kind, body, **metadata):
    row = ROWS[kind]
    own = {
        "name": "x",
        "resourceVersion": "1",
        **({"namespace": "default"} if row.namespaced else {}),
        **metadata,
    }
    obj = {"apiVersion": row.gvr.api_version, "kind": kind, "metadata": own, **meta.mutable_copy(body)}
    strategy_for(row.gvr).default(obj)
    return obj


def found(kind, body, **metadata):
    causes = strategy_for(ROWS[kind].gvr).validate(build(kind, body, **metadata))
    return [f"{cause.field}: {cause.message}" for cause in causes]


def changed(kind, before, after):
    strategy, old, new = strategy_for(ROWS[kind].gvr), build(kind, before), build(kind, after)
    strategy.prepare_update(new, old)
    return [f"{cause.field}: {cause.message}" for cause in strategy.validate_update(new, old)]


DEFAULTS = [
    (
        "Deployment",
        {"spec": WORKLOAD},
        {
            "replicas": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
    ),
    ("Deployment", {"spec": {**WORKLOAD, "strategy": {"type": "Recreate"}}}, {"strategy": {"type": "Recreate"}}),
    ("ReplicaSet", {"spec": WORKLOAD}, {"replicas": 1}),
    (
        "DaemonSet",
        {"spec": WORKLOAD},
        {
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "revisionHistoryLimit": 10,
        },
    ),
    (
        "Service",
        {"spec": {"ports": [{"port": 80}]}},
        {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        },
    ),
    (
        "Service",
        {"spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP"}},
        {
            "externalTrafficPolicy": "Cluster",
            "allocateLoadBalancerNodePorts": True,
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
        },
    ),
    ("ReplicationController", {"spec": {"template": TEMPLATE}}, {"replicas": 1, "selector": {"a": "b"}}),
    (
        "StatefulSet",
        {"spec": {**WORKLOAD, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1024Mi"}}}}]}},
        {
            "replicas": 1,
            "podManagementPolicy": "OrderedReady",
            "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "volumeClaimTemplates": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "d"},
                    "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
                    "status": {"phase": "Pending"},
                }
            ],
        },
    ),
    (
        "Job",
        {"spec": {"template": FINISHING}},
        {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": False,
            "manualSelector": False,
            "podReplacementPolicy": "TerminatingOrFailed",
        },
    ),
    (
        "Job",
        {"spec": {"template": FINISHING, "completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1, "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}}},
        {
            "parallelism": 1,
            "backoffLimit": 2147483647,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]},
        },
    ),
    (
        "CronJob",
        {"spec": CRON},
        {"concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1},
    ),
    (
        "HorizontalPodAutoscaler",
        {"spec": {**HPA, "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}},
        {
            "minReplicas": 1,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]},
                "scaleDown": {"selectPolicy": "Disabled", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
            },
        },
    ),
    ("IngressClass", {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n"}}}, {"parameters": {"kind": "K", "name": "n", "scope": "Cluster"}}),
    ("Node", {"spec": {"podCIDR": "10.0.0.0/24"}}, {"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]}),
    ("Lease", {"spec": {"renewTime": "2026-01-01T00:00:00Z"}}, {"renewTime": "2026-01-01T00:00:00.000000Z"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "expected"), DEFAULTS)
def test_defaults(kind, body, expected):
    spec = build(kind, body)["spec"]
    assert {key: spec[key] for key in expected} == expected


def test_secrets_take_plain_text_and_keep_base64():
    secret = build("Secret", {"stringData": {"a": "hello"}, "data": {"b": "eA=="}})
    assert secret["type"] == "Opaque"
    assert secret["data"] == {"a": "aGVsbG8=", "b": "eA=="}
    assert "stringData" not in secret


def test_namespaces_carry_their_name_and_a_finalizer():
    namespace = build("Namespace", {})
    strategy_for(ROWS["Namespace"].gvr).prepare_create(namespace)
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["status"] == {"phase": "Active"}


def test_a_node_brings_its_status_along():
    node = build("Node", {"status": {"capacity": {"cpu": "2", "memory": "2048Mi"}}})
    strategy_for(ROWS["Node"].gvr).prepare_create(node)
    assert node["status"]["allocatable"] == {"cpu": "2", "memory": "2Gi"}


def test_a_template_change_raises_the_template_generation_of_a_daemon_set():
    strategy, old = strategy_for(ROWS["DaemonSet"].gvr), build("DaemonSet", {"spec": WORKLOAD})
    strategy.prepare_create(old)
    new = meta.mutable_copy(old)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "j"
    strategy.prepare_update(new, old)
    assert new["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}
    assert new["metadata"]["generation"] == 2


def rule(verbs=("get",), **more):
    return {"rules": [{"verbs": list(verbs), **more}]}


ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
INVALID = [
    ("ConfigMap", {"data": {"a b": ""}}, "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"),
    ("ConfigMap", {"data": {"a": "x" * 1048577}}, "[]: Too long: may not be more than 1048576 bytes"),
    ("Secret", {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}, "data[tls.key]: Required value"),
    ("Secret", {"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    ("Namespace", {"spec": {"finalizers": ["odd"]}}, 'spec.finalizers[0]: Invalid value: "odd": name is neither a standard finalizer name nor is it fully qualified'),
    ("Node", {"spec": {"taints": [{"key": "a", "effect": "Never"}]}}, 'spec.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    ("Event", {"involvedObject": {"namespace": "other"}}, 'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
    ("Binding", {"target": {}}, "target.name: Required value"),
    ("Lease", {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
    ("Endpoints", {"subsets": [{"addresses": [{"ip": "127.0.0.1"}]}]}, 'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    ("EndpointSlice", {"addressType": "IPv4", "endpoints": [{}]}, "endpoints[0].addresses: Required value: must contain at least 1 address"),
    ("EndpointSlice", {}, "addressType: Required value"),
    ("ControllerRevision", {"revision": 1}, "data: Required value: data is mandatory"),
    ("Deployment", {"spec": {"template": TEMPLATE}}, "spec.selector: Required value"),
    ("Deployment", {"spec": {**WORKLOAD, "selector": {}}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    ("Deployment", {"spec": {**WORKLOAD, "selector": {"matchLabels": {"a": "c"}}}}, 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'),
    ("Deployment", {"spec": {**WORKLOAD, "replicas": -1}}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ("Deployment", {"spec": {**WORKLOAD, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}}, "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"),
    ("Deployment", {"spec": {**WORKLOAD, "strategy": {"type": "Recreate", "rollingUpdate": {}}}}, "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
    ("Deployment", {"spec": {**WORKLOAD, "progressDeadlineSeconds": 5, "minReadySeconds": 5}}, "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"),
    ("Deployment", {"spec": {**WORKLOAD, "template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    ("ReplicationController", {"spec": {"selector": {"a": "c"}, "template": TEMPLATE}}, 'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'),
    ("ReplicationController", {"spec": {"selector": {"a": "b"}}}, "spec.template: Required value"),
    ("ReplicationController", {"spec": {"template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "activeDeadlineSeconds": 5}}}}, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"),
    ("PodTemplate", {"template": {"spec": {"containers": [{"name": "c"}]}}}, "template.spec.containers[0].image: Required value"),
    ("StatefulSet", {"spec": {**WORKLOAD, "podManagementPolicy": "x"}}, "spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'"),
    ("StatefulSet", {"spec": {**WORKLOAD, "updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}}}, "spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'"),
    ("StatefulSet", {"spec": {**WORKLOAD, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}}, "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"),
    ("StatefulSet", {"spec": {**WORKLOAD, "selector": {}}}, "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"),
    ("StatefulSet", {"spec": {**WORKLOAD, "ordinals": {"start": -1}}}, "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"),
    ("StatefulSet", {"spec": {**WORKLOAD, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}}}, 'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Delete", "Retain"'),
    ("CronJob", {"spec": {**CRON, "schedule": "* * * *"}}, 'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'),
    ("CronJob", {"spec": {**CRON, "schedule": "61 * * * *"}}, 'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'),
    ("CronJob", {"spec": {**CRON, "schedule": ""}}, "spec.schedule: Required value"),
    ("CronJob", {"spec": {**CRON, "schedule": "TZ=UTC 0 * * * *"}}, 'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    ("CronJob", {"spec": {**CRON, "timeZone": "Mars/Olympus"}}, 'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'),
    ("CronJob", {"spec": {**CRON, "timeZone": ""}}, 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
    ("CronJob", {"spec": {**CRON, "concurrencyPolicy": "x"}}, 'spec.concurrencyPolicy: Unsupported value: "x": supported values: "Allow", "Forbid", "Replace"'),
    ("CronJob", {"spec": {**CRON, "jobTemplate": {"spec": {"template": TEMPLATE}}}}, 'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
    ("CronJob", {"spec": {**CRON, "failedJobsHistoryLimit": -1}}, "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "minReplicas": 0}}, "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "minReplicas": 5}}, "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "scaleTargetRef": {"kind": "a/b", "name": "n"}}}, "spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "metrics": [{"type": "Resource"}]}}, "spec.metrics[0].resource: Required value: must populate information for the given metric source"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]}}, "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "metrics": [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "1"}}}]}}, "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 2000}]}}}}, "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800"),
    ("HorizontalPodAutoscaler", {"spec": {**HPA, "behavior": {"scaleDown": {"selectPolicy": "x"}}}}, 'spec.behavior.scaleDown.selectPolicy: Unsupported value: "x": supported values: "Disabled", "Max", "Min"'),
    ("DaemonSet", {"spec": {**WORKLOAD, "updateStrategy": {"type": "x"}}}, 'spec.updateStrategy.type: Unsupported value: "x": supported values: "OnDelete", "RollingUpdate"'),
    ("Service", {"spec": {}}, "spec.ports: Required value"),
    ("Service", {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 2}]}}, "spec.ports[1].name: Required value"),
    ("Service", {"spec": {"ports": [{"port": 1, "nodePort": 30000}]}}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ("Service", {"spec": {"type": "x", "ports": [{"port": 1}]}}, 'spec.type: Unsupported value: "x": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
    ("Service", {"spec": {"type": "ExternalName"}}, "spec.externalName: Required value"),
    ("Ingress", {"spec": {}}, "spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified"),
    ("Ingress", {"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}, "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"),
    ("Ingress", {"spec": {"rules": [{"host": "1.2.3.4"}]}}, 'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'),
    ("Ingress", {"spec": {"defaultBackend": {"service": {"name": "s"}}}}, "spec.defaultBackend.service.port: Required value: port name or number is required"),
    ("IngressClass", {"spec": {"controller": "nopath"}}, 'spec.controller: Invalid value: "nopath": must be a domain-prefixed path (such as "acme.io/foo")'),
    ("PodDisruptionBudget", {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, 'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable are mutually exclusive'),
    ("PodDisruptionBudget", {"spec": {"minAvailable": "110%"}}, 'spec.minAvailable: Invalid value: "110%": must not be greater than 100%'),
    ("Role", rule((), apiGroups=[""], resources=["pods"]), "rules[0].verbs: Required value: verbs must contain at least one value"),
    ("Role", rule(nonResourceURLs=["/x"]), 'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'),
    ("ClusterRole", rule(resources=["pods"]), "rules[0].apiGroups: Required value: resource rules must supply at least one api group"),
    ("RoleBinding", {"roleRef": {"kind": "Pod", "name": "r"}}, 'roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"'),
    ("ClusterRoleBinding", {"roleRef": ROLE_REF, "subjects": [{"kind": "ServiceAccount", "name": "s"}]}, "subjects[0].namespace: Required value"),
    ("SubjectAccessReview", {"spec": {"resourceAttributes": {}}}, 'spec.user: Invalid value: "": at least one of user or group must be specified'),
    ("SelfSubjectAccessReview", {"spec": {}}, "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "expected"), INVALID)
def test_what_is_wrong(kind, body, expected):
    assert found(kind, body) == [expected]


def test_names_of_services_are_dns_labels_and_of_roles_path_segments():
    ports = {"spec": {"ports": [{"port": 1}]}}
    (message,) = found("Service", ports, name="1web")
    assert message.startswith('metadata.name: Invalid value: "1web": a DNS-1035 label must consist of')
    assert found("Role", rule(apiGroups=[""], resources=["pods"]), name="system:some:Role") == []
    assert found("Role", {}, name="a/b") == ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]


FROZEN = "field is immutable when `immutable` is set"
FORBIDDEN_CHANGES = [
    ("ConfigMap", {"immutable": True, "data": {"a": "1"}}, {"immutable": True, "data": {"a": "2"}}, f"data: Forbidden: {FROZEN}"),
    ("Secret", {"immutable": True}, {}, f"immutable: Forbidden: {FROZEN}"),
    ("Secret", {"type": "a"}, {"type": "b"}, 'type: Invalid value: "b": field is immutable'),
    ("Deployment", {"spec": WORKLOAD}, {"spec": {**WORKLOAD, "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}}}, 'spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Exists"}]}: field is immutable'),
    ("Service", {"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1}]}}, {"spec": {"clusterIP": "10.0.0.2", "ports": [{"port": 1}]}}, 'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'),
    ("Node", {"spec": {"podCIDR": "10.0.0.0/24"}}, {"spec": {"podCIDR": "10.0.1.0/24"}}, 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
    ("StatefulSet", {"spec": WORKLOAD}, {"spec": {**WORKLOAD, "serviceName": "other"}}, "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"),
    ("RoleBinding", {"roleRef": ROLE_REF}, {"roleRef": {**ROLE_REF, "name": "s"}}, 'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"s"}: cannot change roleRef'),
    ("ControllerRevision", {"data": {"a": 1}}, {"data": {"a": 2}}, 'data: Invalid value: {"a":2}: field is immutable'),
    ("EndpointSlice", {"addressType": "IPv4"}, {"addressType": "IPv6"}, 'addressType: Invalid value: "IPv6": field is immutable'),
    ("IngressClass", {"spec": {"controller": "a.b/c"}}, {"spec": {"controller": "a.b/d"}}, 'spec.controller: Invalid value: "a.b/d": field is immutable'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "after", "expected"), FORBIDDEN_CHANGES)
def test_what_may_not_change(kind, before, after, expected):
    assert changed(kind, before, after) == [expected]


def service(**spec):
    return build("Service", {"spec": {"ports": [{"port": 80}], **spec}})


def test_what_was_allocated_to_a_service_survives_an_update_that_leaves_it_out():
    old = service(type="NodePort", clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])
    old["spec"]["ports"][0]["nodePort"] = 30080
    new = service(type="NodePort")
    strategy_for(ROWS["Service"].gvr).prepare_update(new, old)
    assert new["spec"]["clusterIPs"] == ["10.0.0.1"]
    assert new["spec"]["ports"][0]["nodePort"] == 30080


def test_a_service_that_changes_its_type_gives_up_what_only_the_old_type_had():
    old = service(type="NodePort", clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])
    old["spec"]["ports"][0]["nodePort"] = 30080
    new = meta.mutable_copy(old)
    new["spec"]["type"] = "ClusterIP"
    strategy_for(ROWS["Service"].gvr).prepare_update(new, old)
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]
    assert new["spec"]["clusterIP"] == "10.0.0.1"


def test_events_convert_between_both_shapes_without_loss():
    from pinnace.api.core import events

    old = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"}, "involvedObject": {"name": "p"}, "message": "m", "count": 2, "reportingComponent": "c"}  # fmt: skip
    new = events.to_events_v1(old)
    assert new["apiVersion"] == "events.k8s.io/v1"
    assert (new["regarding"], new["note"], new["deprecatedCount"]) == ({"name": "p"}, "m", 2)
    assert events.to_core_v1(new) == old


def test_a_generated_name_reaches_the_label_of_a_namespace():
    namespace, strategy = build("Namespace", {}, name=""), strategy_for(ROWS["Namespace"].gvr)
    strategy.prepare_create(namespace)
    namespace["metadata"]["name"] = "gen-abcde"
    strategy.canonicalize(namespace)
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "gen-abcde"}


def test_a_client_that_knows_only_cluster_ip_may_not_change_it_either():
    before = {"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1}]}}
    after = {"spec": {**before["spec"], "clusterIP": "10.0.0.2"}}
    assert changed("Service", before, after) == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    ]


@pytest.mark.parametrize(
    ("rolling", "expected"),
    [
        ({"maxSurge": 0, "maxUnavailable": 0}, ["maxUnavailable: Required value: cannot be 0 when maxSurge is 0"]),
        ({"maxSurge": 1, "maxUnavailable": 1}, ["maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"]),
        ({"maxSurge": "10%", "maxUnavailable": 0}, []),
    ],
)  # fmt: skip
def test_a_daemon_set_either_surges_or_loses_pods(rolling, expected):
    spec = {**WORKLOAD, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    path = "spec.updateStrategy.rollingUpdate"
    assert found("DaemonSet", {"spec": spec}) == [f"{path}.{text}" for text in expected]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_counts_of_some_replicas_never_exceed_all(kind):
    strategy, old = strategy_for(ROWS[kind].gvr), build(kind, {"spec": WORKLOAD})
    new = {**old, "status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 1}}
    causes = strategy.validate_status_update(new, old)
    assert [f"{cause.field}: {cause.message}" for cause in causes] == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]
