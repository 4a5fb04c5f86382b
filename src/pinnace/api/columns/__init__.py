"""Printer columns: what `kubectl get` shows of each resource. Rows name the module that is imported at first use."""

from functools import cache
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.columns.table import Column as Column
from pinnace.api.columns.table import TableDef as TableDef
from pinnace.apimachinery.gvk import GVR

_TABLES: dict[GVR, str] = {
    r.CONFIG_MAPS: "config:CONFIG_MAPS",
    r.ENDPOINTS: "network:ENDPOINTS",
    r.EVENTS: "events:EVENTS",
    r.NAMESPACES: "config:NAMESPACES",
    r.NODES: "nodes:NODES",
    r.PODS: "pods:PODS",
    r.SECRETS: "config:SECRETS",
    r.SERVICE_ACCOUNTS: "config:SERVICE_ACCOUNTS",
    r.SERVICES: "network:SERVICES",
    r.MUTATING_ADMISSION_POLICIES: "policies:MUTATING_POLICIES",
    r.MUTATING_ADMISSION_POLICY_BINDINGS: "policies:BINDINGS",
    r.VALIDATING_ADMISSION_POLICIES: "policies:VALIDATING_POLICIES",
    r.VALIDATING_ADMISSION_POLICY_BINDINGS: "policies:BINDINGS",
    r.MUTATING_WEBHOOK_CONFIGURATIONS: "extensions:WEBHOOKS",
    r.VALIDATING_WEBHOOK_CONFIGURATIONS: "extensions:WEBHOOKS",
    r.CONTROLLER_REVISIONS: "workloads:CONTROLLER_REVISIONS",
    r.DAEMON_SETS: "workloads:DAEMON_SETS",
    r.DEPLOYMENTS: "workloads:DEPLOYMENTS",
    r.REPLICA_SETS: "workloads:REPLICA_SETS",
    r.LEASES: "config:LEASES",
    r.ENDPOINT_SLICES: "network:ENDPOINT_SLICES",
    r.EVENTS_V1: "events:EVENTS",
    r.INGRESS_CLASSES: "network:INGRESS_CLASSES",
    r.INGRESSES: "network:INGRESSES",
    r.POD_DISRUPTION_BUDGETS: "config:POD_DISRUPTION_BUDGETS",
    r.CLUSTER_ROLE_BINDINGS: "rbac:BINDINGS",
    r.ROLE_BINDINGS: "rbac:BINDINGS",
    r.NODE_METRICS: "metrics:METRICS",
    r.POD_METRICS: "metrics:METRICS",
}


@cache
def table_for(gvr: GVR) -> TableDef:
    """Columns of this resource; name and creation time for one that is not listed (custom resources have their own)."""
    module, _, attribute = _TABLES.get(gvr, "generic:GENERIC").partition(":")
    table: TableDef = getattr(import_module(f"pinnace.api.columns.{module}"), attribute)
    return table
