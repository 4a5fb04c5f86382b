"""An object that lacks something, or has it empty, is answered with findings: never with an exception of Python's."""

from datetime import UTC, datetime

import pytest

import kind_examples
from pinnace.api import meta
from pinnace.api.columns import table_for
from pinnace.api.resources import TABLE
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery import errors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBE = {"httpGet": {"port": 80, "httpHeaders": [{"name": "A", "value": "b"}]}, "periodSeconds": 3}
TERM = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}], "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}  # fmt: skip
POD_TERM = {"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}}  # fmt: skip
CONTAINER = {
    "name": "c",
    "image": "i",
    "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
    "env": [
        {"name": "A", "value": "b"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
        {"name": "D", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "m"}}],
    "resources": {
        "limits": {"cpu": "1"},
        "requests": {"cpu": "1"},
        "claims": [{"name": "gpu", "request": "r"}],
    },
    "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
    "restartPolicy": "Never",
    "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
    "volumeMounts": [{"name": "v0", "mountPath": "/a", "subPath": "b"}],
    "livenessProbe": PROBE,
    "lifecycle": {"preStop": {"exec": {"command": ["a"]}}},
    "securityContext": {
        "runAsUser": 1,
        "capabilities": {"add": ["X"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
POD_SPEC = {
    "containers": [CONTAINER],
    "initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always"}],
    "volumes": [
        {"name": "v0", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "v1", "configMap": {"name": "m", "items": [{"key": "a", "path": "b"}]}},
        {"name": "v2", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}},
        {"name": "v3", "hostPath": {"path": "/x"}},
        {"name": "v4", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2000-01.a:b", "lun": 1, "chapAuthSession": True}},
        {"name": "v5", "fc": {"targetWWNs": ["a"], "lun": 1}},
        {"name": "v6", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}},
    ],
    "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": TERM}],
        },
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [POD_TERM],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": POD_TERM}],
        },
    },
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
    "readinessGates": [{"conditionType": "g"}],
    "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "n"}]},
    "securityContext": {"fsGroup": 1, "sysctls": [{"name": "a.b", "value": "1"}]},
    "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}},
    "resourceClaims": [{"name": "gpu", "resourceClaimName": "g"}],
    "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["h"]}],
}  # fmt: skip
POD_STATUS = {
    "phase": "Running",
    "podIP": "1.1.1.1",
    "podIPs": [{"ip": "1.1.1.1"}],
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "initContainerStatuses": [{"name": "i", "started": True, "state": {"running": {}}}],
    "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}}, "lastState": {"terminated": {}}}],
}  # fmt: skip
WORKLOAD = {
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
}
WEBHOOK = {
    "name": "a.example.com", "clientConfig": {"service": {"namespace": "n", "name": "s", "path": "/p"}, "caBundle": "aGk="},
    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/*"], "scope": "*"}],
    "namespaceSelector": {"matchLabels": {"a": "b"}}, "objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
    "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 3, "matchConditions": [{"name": "c", "expression": "true"}],
}  # fmt: skip
FINISHING = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}  # fmt: skip
JOB = {
    "completions": 3,
    "parallelism": 2,
    "completionMode": "Indexed",
    "backoffLimitPerIndex": 1,
    "maxFailedIndexes": 1,
    "managedBy": "a.b/c",
    "selector": {"matchLabels": {"a": "b"}},
    "manualSelector": True,
    "podFailurePolicy": {
        "rules": [
            {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [1, 2]}},
            {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    },
    "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
    "template": FINISHING,
}
JOB_STATUS = {
    "active": 1,
    "ready": 1,
    "succeeded": 1,
    "failed": 1,
    "completedIndexes": "0",
    "failedIndexes": "1",
    "startTime": "2026-01-01T00:00:00Z",
    "completionTime": "2026-01-01T01:00:00Z",
    "conditions": [{"type": "Complete", "status": "True"}, {"type": "SuccessCriteriaMet", "status": "True"}],
    "uncountedTerminatedPods": {"succeeded": ["u"], "failed": ["v"]},
}
RESOURCE_METRIC = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
METRIC = {"metric": {"name": "m", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "AverageValue", "averageValue": "2"}}  # fmt: skip
RULES = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}], "stabilizationWindowSeconds": 5, "tolerance": "0.1"}  # fmt: skip
HPA = {
    "maxReplicas": 3,
    "minReplicas": 1,
    "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
    "metrics": [
        {"type": "Resource", "resource": RESOURCE_METRIC},
        {"type": "ContainerResource", "containerResource": {**RESOURCE_METRIC, "container": "c"}},
        {"type": "Pods", "pods": METRIC},
        {"type": "Object", "object": {**METRIC, "describedObject": {"kind": "Service", "name": "s"}}},
        {"type": "External", "external": METRIC},
    ],
    "behavior": {"scaleUp": RULES, "scaleDown": RULES},
    "targetCPUUtilizationPercentage": 50,
}
HPA_STATUS = {
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}},
        {"type": "Pods", "pods": {"metric": {"name": "m"}, "current": {"averageValue": "1"}}},
    ],
    "conditions": [{"type": "AbleToScale", "status": "True"}],
    "currentReplicas": 1,
}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
ADDRESS = {"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "p"}, "nodeName": "n"}
RESOURCES = {
    "resourceRules": [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "resourceNames": ["a"], "scope": "*"}],
    "excludeResourceRules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}],
    "namespaceSelector": {"matchLabels": {"a": "b"}}, "objectSelector": {"matchLabels": {"a": "b"}}, "matchPolicy": "Exact",
}  # fmt: skip
POLICY = {
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "matchConstraints": RESOURCES, "failurePolicy": "Ignore",
    "matchConditions": [{"name": "c", "expression": "has(params.data)"}],
    "variables": [{"name": "v", "expression": "object.spec.replicas"}],
}  # fmt: skip
BOUND = {
    "policyName": "p", "matchResources": RESOURCES,
    "paramRef": {"name": "a", "namespace": "b", "parameterNotFoundAction": "Allow"},
}  # fmt: skip
BODIES = {
    "ValidatingAdmissionPolicy": {
        "spec": {**POLICY, "validations": [{"expression": "variables.v > 1", "message": "m", "reason": "Invalid", "messageExpression": "'a'"}], "auditAnnotations": [{"key": "k", "valueExpression": "'a'"}]},
        "status": {"typeChecking": {"expressionWarnings": [{"fieldRef": "spec.validations[0].expression", "warning": "w"}]}, "observedGeneration": 1},
    },
    "ValidatingAdmissionPolicyBinding": {"spec": {**BOUND, "validationActions": ["Warn", "Audit"]}},
    "MutatingAdmissionPolicy": {
        "spec": {**POLICY, "reinvocationPolicy": "IfNeeded", "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}, {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/a'}]"}}]},
    },
    "MutatingAdmissionPolicyBinding": {"spec": BOUND},
    **{
        kind: {**body, **({"status": kind_examples.STATUSES[kind]} if kind in kind_examples.STATUSES else {})}
        for kind, body in kind_examples.BODIES.items()
    },
    "APIService": {"spec": {"group": "a.b", "version": "v1", "service": {"namespace": "n", "name": "s"}, "caBundle": "aGk=", "groupPriorityMinimum": 1, "versionPriority": 1}, "status": {"conditions": [{"type": "Available", "status": "True"}]}},
    "MutatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "ValidatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "Pod": {"spec": POD_SPEC, "status": POD_STATUS},
    "Deployment": {"spec": WORKLOAD},
    "ReplicaSet": {"spec": WORKLOAD},
    "DaemonSet": {"spec": WORKLOAD},
    "ReplicationController": {"spec": {**WORKLOAD, "selector": {"a": "b"}}, "status": {"replicas": 1}},
    "PodTemplate": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}},
    "StatefulSet": {
        "spec": {
            **WORKLOAD,
            "serviceName": "s",
            "ordinals": {"start": 1},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}],
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1, "maxUnavailable": "50%"}},
        },
        "status": {"replicas": 1, "readyReplicas": 1, "collisionCount": 1},
    },
    "Job": {"spec": JOB, "status": JOB_STATUS},
    "CronJob": {
        "spec": {"schedule": "0 1-3/2 * jan sun,MON", "timeZone": "Europe/Berlin", "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": JOB}},
        "status": {"active": [{"kind": "Job", "name": "j"}], "lastScheduleTime": "2026-01-01T00:00:00Z"},
    },
    "HorizontalPodAutoscaler": {"spec": HPA, "status": HPA_STATUS},
    "ComponentStatus": {"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]},
    "Secret": {"type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": "eA=="}, "stringData": {"a": "b"}},
    "ConfigMap": {"data": {"a": "b"}, "binaryData": {"c": "eA=="}},
    "Node": {
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "podCIDRs": ["10.0.0.0/24"]},
        "status": {"capacity": {"cpu": "1"}, "addresses": [{"type": "InternalIP", "address": "1.1.1.1"}], "nodeInfo": {"osImage": "x"}},
    },
    "Service": {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080, "name": "a"}], "clusterIP": "10.0.0.1", "sessionAffinity": "ClientIP", "selector": {"a": "b"}}},
    "Endpoints": {"subsets": [{"addresses": [ADDRESS], "notReadyAddresses": [ADDRESS], "ports": [{"port": 80}]}]},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}], "ports": [{"port": 80}]},
    "Event": {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "source": {"component": "c"}, "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00Z"}, "eventTime": "2026-01-01T00:00:00Z"},
    "Ingress": {"spec": {"defaultBackend": BACKEND, "tls": [{"hosts": ["h"], "secretName": "s"}], "rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]}},
    "IngressClass": {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n"}}},
    "PodDisruptionBudget": {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}},
    "Role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "ClusterRole": {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}},
    "RoleBinding": {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]},
    "ClusterRoleBinding": {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "u", "namespace": "n"}]},
    "Lease": {"spec": {"holderIdentity": "a", "renewTime": "2026-01-01T00:00:00Z", "leaseDurationSeconds": 40}},
    "ControllerRevision": {"data": {"a": 1}, "revision": 1},
    "Binding": {"target": {"kind": "Node", "name": "n"}},
    "SubjectAccessReview": {"spec": {"user": "u", "resourceAttributes": {"verb": "get"}}},
    "LocalSubjectAccessReview": {"spec": {"user": "u", "resourceAttributes": {"namespace": "default"}}},
    "SelfSubjectAccessReview": {"spec": {"nonResourceAttributes": {"path": "/"}}},
    "TokenReview": {"spec": {"token": "t"}},
    "LimitRange": {"spec": {"limits": [
        {"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
    ]}},
    "ResourceQuota": {
        "spec": {"hard": {"pods": "1"}, "scopes": ["Terminating"], "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]}},
        "status": {"hard": {"pods": "1"}, "used": {"pods": "0"}},
    },
    "PriorityClass": {"value": 5, "globalDefault": True, "description": "d", "preemptionPolicy": "Never"},
    "RuntimeClass": {"handler": "h", "overhead": {"podFixed": {"cpu": "1"}}, "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "operator": "Exists"}]}},
    "NodeMetrics": {"usage": {"cpu": "1"}},
    "PodMetrics": {"containers": [{"name": "c", "usage": {"cpu": "1"}}]},
}  # fmt: skip


def example(row):
    own = {
        "name": kind_examples.NAMES.get(row.kind, "x"),
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "resourceVersion": "1",
    }
    if row.namespaced:
        own["namespace"] = "default"
    own["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}
    ]
    body = meta.mutable_copy(BODIES.get(row.kind, {}))
    return {"apiVersion": row.gvr.api_version, "kind": row.kind, "metadata": own, **body}


def places(value, path=()):
    """Every path below `value`, but the envelope."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        if (*path, key) not in (("apiVersion",), ("kind",), ("metadata",)):
            yield (*path, key)
        yield from places(entry, (*path, key))


def variants(whole):
    """The object without each of its parts, and with each of them empty or null."""
    for path in places(whole):
        for kind in ("dropped", "emptied", "null"):
            obj = meta.mutable_copy(whole)
            parent = obj
            for key in path[:-1]:
                parent = parent[key]
            if kind == "dropped":
                del parent[path[-1]]
            elif kind == "emptied":
                parent[path[-1]] = type(parent[path[-1]])()
            elif isinstance(parent, dict):
                parent[path[-1]] = None
            yield obj


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.gvr.qualified)
def test_whatever_is_missing(row):
    strategy, table = strategy_for(row.gvr), table_for(row.gvr)
    whole = example(row)
    strategy.default(whole)
    for obj in variants(example(row)):
        try:
            strategy.default(obj)
        except errors.BadRequest:
            continue
        table.cells({**obj, "metadata": {"name": "x", **obj["metadata"]}}, NOW)
        strategy.field_labels(obj)
        updated, status_updated, created = (meta.mutable_copy(obj) for _ in range(3))
        strategy.prepare_create(created)
        strategy.validate(created)
        strategy.warnings(created)
        strategy.prepare_update(updated, whole)
        strategy.validate_update(updated, whole)
        strategy.prepare_status_update(status_updated, whole)
        strategy.validate_status_update(status_updated, whole)
