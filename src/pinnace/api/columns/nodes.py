"""Columns of nodes."""

from datetime import datetime

from pinnace.api.columns.table import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Cell,
    Column,
    TableDef,
    age,
    joined,
    name,
    wide,
)
from pinnace.api.core import nodes
from pinnace.api.meta import Object


def status_text(node: Object) -> str:
    """The STATUS cell: a Ready condition that is not True (also Unknown) reads NotReady."""
    ready = nodes.get_condition(node, "Ready")
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if nodes.is_unschedulable(node) else text


def _cells(node: Object, now: datetime) -> list[Cell]:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return [
        name(node),
        status_text(node),
        joined(nodes.roles(node)),
        age(node, now),
        info.get("kubeletVersion", ""),
        nodes.address(node, "InternalIP") or NONE,
        nodes.address(node, "ExternalIP") or NONE,
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


NODES = TableDef(
    (
        NAME,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE,
        Column("Version", description="Version of the node's kubelet."),
        wide("Internal-IP", "Address inside the cluster's network."),
        wide("External-IP", "Address from outside the cluster."),
        wide("OS-Image", "Operating system, as the node reports it from /etc/os-release."),
        wide("Kernel-Version", "Kernel, as `uname -r` prints it."),
        wide("Container-Runtime", "Name and version of the container runtime."),
    ),
    _cells,
)
