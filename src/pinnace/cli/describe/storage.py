"""describe persistent volume, claim, storage class."""

from collections.abc import Iterable
from typing import Any

from pinnace.api.core.volume_rules import access_text, class_of
from pinnace.api.storage.storageclasses import is_default
from pinnace.cli.ages import age, rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.volumes import source_lines
from pinnace.cli.describe.writer import Writer, boolean
from pinnace.cli.errors import ServerError
from pinnace.cli.session import Session

Object = dict[str, Any]


def describe_volume(session: Session, volume: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = volume["metadata"], volume["spec"], volume.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Finalizers:\t{_bracketed(metadata.get('finalizers'))}")
    writer.line(f"StorageClass:\t{class_of(volume) or ''}")
    _status(writer, volume)
    reference = spec.get("claimRef")
    claim = f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""
    writer.line(f"Claim:\t{claim}")
    writer.line(f"Reclaim Policy:\t{spec.get('persistentVolumeReclaimPolicy', '')}")
    writer.line(f"Access Modes:\t{access_text(spec.get('accessModes'))}")
    if spec.get("volumeMode"):
        writer.line(f"VolumeMode:\t{spec['volumeMode']}")
    writer.line(f"Capacity:\t{(spec.get('capacity') or {}).get('storage', '0')}")
    _node_affinity(writer, spec.get("nodeAffinity"))
    writer.line(f"Message:\t{status.get('message', '')}")
    writer.line("Source:")
    for line in source_lines(spec):
        writer.line(line, 2)
    if show_events:
        write_events(writer, events_of(session, volume))


def _bracketed(entries: Iterable[str] | None) -> str:
    return f"[{' '.join(entries or ())}]"


def _status(writer: Writer, obj: Object) -> None:
    deleted = obj["metadata"].get("deletionTimestamp")
    shown = f"Terminating (lasts {age(deleted)})" if deleted else (obj.get("status") or {}).get("phase", "")
    writer.line(f"Status:\t{shown}")


def _node_affinity(writer: Writer, affinity: Object | None) -> None:
    required = (affinity or {}).get("required")
    if required is None:
        writer.line("Node Affinity:\t<none>")
        return
    writer.line("Node Affinity:\t")
    terms = required.get("nodeSelectorTerms") or []
    writer.line("Required Terms:\t" + ("" if terms else "<none>"), 1)
    for number, term in enumerate(terms):
        _expressions(writer, f"Term {number}:\t", term.get("matchExpressions") or [], 2)


def _expressions(writer: Writer, title: str, expressions: list[Object], level: int) -> None:
    if not expressions:
        writer.line(f"{title}<none>", level)
    for at, one in enumerate(expressions):
        text = f"{one['key']} {one.get('operator', 'in').lower()}"
        if one.get("values"):
            text += f" [{', '.join(one['values'])}]"
        writer.line((title if at == 0 else "\t") + text, level)


def describe_claim(session: Session, claim: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = claim["metadata"], claim["spec"], claim.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"StorageClass:\t{class_of(claim) or ''}")
    _status(writer, claim)
    writer.line(f"Volume:\t{spec.get('volumeName', '')}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Finalizers:\t{_bracketed(metadata.get('finalizers'))}")
    bound = bool(spec.get("volumeName"))
    writer.line(f"Capacity:\t{(status.get('capacity') or {}).get('storage', '0') if bound else ''}")
    writer.line(f"Access Modes:\t{access_text(status.get('accessModes')) if bound else ''}")
    if spec.get("volumeMode"):
        writer.line(f"VolumeMode:\t{spec['volumeMode']}")
    if source := spec.get("dataSource"):
        writer.line("DataSource:")
        if source.get("apiGroup") is not None:
            writer.line(f"APIGroup:\t{source['apiGroup']}", 1)
        writer.line(f"Kind:\t{source['kind']}", 1)
        writer.line(f"Name:\t{source['name']}", 1)
    _lines(writer, "Used By", _users(session, claim))
    _conditions(writer, status.get("conditions") or [])
    if show_events:
        write_events(writer, events_of(session, claim))


def _lines(writer: Writer, title: str, entries: list[str]) -> None:
    for at, entry in enumerate(entries or ["<none>"]):
        writer.line(f"{title}:\t{entry}" if at == 0 else f"\t{entry}")


def _users(session: Session, claim: Object) -> list[str]:
    """Pods that mount the claim, and the pod that owns it."""
    metadata = claim["metadata"]
    try:
        pods = session.http.get(f"/api/v1/namespaces/{metadata['namespace']}/pods")["items"]
    except ServerError:
        return []
    owners = {one["uid"] for one in metadata.get("ownerReferences") or () if one.get("kind") == "Pod"}

    def mounts(pod: Object) -> bool:
        sources = (one.get("persistentVolumeClaim") or {} for one in pod["spec"].get("volumes") or ())
        return any(source.get("claimName") == metadata["name"] for source in sources)

    mounting = [pod["metadata"]["name"] for pod in pods if mounts(pod)]
    owning = [pod["metadata"]["name"] for pod in pods if pod["metadata"]["uid"] in owners and not mounts(pod)]
    return mounting + owning


def _conditions(writer: Writer, conditions: list[Object]) -> None:
    if not conditions:
        return
    writer.line("Conditions:")
    writer.line("Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage", 1)
    writer.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for one in conditions:
        times = [rfc1123(one.get(field)) for field in ("lastProbeTime", "lastTransitionTime")]
        cells = [one["type"], one["status"], *times, one.get("reason", ""), one.get("message", "")]
        writer.line(" \t".join(cells), 1)


def describe_class(
    session: Session, storage_class: Object, writer: Writer, *, show_events: bool = True
) -> None:
    writer.line(f"Name:\t{storage_class['metadata']['name']}")
    writer.line(f"IsDefaultClass:\t{'Yes' if is_default(storage_class) else 'No'}")
    writer.line(f"Annotations:\t{_pairs(storage_class['metadata'].get('annotations'))}")
    writer.line(f"Provisioner:\t{storage_class['provisioner']}")
    writer.line(f"Parameters:\t{_pairs(storage_class.get('parameters'))}")
    grows = storage_class.get("allowVolumeExpansion")
    writer.line(f"AllowVolumeExpansion:\t{'<unset>' if grows is None else boolean(grows)}")
    if options := storage_class.get("mountOptions"):
        writer.line("MountOptions:")
        for option in options:
            writer.line(option, 1)
    else:
        writer.line("MountOptions:\t<none>")
    for title, field in (("ReclaimPolicy", "reclaimPolicy"), ("VolumeBindingMode", "volumeBindingMode")):
        if storage_class.get(field):
            writer.line(f"{title}:\t{storage_class[field]}")
    if storage_class.get("allowedTopologies") is not None:
        _topologies(writer, storage_class["allowedTopologies"])
    if show_events:
        write_events(writer, events_of(session, storage_class))


def _topologies(writer: Writer, terms: list[Object]) -> None:
    writer.line("AllowedTopologies:\t" + ("" if terms else "<none>"))
    for number, term in enumerate(terms):
        _expressions(writer, f"Term {number}:\t", term.get("matchLabelExpressions") or [], 1)


def _pairs(entries: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((entries or {}).items())) or "<none>"


def describe_attributes_class(
    session: Session, obj: Object, writer: Writer, *, show_events: bool = True
) -> None:
    writer.line(f"Name:\t{obj['metadata']['name']}")
    writer.line(f"Annotations:\t{_pairs(obj['metadata'].get('annotations'))}")
    writer.line(f"DriverName:\t{obj['driverName']}")
    writer.line(f"Parameters:\t{_pairs(obj.get('parameters'))}")
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_csi_node(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    writer.line("Spec:")
    if drivers := obj["spec"].get("drivers"):
        writer.line("Drivers:", 1)
        for driver in drivers:
            writer.line(f"{driver['name']}:", 2)
            writer.line(f"Node ID:\t{driver['nodeID']}", 3)
            if (count := (driver.get("allocatable") or {}).get("count")) is not None:
                writer.line("Allocatables:", 3)
                writer.line(f"Count:\t{count}", 4)
            if driver.get("topologyKeys"):
                writer.line(f"Topology Keys:\t[{' '.join(driver['topologyKeys'])}]", 3)
    if show_events:
        write_events(writer, events_of(session, obj))
