"""Nodes and pods of the scheduler's benchmark: the variants that upstream's own benchmark of its scheduler measures."""

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ZONES, GROUPS = 10, 50
VARIANTS = {
    "plain": "100m and 128Mi, nothing else",
    "services": "plain pods of ten workloads, spread softly by default (decisions only)",
    "nodeaffinity": "required node affinity to three of the ten zones",
    "spread": "topology spread, maxSkew 1 over ten zones, DoNotSchedule",
    "antiaffinity": "required anti-affinity by hostname, fifty groups",
    "affinity": "required pod affinity by zone, fifty groups that attract themselves",
    "preemption": "every node is full of a pod of low priority: each pod takes the place of one",
    "churn": "plain pods while a node, a Service and a pod that fits nowhere come and go four times a second",
}


def node(number):
    name = f"node-{number:05d}"
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name, ZONE: f"zone-{number % ZONES}"}},
        "spec": {},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Bench", "message": ""}],
        },
    }


def _spec(variant, group):
    def terms(key, **labels):
        return {REQUIRED: [{"labelSelector": {"matchLabels": labels}, "topologyKey": key}]}

    match variant:
        case "spread":
            return {
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {"matchLabels": {"app": "bench"}},
                    }
                ]
            }  # fmt: skip
        case "antiaffinity":
            return {"affinity": {"podAntiAffinity": terms(HOSTNAME, bucket=group)}}
        case "affinity":
            return {"affinity": {"podAffinity": terms(ZONE, bucket=group)}}
        case "nodeaffinity":
            wanted = {"key": ZONE, "operator": "In", "values": ["zone-0", "zone-1", "zone-2"]}
            return {
                "affinity": {
                    "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}}
                }
            }
        case "preemption":
            return {"priorityClassName": "bench-high", "terminationGracePeriodSeconds": 0}
        case "victim":
            return {"priorityClassName": "bench-low", "terminationGracePeriodSeconds": 0}
    return {}


def pod(name, bucket, variant, labels=None, scheduler="default-scheduler"):
    """About 2 KB, as workloads' pods are. `bucket` is a number (or a placeholder for one below a hundred)."""
    group = f"b{bucket % GROUPS if isinstance(bucket, int) else bucket}"
    cpu = "20" if variant in ("preemption", "victim") else "100m"
    container = {
        "name": "main",
        "image": "bench:1",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "1000000"],
        "env": [{"name": f"VAR_{k}", "value": "x" * 20} for k in range(10)],
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "resources": {"requests": {"cpu": cpu, "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "bench", "bucket": group, **(labels or {})},
            "annotations": {"bench/pad": "0123456789abcdef" * 64},
        },
        "spec": {
            "containers": [container],
            "schedulerName": scheduler,
            "automountServiceAccountToken": False,
            **_spec(variant, group),
        },
    }
