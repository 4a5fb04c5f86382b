"""Objects for controller tests, as the API server would store them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery.times import format_time

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
Object = dict[str, Any]


def ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def _named(
    kind: str, api_version: str, name: str, namespace: str | None = "default", **metadata: Any
) -> Object:
    space = {"namespace": namespace} if namespace else {}
    base = {"name": name, **space, "uid": f"uid-{kind}-{name}".lower(), "resourceVersion": "1",
            "creationTimestamp": ago(1000), "generation": 1}  # fmt: skip
    return {"apiVersion": api_version, "kind": kind, "metadata": {**base, **metadata}}


def template(image: str = "busybox", **labels: str) -> Object:
    return {
        "metadata": {"labels": labels or {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def deployment(name: str = "web", replicas: int = 3, image: str = "busybox", **spec: Any) -> Object:
    obj = _named("Deployment", "apps/v1", name)
    obj["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template(image, app=name),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        **spec,
    }
    return obj


def replicaset(name: str = "web", replicas: int = 3, owner: Object | None = None, **spec: Any) -> Object:
    obj = _named("ReplicaSet", "apps/v1", name)
    if owner is not None:
        obj["metadata"]["ownerReferences"] = [meta.owner_reference(owner)]
    obj["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
        **spec,
    }
    return obj


def pod(
    name: str,
    owner: Object | None = None,
    *,
    ready: bool = True,
    node: str = "node-1",
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    ready_for: float = 100,
    ip: str = "",
    **metadata: Any,
) -> Object:
    obj = _named("Pod", "v1", name, **metadata)
    obj["metadata"]["labels"] = {"app": "web"} if labels is None else labels
    if owner is not None:
        obj["metadata"]["ownerReferences"] = [meta.owner_reference(owner)]
    obj["spec"] = {"containers": [{"name": "main", "image": "busybox"}]}
    if node:
        obj["spec"]["nodeName"] = node
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "lastTransitionTime": ago(ready_for),
    }
    obj["status"] = {"phase": phase, "conditions": [condition]}
    if ip:
        obj["status"].update(podIP=ip, podIPs=[{"ip": ip}])
    return obj


def node(name: str = "node-1", *, ready: str = "True", **metadata: Any) -> Object:
    obj = _named("Node", "v1", name, None, **metadata)
    obj["metadata"].setdefault("labels", {"kubernetes.io/hostname": name})
    obj["spec"] = {}
    obj["status"] = {
        "conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": ago(5), "lastTransitionTime": ago(500)}]
    }  # fmt: skip
    return obj


def service(name: str = "web", **spec: Any) -> Object:
    obj = _named("Service", "v1", name)
    obj["spec"] = {
        "type": "ClusterIP",
        "clusterIP": "10.43.0.5",
        "clusterIPs": ["10.43.0.5"],
        "ipFamilies": ["IPv4"],
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        **spec,
    }
    return obj


def daemonset(name: str = "agent", **spec: Any) -> Object:
    obj = _named("DaemonSet", "apps/v1", name)
    obj["spec"] = {
        "selector": {"matchLabels": {"app": name}},
        "template": template(app=name),
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "revisionHistoryLimit": 10,
        **spec,
    }
    return obj


def statefulset(name: str = "web", replicas: int = 3, image: str = "busybox", **spec: Any) -> Object:
    obj = _named("StatefulSet", "apps/v1", name)
    obj["spec"] = {
        "replicas": replicas,
        "serviceName": "nginx",
        "selector": {"matchLabels": {"app": name}},
        "template": template(image, app=name),
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "revisionHistoryLimit": 10,
        **spec,
    }
    return obj


def volume_claim(name: str, *owners: Object, **metadata: Any) -> Object:
    obj = _named("PersistentVolumeClaim", "v1", name, **metadata)
    if owners:
        obj["metadata"]["ownerReferences"] = [meta.owner_reference(owner) for owner in owners]
    obj["spec"] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return obj


def lease(name: str, renewed: str) -> Object:
    obj = _named("Lease", "coordination.k8s.io/v1", name, "kube-node-lease")
    obj["spec"] = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed}
    return obj


def namespace(name: str, *, terminating: bool = False) -> Object:
    obj = _named("Namespace", "v1", name, None)
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}
    if terminating:
        obj["metadata"]["deletionTimestamp"] = ago(1)
        obj["status"]["phase"] = "Terminating"
    return obj


def config_map(name: str, namespace: str = "default", **metadata: Any) -> Object:
    return {**_named("ConfigMap", "v1", name, namespace, **metadata), "data": {}}


def budget(name: str = "web", **spec: Any) -> Object:
    obj = _named("PodDisruptionBudget", "policy/v1", name)
    obj["spec"] = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    return obj
