"""Pods and nodes for tests of the scheduler."""

from typing import Any

Object = dict[str, Any]


def node(name: str = "n1", *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any) -> Object:
    """more: labels, taints, unschedulable, images, allocatable (extended resources)."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **more.get("labels", {})}},
        "spec": {"taints": more.get("taints", []), "unschedulable": more.get("unschedulable", False)},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods, **more.get("allocatable", {})},
            "images": more.get("images", []),
        },
    }


def pod(name: str = "p", *, cpu: str = "", memory: str = "", **more: Any) -> Object:
    """more: namespace, labels, node, requests, ports, uid, init, and any field of the spec."""
    requests = {
        **({"cpu": cpu} if cpu else {}),
        **({"memory": memory} if memory else {}),
        **more.pop("requests", {}),
    }
    metadata: Object = {
        "name": name,
        "namespace": more.pop("namespace", "default"),
        "labels": more.pop("labels", {}),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    metadata["uid"] = more.pop("uid", f"uid-{metadata['namespace']}-{name}")
    if more.pop("terminating", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container: Object = {"name": "c", "image": more.pop("image", "app")}
    if requests:
        container["resources"] = {"requests": requests}
    if ports := more.pop("ports", None):
        container["ports"] = ports
    spec: Object = {"containers": [container], "schedulerName": "default-scheduler"}
    if bound := more.pop("node", ""):
        spec["nodeName"] = bound
    if init := more.pop("init", None):
        spec["initContainers"] = init
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, **more}}
