"""describe pod."""

from typing import Any

from pinnace.cli.ages import age, rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.pod_template import write_containers, write_spread
from pinnace.cli.describe.volumes import write_volumes
from pinnace.cli.describe.writer import Writer, controlled_by
from pinnace.cli.session import Session

Object = dict[str, Any]


def describe(session: Session, pod: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(pod, writer)
    spec, status = pod["spec"], pod.get("status") or {}

    def resolve(container: Object, variable: Object) -> str:
        return _resolved(pod, container, variable["valueFrom"])

    if spec.get("initContainers"):
        write_containers(
            writer,
            "Init Containers",
            spec["initContainers"],
            status.get("initContainerStatuses"),
            resolve=resolve,
        )
    write_containers(
        writer, "Containers", spec["containers"], status.get("containerStatuses"), resolve=resolve
    )
    if spec.get("ephemeralContainers"):
        write_containers(
            writer, "Ephemeral Containers", spec["ephemeralContainers"], status.get("ephemeralContainerStatuses"),
            resolve=resolve,
        )  # fmt: skip
    _conditions(pod, writer)
    write_volumes(writer, spec.get("volumes") or [])
    writer.line(f"QoS Class:\t{status.get('qosClass', '')}")
    writer.labels("Node-Selectors", spec.get("nodeSelector"))
    writer.tolerations("Tolerations", spec.get("tolerations"))
    write_spread(writer, spec.get("topologySpreadConstraints") or [])
    if show_events:
        write_events(writer, events_of(session, pod))


def _head(pod: Object, writer: Writer) -> None:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    for field, title in (
        ("priority", "Priority"),
        ("priorityClassName", "Priority Class Name"),
        ("runtimeClassName", "Runtime Class Name"),
        ("serviceAccountName", "Service Account"),
    ):
        if spec.get(field) is not None and spec[field] != "":
            writer.line(f"{title}:\t{spec[field]}")
    writer.line(
        f"Node:\t{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "Node:\t<none>"
    )
    if status.get("startTime"):
        writer.line(f"Start Time:\t{rfc1123(status['startTime'])}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    if metadata.get("deletionTimestamp") and status.get("reason") != "NodeLost":
        writer.line(f"Status:\tTerminating (lasts {age(metadata['deletionTimestamp'])})")
        writer.line(f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        writer.line(f"Status:\t{status.get('phase', '')}")
    for field in ("reason", "message"):
        if status.get(field):
            writer.line(f"{field.capitalize()}:\t{status[field]}")
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile:
        writer.line(f"SeccompProfile:\t{profile['type']}")
        if profile["type"] == "Localhost":
            writer.line(f"LocalhostProfile:\t{profile.get('localhostProfile', '')}")
    writer.line(f"IP:\t{status.get('podIP', '')}")
    addresses = status.get("podIPs") or []
    writer.line("IPs:" if addresses else "IPs:\t<none>")
    for address in addresses:
        writer.line(f"IP:\t{address['ip']}", 1)
    if controlled_by(pod):
        writer.line(f"Controlled By:\t{controlled_by(pod)}")
    if status.get("nominatedNodeName"):
        writer.line(f"NominatedNodeName:\t{status['nominatedNodeName']}")


def _conditions(pod: Object, writer: Writer) -> None:
    conditions = (pod.get("status") or {}).get("conditions") or []
    gates = pod["spec"].get("readinessGates") or []
    if gates:
        writer.line("Readiness Gates:")
        writer.line("Type\tStatus", 1)
        states = {condition["type"]: condition["status"] for condition in conditions}
        for gate in gates:
            writer.line(f"{gate['conditionType']} \t{states.get(gate['conditionType'], '<none>')} ", 1)
    if conditions:
        writer.line("Conditions:")
        writer.line("Type\tStatus", 1)
        for condition in conditions:
            writer.line(f"{condition['type']} \t{condition['status']} ", 1)


def _resolved(pod: Object, container: Object, source: Object) -> str:
    """What a fieldRef or resourceFieldRef stands for."""
    if source.get("fieldRef"):
        return _field(pod, source["fieldRef"]["fieldPath"])
    reference = source.get("resourceFieldRef") or {}
    kind, _, resource = reference.get("resource", "").partition(".")
    named = reference.get("containerName")
    if named:
        container = next((c for c in pod["spec"]["containers"] if c["name"] == named), container)
    amount = ((container.get("resources") or {}).get(kind) or {}).get(resource)
    if amount is None:
        return "node allocatable" if kind == "limits" else "0"
    return _divided(amount, reference.get("divisor") or "1", is_cpu=resource == "cpu")


def _divided(amount: str, divisor: str, *, is_cpu: bool) -> str:
    from pinnace.apimachinery import quantity

    unit = quantity.parse(divisor) or 1
    return str(-int(-quantity.parse(amount) // unit))


def _field(pod: Object, path: str) -> str:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs") or ()),
        "status.hostIPs": ",".join(entry["ip"] for entry in status.get("hostIPs") or ()),
    }
    if path in known:
        return str(known[path])
    for section in ("labels", "annotations"):
        begin = f"metadata.{section}['"
        if path.startswith(begin):
            return str((metadata.get(section) or {}).get(path[len(begin) : -2], ""))
    return ""
