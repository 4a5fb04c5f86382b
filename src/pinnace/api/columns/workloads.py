"""Columns of workloads: what keeps pods of one template running, and the templates themselves."""

from datetime import datetime
from typing import Any

from pinnace.api import label_selectors, meta
from pinnace.api.columns.table import (
    AGE,
    NAME,
    NONE,
    Cell,
    Column,
    TableDef,
    age,
    labels_text,
    name,
    number,
    wide,
)
from pinnace.api.meta import Object
from pinnace.apimachinery import selectors
from pinnace.apimachinery.gvk import parse_api_version

CONTAINERS = wide("Containers", "Names of each container in the template.")
IMAGES = wide("Images", "Images referenced by each container in the template.")
SELECTOR = wide("Selector", "The label selector that finds the pods; it matches the labels of the template.")


def template_cells(obj: Object) -> list[Cell]:
    """Containers, images and selector: the wide cells of every workload."""
    spec = obj.get("spec") or {}
    containers: list[dict[str, Any]] = ((spec.get("template") or {}).get("spec") or {}).get(
        "containers"
    ) or []
    return [
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
        selectors.to_text(label_selectors.of(obj)) or NONE,
    ]


def _status(obj: Object, *fields: str) -> list[Cell]:
    status = obj.get("status") or {}
    return [status.get(field, 0) for field in fields]


def _deployment(obj: Object, now: datetime) -> list[Cell]:
    ready = (obj.get("status") or {}).get("readyReplicas", 0)
    desired = (obj.get("spec") or {}).get("replicas", 0)
    counts = _status(obj, "updatedReplicas", "availableReplicas")
    return [name(obj), f"{ready}/{desired}", *counts, age(obj, now), *template_cells(obj)]


def _replica_set(obj: Object, now: datetime) -> list[Cell]:
    desired = (obj.get("spec") or {}).get("replicas", 0)
    return [
        name(obj), desired, *_status(obj, "replicas", "readyReplicas"), age(obj, now), *template_cells(obj),
    ]  # fmt: skip


def _daemon_set(obj: Object, now: datetime) -> list[Cell]:
    counts = _status(
        obj,
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    pod_spec = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [
        name(obj), *counts, labels_text(pod_spec.get("nodeSelector")), age(obj, now), *template_cells(obj),
    ]  # fmt: skip


def _controller_revision(obj: Object, now: datetime) -> list[Cell]:
    controller = meta.controller_of(obj)
    owner = NONE
    if controller is not None:
        group, _ = parse_api_version(controller.get("apiVersion", ""))
        kind = ".".join(filter(None, (controller.get("kind", "").lower(), group)))
        owner = f"{kind}/{controller.get('name', '')}"
    return [name(obj), owner, obj.get("revision", 0), age(obj, now)]


def _stateful_set(obj: Object, now: datetime) -> list[Cell]:
    ready = (obj.get("status") or {}).get("readyReplicas", 0)
    desired = (obj.get("spec") or {}).get("replicas", 0)
    return [name(obj), f"{ready}/{desired}", age(obj, now), *template_cells(obj)[:2]]


def _pod_template(obj: Object, now: datetime) -> list[Cell]:
    template = obj.get("template") or {}
    cells = template_cells({"spec": {"template": template}})[:2]
    return [name(obj), *cells, labels_text((template.get("metadata") or {}).get("labels"))]


DEPLOYMENTS = TableDef(
    (
        NAME,
        Column("Ready", description="Number of the pod with ready state"),
        Column("Up-to-date", description="Pods of the latest template."),
        Column("Available", description="Pods that have been ready for at least minReadySeconds."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _deployment,
)
REPLICA_SETS = TableDef(
    (
        NAME,
        number("Desired", "How many pods there should be."),
        number("Current", "How many pods there are."),
        number("Ready", "How many of them are ready."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _replica_set,
)
REPLICATION_CONTROLLERS = TableDef(REPLICA_SETS.columns, _replica_set)
STATEFUL_SETS = TableDef(
    (NAME, Column("Ready", description="Number of the pod with ready state"), AGE, CONTAINERS, IMAGES),
    _stateful_set,
)
POD_TEMPLATES = TableDef(
    (
        NAME,
        Column("Containers", description="Names of each container in the template."),
        Column("Images", description="Images referenced by each container in the template."),
        Column("Pod Labels", description="The labels that pods of the template have."),
    ),
    _pod_template,
)
DAEMON_SETS = TableDef(
    (
        NAME,
        number("Desired", "Nodes that should run the daemon pod."),
        number("Current", "Nodes that should run it, and do."),
        number("Ready", "Nodes whose daemon pod is ready."),
        number("Up-to-date", "Nodes whose daemon pod has the latest template."),
        number("Available", "Nodes whose daemon pod has been ready for at least minReadySeconds."),
        Column("Node Selector", description="Labels that a node must have for the pod to run on it."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _daemon_set,
)
CONTROLLER_REVISIONS = TableDef(
    (
        NAME,
        Column("Controller", description="Controller of the object"),
        number("Revision", "The place of this state in the history of its controller."),
        AGE,
    ),
    _controller_revision,
)
