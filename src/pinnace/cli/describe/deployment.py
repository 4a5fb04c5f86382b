"""describe deployment, replica set and daemon set."""

from typing import Any

from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.pod_template import pod_template_text
from pinnace.cli.describe.writer import Writer, controlled_by
from pinnace.cli.selectors_text import of_label_selector, of_map
from pinnace.cli.session import Session

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"


def describe(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Selector:\t{of_label_selector(spec.get('selector'), empty='<none>')}")
    writer.line(
        f"Replicas:\t{spec.get('replicas', 1)} desired | {status.get('updatedReplicas', 0)} updated | "
        f"{status.get('replicas', 0)} total | {status.get('availableReplicas', 0)} available | "
        f"{status.get('unavailableReplicas', 0)} unavailable"
    )
    strategy = spec.get("strategy") or {}
    writer.line(f"StrategyType:\t{strategy.get('type', '')}")
    writer.line(f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}")
    rolling = strategy.get("rollingUpdate")
    if rolling:
        writer.line(
            f"RollingUpdateStrategy:\t{rolling['maxUnavailable']} max unavailable, {rolling['maxSurge']} max surge"
        )
    pod_template_text(spec["template"], writer)
    write_conditions(writer, status.get("conditions") or [])
    old, new = _replica_sets(session, obj)
    if old or new:
        writer.line(f"OldReplicaSets:\t{_listed(old)}")
        writer.line(f"NewReplicaSet:\t{_listed(new)}")
    if show_events:
        write_events(writer, events_of(session, obj))


def write_conditions(writer: Writer, conditions: list[Object]) -> None:
    if conditions:
        writer.line("Conditions:")
        writer.line("Type\tStatus\tReason", 1)
        writer.line("----\t------\t------", 1)
    for condition in conditions:
        writer.line(f"{condition['type']} \t{condition['status']}\t{condition.get('reason', '')}", 1)


def _replica_sets(session: Session, obj: Object) -> tuple[list[Object], list[Object]]:
    """(those of former templates, the one of the present template)."""
    selector = of_label_selector(obj["spec"].get("selector"))
    path = f"/apis/apps/v1/namespaces/{obj['metadata']['namespace']}/replicasets"
    uid = obj["metadata"]["uid"]
    owned = [
        item
        for item in session.http.get(path, {"labelSelector": selector}).get("items") or ()
        if any(o.get("uid") == uid for o in item["metadata"].get("ownerReferences") or ())
    ]
    owned.sort(key=lambda item: (item["metadata"].get("creationTimestamp", ""), item["metadata"]["name"]))
    wanted = _bare(obj["spec"]["template"])
    new = [item for item in owned if _bare(item["spec"]["template"]) == wanted][:1]
    return [item for item in owned if item not in new], new


def _bare(template: Object) -> Object:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != "pod-template-hash"}
    return {**template, "metadata": {k: v for k, v in metadata.items() if v}}


def _listed(sets: list[Object]) -> str:
    shown = [
        f"{item['metadata']['name']} ({(item.get('status') or {}).get('replicas', 0)}/{item['spec'].get('replicas', 1)} replicas created)"
        for item in sets
    ]
    return ", ".join(shown) or "<none>"


def pod_counts(session: Session, obj: Object) -> str:
    """`1 Running / 0 Waiting / 0 Succeeded / 0 Failed` of the pods that the selector finds and the object owns."""
    path = f"/api/v1/namespaces/{obj['metadata']['namespace']}/pods"
    pods = session.http.get(path, {"labelSelector": _selector(obj)}).get("items") or ()
    uid = obj["metadata"]["uid"]
    phases = [
        (pod.get("status") or {}).get("phase")
        for pod in pods
        if any(o.get("uid") == uid for o in pod["metadata"].get("ownerReferences") or ())
    ]
    counts = {name: phases.count(name) for name in ("Running", "Pending", "Succeeded", "Failed")}
    return f"{counts['Running']} Running / {counts['Pending']} Waiting / {counts['Succeeded']} Succeeded / {counts['Failed']} Failed"


def describe_replica_set(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    """Replication controllers, too."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"Selector:\t{_selector(obj) or '<none>'}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    if controlled_by(obj):
        writer.line(f"Controlled By:\t{controlled_by(obj)}")
    writer.line(f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    writer.line(f"Pods Status:\t{pod_counts(session, obj)}")
    pod_template_text(spec["template"], writer)
    write_conditions(writer, status.get("conditions") or [])
    if show_events:
        write_events(writer, events_of(session, obj))


def _selector(obj: Object) -> str:
    """Replication controllers have a plain map."""
    selector = obj["spec"].get("selector")
    if obj["kind"] == "ReplicationController":
        selector = {"matchLabels": selector}
    return of_label_selector(selector)


def describe_daemon_set(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"Selector:\t{of_label_selector(spec.get('selector'), empty='<none>')}")
    writer.line(f"Node-Selector:\t{of_map((spec['template'].get('spec') or {}).get('nodeSelector'))}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    for field, title in (
        ("desiredNumberScheduled", "Desired Number of Nodes Scheduled"),
        ("currentNumberScheduled", "Current Number of Nodes Scheduled"),
        ("updatedNumberScheduled", "Number of Nodes Scheduled with Up-to-date Pods"),
        ("numberAvailable", "Number of Nodes Scheduled with Available Pods"),
        ("numberMisscheduled", "Number of Nodes Misscheduled"),
    ):
        writer.line(f"{title}: {status.get(field, 0)}")
    writer.line(f"Pods Status:\t{pod_counts(session, obj)}")
    pod_template_text(spec["template"], writer)
    if show_events:
        write_events(writer, events_of(session, obj))
