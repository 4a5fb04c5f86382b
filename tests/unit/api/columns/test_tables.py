"""Cells of the other kinds; `KIND: object -> cells` as kubectl would print them."""

from datetime import UTC, datetime

import pytest

from pinnace.api import resources as r
from pinnace.api.columns import table_for

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}}
WIDE = ["a,b", "i:1,j", "app=web,tier in (x,y)"]
SELECTOR = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["y", "x"]}],
}


def subset(count):
    return {"addresses": [{"ip": f"10.0.0.{i}"} for i in range(count)], "ports": [{"port": 80}]}


CASES = [
    (
        r.DEPLOYMENTS,
        {"spec": {"replicas": 3, "selector": SELECTOR, "template": TEMPLATE}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}},
        ["x", "2/3", 3, 1, "60m", *WIDE],
    ),
    (
        r.REPLICA_SETS,
        {"spec": {"replicas": 3, "selector": SELECTOR, "template": TEMPLATE}, "status": {"replicas": 2}},
        ["x", 3, 2, 0, "60m", *WIDE],
    ),
    (
        r.DAEMON_SETS,
        {"spec": {"selector": {}, "template": TEMPLATE}, "status": {"desiredNumberScheduled": 1, "numberReady": 1}},
        ["x", 1, 0, 1, 0, 0, "<none>", "60m", "a,b", "i:1,j", "<none>"],
    ),
    (
        r.REPLICATION_CONTROLLERS,
        {"kind": "ReplicationController", "spec": {"replicas": 3, "selector": {"b": "1", "a": "2"}, "template": TEMPLATE}, "status": {"replicas": 2, "readyReplicas": 1}},
        ["x", 3, 2, 1, "60m", "a,b", "i:1,j", "a=2,b=1"],
    ),
    (r.STATEFUL_SETS, {"spec": {"replicas": 3, "template": TEMPLATE}, "status": {"readyReplicas": 1}}, ["x", "1/3", "60m", "a,b", "i:1,j"]),
    (r.POD_TEMPLATES, {"template": {**TEMPLATE, "metadata": {"labels": {"a": "b"}}}}, ["x", "a,b", "i:1,j", "a=b"]),
    (
        r.JOBS,
        {"spec": {"completions": 3, "selector": SELECTOR, "template": TEMPLATE}, "status": {"succeeded": 3, "startTime": "2026-01-01T00:30:00Z", "completionTime": "2026-01-01T00:31:00Z", "conditions": [{"type": "Complete", "status": "True"}]}},
        ["x", "Complete", "3/3", "60s", "60m", *WIDE],
    ),
    (r.JOBS, {"spec": {"parallelism": 2, "template": TEMPLATE}, "status": {"startTime": "2026-01-01T00:59:00Z"}}, ["x", "Running", "0/1 of 2", "60s", "60m", "a,b", "i:1,j", "<none>"]),
    (r.JOBS, {"spec": {"template": TEMPLATE}, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, ["x", "Suspended", "0/1", "", "60m", "a,b", "i:1,j", "<none>"]),
    (
        r.CRON_JOBS,
        {"spec": {"schedule": "@daily", "timeZone": "Etc/UTC", "jobTemplate": {"spec": {"template": TEMPLATE}}}, "status": {"active": [{}], "lastScheduleTime": "2026-01-01T00:59:00Z"}},
        ["x", "@daily", "Etc/UTC", "False", 1, "60s", "60m", "a,b", "i:1,j", "<none>"],
    ),
    (r.CRON_JOBS, {"spec": {"schedule": "* * * * *", "suspend": True}}, ["x", "* * * * *", "<none>", "True", 0, "<none>", "60m", "", "", "<none>"]),
    (
        r.HORIZONTAL_POD_AUTOSCALERS,
        {
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "minReplicas": 1,
                "maxReplicas": 5,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
                    {"type": "Pods", "pods": {"target": {"averageValue": "2"}}},
                    {"type": "External", "external": {"target": {"value": "3"}}},
                ],
            },
            "status": {"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 10}}}]},
        },
        ["x", "Deployment/d", "cpu: 10%/80%, <unknown>/2 + 1 more...", "1", 5, 2, "60m"],
    ),
    (
        r.HORIZONTAL_POD_AUTOSCALERS_V1,
        {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 5, "targetCPUUtilizationPercentage": 40}, "status": {"currentReplicas": 2, "currentCPUUtilizationPercentage": 7}},
        ["x", "Deployment/d", "cpu: 7%/40%", "<unset>", 5, 2, "60m"],
    ),
    (r.COMPONENT_STATUSES, {"conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}, ["x", "Healthy", "ok", ""]),
    (
        r.CONTROLLER_REVISIONS,
        {"revision": 4, "metadata": {**META, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True}]}},
        ["x", "daemonset.apps/d", 4, "60m"],
    ),
    (
        r.SERVICES,
        {"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}], "selector": {"b": "2", "a": "1"}}},
        ["x", "NodePort", "10.0.0.1", "<none>", "80:30080/TCP,53/UDP", "60m", "a=1,b=2"],
    ),
    (r.SERVICES, {"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}, ["x", "LoadBalancer", "10.0.0.1", "<pending>", "<none>", "60m", "<none>"]),
    (r.SERVICES, {"spec": {"type": "ExternalName", "externalName": "e.x"}}, ["x", "ExternalName", "<none>", "e.x", "<none>", "60m", "<none>"]),
    (r.ENDPOINTS, {}, ["x", "<none>", "60m"]),
    (r.ENDPOINTS, {"subsets": [subset(5)]}, ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "60m"]),
    (
        r.ENDPOINT_SLICES,
        {"addressType": "IPv4", "ports": [{"port": 80}, {}], "endpoints": [{"addresses": ["10.0.0.1"]}]},
        ["x", "IPv4", "80,*", "10.0.0.1", "60m"],
    ),
    (r.ENDPOINT_SLICES, {"addressType": "IPv4"}, ["x", "IPv4", "<unset>", "<unset>", "60m"]),
    (
        r.INGRESSES,
        {"spec": {"ingressClassName": "p", "tls": [{}], "rules": [{"host": h} for h in "abcd"]}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}},
        ["x", "p", "a,b,c + 1 more...", "1.2.3.4", "80, 443", "60m"],
    ),
    (r.INGRESSES, {"spec": {"defaultBackend": {}}}, ["x", "<none>", "*", "", "80", "60m"]),
    (
        r.INGRESS_CLASSES,
        {"spec": {"controller": "a.b/c", "parameters": {"apiGroup": "g", "kind": "K", "name": "n"}}},
        ["x", "a.b/c", "K.g/n", "60m"],
    ),
    (r.CONFIG_MAPS, {"data": {"a": "b"}, "binaryData": {"c": ""}}, ["x", 2, "60m"]),
    (r.SECRETS, {"type": "Opaque"}, ["x", "Opaque", 0, "60m"]),
    (r.SERVICE_ACCOUNTS, {}, ["x", 0, "60m"]),
    (r.NAMESPACES, {"status": {"phase": "Active"}}, ["x", "Active", "60m"]),
    (r.LIMIT_RANGES, {}, ["x", "2026-01-01T00:00:00Z"]),
    (
        r.RESOURCE_QUOTAS,
        {"status": {"hard": {"pods": "5", "cpu": "1", "limits.cpu": "2"}, "used": {"pods": "2", "cpu": "500m"}}},
        ["x", "cpu: 500m/1, pods: 2/5", "limits.cpu: 0/2", "60m"],
    ),
    (r.PRIORITY_CLASSES, {"value": 7, "preemptionPolicy": "Never"}, ["x", 7, False, "60m", "Never"]),
    (r.RUNTIME_CLASSES, {"handler": "runc"}, ["x", "runc", "60m"]),
    (r.LEASES, {"spec": {"holderIdentity": "me"}}, ["x", "me", "60m"]),
    (r.POD_DISRUPTION_BUDGETS, {"spec": {"minAvailable": "50%"}}, ["x", "50%", "N/A", 0, "60m"]),
    (
        r.ROLE_BINDINGS,
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]},
        ["x", "Role/r", "60m", "u", "", "n/s"],
    ),
    (r.ROLES, {}, ["x", "2026-01-01T00:00:00Z"]),
    (
        r.NODES,
        {"spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}, "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}]}},
        ["x", "NotReady,SchedulingDisabled", "<none>", "60m", "v1.36.0", "10.1.1.1", "<none>", "<unknown>", "<unknown>", "<unknown>"],
    ),
    (
        r.EVENTS,
        {"involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"}, "type": "Normal", "reason": "Pulled", "message": " done\n", "source": {"component": "kubelet", "host": "n"}, "firstTimestamp": "2026-01-01T00:30:00Z", "lastTimestamp": "2026-01-01T00:59:55Z", "count": 3},
        ["5s", "Normal", "Pulled", "pod/p", "spec.containers{c}", "kubelet, n", "done", "30m", 3, "x"],
    ),
    (
        r.EVENTS_V1,
        {"regarding": {"kind": "Pod", "name": "p"}, "note": "n", "reportingController": "scheduler", "reportingInstance": "i", "eventTime": "2026-01-01T00:59:55.000000Z", "type": "Warning", "reason": "R"},
        ["5s", "Warning", "R", "pod/p", "", "scheduler, i", "n", "5s", 1, "x"],
    ),
    (r.NODE_METRICS, {"usage": {"cpu": "12m", "memory": "5Mi"}, "window": "10s"}, ["x", "12m", "5Mi", "10s"]),
    (
        r.POD_METRICS,
        {"containers": [{"usage": {"cpu": "12m", "memory": "5Mi"}}, {"usage": {"cpu": "1m", "memory": "1Mi"}}], "window": "10s"},
        ["x", "13m", "6Mi", "10s"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("gvr", "obj", "expected"), CASES, ids=lambda value: getattr(value, "resource", ""))
def test_cells(gvr, obj, expected):
    table = table_for(gvr)
    assert table.cells({"metadata": META, **obj}, NOW) == expected
    assert len(table.columns) == len(expected)


@pytest.mark.parametrize("row", [row for row in r.TABLE if row.is_stored], ids=lambda row: row.gvr.qualified)
def test_a_bare_object_can_always_be_shown(row):
    table = table_for(row.gvr)
    cells = table.cells({"metadata": {"name": "x"}, "spec": {}}, NOW)
    assert len(cells) == len(table.columns)
    assert "x" in cells
