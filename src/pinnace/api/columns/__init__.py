"""Printer columns: what `kubectl get` shows of each resource. Rows name the module that is imported at first use."""

from functools import cache
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.columns.table import Column as Column
from pinnace.api.columns.table import TableDef as TableDef
from pinnace.apimachinery.gvk import GVR

_TABLES: dict[GVR, str] = {
    r.COMPONENT_STATUSES: "config:COMPONENT_STATUSES",
    r.CONFIG_MAPS: "config:CONFIG_MAPS",
    r.ENDPOINTS: "network:ENDPOINTS",
    r.EVENTS: "events:EVENTS",
    r.LIMIT_RANGES: "limits:LIMIT_RANGES",
    r.NAMESPACES: "config:NAMESPACES",
    r.NODES: "nodes:NODES",
    r.POD_TEMPLATES: "workloads:POD_TEMPLATES",
    r.PERSISTENT_VOLUME_CLAIMS: "storage:PERSISTENT_VOLUME_CLAIMS",
    r.PERSISTENT_VOLUMES: "storage:PERSISTENT_VOLUMES",
    r.PODS: "pods:PODS",
    r.REPLICATION_CONTROLLERS: "workloads:REPLICATION_CONTROLLERS",
    r.RESOURCE_QUOTAS: "limits:RESOURCE_QUOTAS",
    r.SECRETS: "config:SECRETS",
    r.SERVICE_ACCOUNTS: "config:SERVICE_ACCOUNTS",
    r.SERVICES: "network:SERVICES",
    r.MUTATING_ADMISSION_POLICIES: "policies:MUTATING_POLICIES",
    r.MUTATING_ADMISSION_POLICY_BINDINGS: "policies:BINDINGS",
    r.VALIDATING_ADMISSION_POLICIES: "policies:VALIDATING_POLICIES",
    r.VALIDATING_ADMISSION_POLICY_BINDINGS: "policies:BINDINGS",
    r.MUTATING_WEBHOOK_CONFIGURATIONS: "extensions:WEBHOOKS",
    r.VALIDATING_WEBHOOK_CONFIGURATIONS: "extensions:WEBHOOKS",
    r.API_SERVICES: "extensions:API_SERVICES",
    r.CONTROLLER_REVISIONS: "workloads:CONTROLLER_REVISIONS",
    r.DAEMON_SETS: "workloads:DAEMON_SETS",
    r.DEPLOYMENTS: "workloads:DEPLOYMENTS",
    r.REPLICA_SETS: "workloads:REPLICA_SETS",
    r.STATEFUL_SETS: "workloads:STATEFUL_SETS",
    r.HORIZONTAL_POD_AUTOSCALERS: "autoscaling:HORIZONTAL_POD_AUTOSCALERS",
    r.HORIZONTAL_POD_AUTOSCALERS_V1: "autoscaling:HORIZONTAL_POD_AUTOSCALERS_V1",
    r.CRON_JOBS: "batch:CRON_JOBS",
    r.JOBS: "batch:JOBS",
    r.CERTIFICATE_SIGNING_REQUESTS: "certificates:CERTIFICATE_SIGNING_REQUESTS",
    r.LEASES: "config:LEASES",
    r.ENDPOINT_SLICES: "network:ENDPOINT_SLICES",
    r.EVENTS_V1: "events:EVENTS",
    r.FLOW_SCHEMAS: "flowcontrol:FLOW_SCHEMAS",
    r.PRIORITY_LEVEL_CONFIGURATIONS: "flowcontrol:PRIORITY_LEVELS",
    r.INGRESS_CLASSES: "network:INGRESS_CLASSES",
    r.INGRESSES: "network:INGRESSES",
    r.IP_ADDRESSES: "network_ranges:IP_ADDRESSES",
    r.NETWORK_POLICIES: "network_ranges:NETWORK_POLICIES",
    r.SERVICE_CIDRS: "network_ranges:SERVICE_CIDRS",
    r.POD_DISRUPTION_BUDGETS: "config:POD_DISRUPTION_BUDGETS",
    r.CLUSTER_ROLE_BINDINGS: "rbac:BINDINGS",
    r.ROLE_BINDINGS: "rbac:BINDINGS",
    r.DEVICE_CLASSES: "devices:DEVICE_CLASSES",
    r.RESOURCE_CLAIMS: "devices:RESOURCE_CLAIMS",
    r.RESOURCE_CLAIM_TEMPLATES: "devices:RESOURCE_CLAIM_TEMPLATES",
    r.RESOURCE_SLICES: "devices:RESOURCE_SLICES",
    r.CSI_DRIVERS: "storage:CSI_DRIVERS",
    r.CSI_NODES: "storage:CSI_NODES",
    r.CSI_STORAGE_CAPACITIES: "storage:CSI_STORAGE_CAPACITIES",
    r.STORAGE_CLASSES: "storage:STORAGE_CLASSES",
    r.VOLUME_ATTACHMENTS: "storage:VOLUME_ATTACHMENTS",
    r.VOLUME_ATTRIBUTES_CLASSES: "storage:VOLUME_ATTRIBUTES_CLASSES",
    r.RUNTIME_CLASSES: "limits:RUNTIME_CLASSES",
    r.PRIORITY_CLASSES: "limits:PRIORITY_CLASSES",
    r.NODE_METRICS: "metrics:METRICS",
    r.POD_METRICS: "metrics:METRICS",
}


@cache
def table_for(gvr: GVR) -> TableDef:
    """Columns of this resource; name and creation time for one that is not listed (custom resources have their own)."""
    module, _, attribute = _TABLES.get(gvr, "generic:GENERIC").partition(":")
    table: TableDef = getattr(import_module(f"pinnace.api.columns.{module}"), attribute)
    return table
