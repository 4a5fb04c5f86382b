"""describe node."""

from decimal import Decimal
from typing import Any

from pinnace.apimachinery import quantity
from pinnace.cli.ages import age, rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.errors import ServerError
from pinnace.cli.session import Session

Object = dict[str, Any]
ROLE, ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"
Amounts = dict[str, Decimal]


def describe(session: Session, node: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    name = metadata["name"]
    writer.line(f"Name:\t{name}")
    writer.line(f"Roles:\t{','.join(_roles(metadata.get('labels') or {})) or '<none>'}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"CreationTimestamp:\t{rfc1123(metadata.get('creationTimestamp'))}")
    _taints(writer, spec.get("taints") or [])
    writer.line(f"Unschedulable:\t{'true' if spec.get('unschedulable') else 'false'}")
    _lease(session, name, writer)
    _conditions(writer, status.get("conditions") or [])
    writer.line("Addresses:")
    for address in status.get("addresses") or ():
        writer.line(f"{address['type']}:\t{address['address']}", 1)
    for part in ("capacity", "allocatable"):
        if status.get(part):
            writer.line(f"{part.capitalize()}:")
            for resource in sorted(status[part]):
                writer.line(f"{resource}:\t{status[part][resource]}", 1)
    _system(writer, status.get("nodeInfo") or {})
    if spec.get("podCIDR"):
        writer.line(f"PodCIDR:\t{spec['podCIDR']}")
    if spec.get("podCIDRs"):
        writer.line(f"PodCIDRs:\t{','.join(spec['podCIDRs'])}")
    if spec.get("providerID"):
        writer.line(f"ProviderID:\t{spec['providerID']}")
    _pods(session, node, writer)
    if show_events:
        write_events(writer, _events(session, node))


def _roles(labels: Object) -> list[str]:
    roles = {key[len(ROLE) :] for key in labels if key.startswith(ROLE) and len(key) > len(ROLE)}
    if labels.get(ROLE_LABEL):
        roles.add(labels[ROLE_LABEL])
    return sorted(roles)


def _taints(writer: Writer, taints: list[Object]) -> None:
    shown = sorted(
        f"{t['key']}{'=' + t['value'] if t.get('value') else ''}:{t['effect']}" for t in taints
    ) or ["<none>"]  # fmt: skip
    for at, text in enumerate(shown):
        writer.line(f"Taints:\t{text}" if at == 0 else f"\t{text}")


def _lease(session: Session, name: str, writer: Writer) -> None:
    try:
        lease = session.http.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
    except ServerError as error:
        writer.line(f"Lease:\tFailed to get lease: {error}")
        return
    spec = lease.get("spec") or {}
    writer.line("Lease:")
    writer.line(f"HolderIdentity:\t{spec.get('holderIdentity') or '<unset>'}", 1)
    writer.line(f"AcquireTime:\t{rfc1123(spec.get('acquireTime'))}", 1)
    writer.line(f"RenewTime:\t{rfc1123(spec.get('renewTime'))}", 1)


def _conditions(writer: Writer, conditions: list[Object]) -> None:
    if not conditions:
        return
    writer.line("Conditions:")
    writer.line("Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage", 1)
    writer.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for c in conditions:
        beat, change = rfc1123(c.get("lastHeartbeatTime")), rfc1123(c.get("lastTransitionTime"))
        writer.line(
            f"{c['type']} \t{c['status']} \t{beat} \t{change} \t{c.get('reason', '')} \t{c.get('message', '')}",
            1,
        )


def _system(writer: Writer, info: Object) -> None:
    writer.line("System Info:")
    for title, field in (
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
        ("Kube-Proxy Version", "kubeProxyVersion"),
    ):
        writer.line(f"{title}:\t{info.get(field, '')}", 1)


def _events(session: Session, node: Object) -> list[Object]:
    """The kubelet names the node by its name, the controllers by its uid."""
    by_uid = events_of(session, node)
    by_name = events_of(session, node, uid=node["metadata"]["name"])
    return list({event["metadata"]["uid"]: event for event in (*by_uid, *by_name)}.values())


# --- pods and what they ask for


def _pods(session: Session, node: Object, writer: Writer) -> None:
    selector = f"spec.nodeName={node['metadata']['name']},status.phase!=Failed,status.phase!=Succeeded"
    pods = session.http.get("/api/v1/pods", {"fieldSelector": selector}).get("items") or []
    allocatable = (
        (node.get("status") or {}).get("allocatable") or (node.get("status") or {}).get("capacity") or {}
    )
    total = {name: quantity.parse(text) for name, text in allocatable.items()}
    writer.line(f"Non-terminated Pods:\t({len(pods)} in total)")
    writer.line("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge", 1)
    writer.line("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    requests: Amounts = {}
    limits: Amounts = {}
    for pod in pods:
        wanted, bound = pod_amounts(pod, "requests"), pod_amounts(pod, "limits")
        _add(requests, wanted)
        _add(limits, bound)
        cells = [
            _share(amounts, resource, total) for resource in ("cpu", "memory") for amounts in (wanted, bound)
        ]
        metadata = pod["metadata"]
        writer.line(
            f"{metadata['namespace']}\t{metadata['name']}\t\t"
            + "\t".join(cells)
            + f"\t{age(metadata.get('creationTimestamp'))}",
            1,
        )
    writer.line("Allocated resources:")
    writer.line("(Total limits may be over 100 percent, i.e., overcommitted.)", 1)
    writer.line("Resource\tRequests\tLimits", 1)
    writer.line("--------\t--------\t------", 1)
    for resource in ("cpu", "memory", "ephemeral-storage"):
        writer.line(f"{resource}\t{_share(requests, resource, total)}\t{_share(limits, resource, total)}", 1)
    for resource in sorted(total):
        if resource.startswith("hugepages-"):
            writer.line(
                f"{resource}\t{_share(requests, resource, total)}\t{_share(limits, resource, total)}", 1
            )
    for resource in sorted(total):
        if "/" in resource:
            writer.line(f"{resource}\t{_text(requests, resource)}\t{_text(limits, resource)}", 1)


def pod_amounts(pod: Object, part: str) -> Amounts:
    """Requests or limits of a whole pod: containers and sidecars together, or the largest init container."""
    spec = pod["spec"]
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _of(container, part))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        moment = dict(sidecars)
        _add(moment, _of(container, part))
        if container.get("restartPolicy") == "Always":
            sidecars = moment
        peak = {
            name: max(peak.get(name, Decimal(0)), moment.get(name, Decimal(0))) for name in {*peak, *moment}
        }
    _add(total, sidecars)
    for name, amount in peak.items():
        total[name] = max(total.get(name, Decimal(0)), amount)
    if part == "requests":
        _add(total, {name: quantity.parse(text) for name, text in (spec.get("overhead") or {}).items()})
    return total


def _of(container: Object, part: str) -> Amounts:
    stated = (container.get("resources") or {}).get(part) or {}
    return {name: quantity.parse(text) for name, text in stated.items()}


def _add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def _share(amounts: Amounts, resource: str, total: Amounts) -> str:
    amount, whole = amounts.get(resource, Decimal(0)), total.get(resource, Decimal(0))
    percent = int(amount * 100 / whole) if whole else 0
    return f"{_text(amounts, resource)} ({percent}%)"


def _text(amounts: Amounts, resource: str) -> str:
    amount = amounts.get(resource, Decimal(0))
    return quantity.format_quantity(
        amount, "binary" if resource in ("memory", "ephemeral-storage") else "decimal"
    )
