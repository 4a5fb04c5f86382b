"""describe network policy, ingress class, endpoint slice, and the ranges and addresses of services."""

from typing import Any

from pinnace.apimachinery.times import parse_time
from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.selectors_text import of_label_selector
from pinnace.cli.session import Session

Object = dict[str, Any]


def _head(obj: Object, writer: Writer) -> None:
    metadata = obj["metadata"]
    writer.line(f"Name:\t{metadata['name']}")
    if metadata.get("namespace"):
        writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))


# --- network policies


def describe_policy(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec = obj["metadata"], obj["spec"]
    created = parse_time(metadata["creationTimestamp"]).astimezone()
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.line(f"Created on:\t{created.strftime('%Y-%m-%d %H:%M:%S %z %Z')}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line("Spec:")
    everybody = "<none> (Allowing the specific traffic to all pods in this namespace)"
    writer.line(f"PodSelector:     {of_label_selector(spec.get('podSelector'), empty=everybody)}", 1)
    types = spec.get("policyTypes") or []
    for kind, way, direction, end in (
        ("Ingress", "from", "ingress", "source"),
        ("Egress", "to", "egress", "destination"),
    ):
        if kind not in types:
            writer.line(f"Not affecting {direction} traffic", 1)
            continue
        writer.line(f"Allowing {direction} traffic:", 1)
        rules = spec.get(direction) or []
        if not rules:
            writer.line(f"<none> (Selected pods are isolated for {direction} connectivity)", 2)
        for at, rule in enumerate(rules):
            if at:
                writer.line("----------", 2)
            _policy_rule(rule, writer, way, end)
    writer.line(f"Policy Types: {', '.join(types)}", 1)


def _policy_rule(rule: Object, writer: Writer, way: str, end: str) -> None:
    ports, peers = rule.get("ports") or [], rule.get(way) or []
    for port in ports:
        protocol = port.get("protocol") or "TCP"
        if port.get("endPort") is not None:
            writer.line(f"To Port Range: {port.get('port')}-{port['endPort']}/{protocol}", 2)
        else:
            writer.line(f"To Port: {port.get('port', '<any>')}/{protocol}", 2)
    if not ports:
        writer.line("To Port: <any> (traffic allowed to all ports)", 2)
    for peer in peers:
        writer.line(f"{way.capitalize()}:", 2)
        for field, title in (("namespaceSelector", "NamespaceSelector"), ("podSelector", "PodSelector")):
            if peer.get(field) is not None:
                writer.line(f"{title}: {of_label_selector(peer[field], empty='<none>')}", 3)
        if block := peer.get("ipBlock"):
            writer.line("IPBlock:", 3)
            writer.line(f"CIDR: {block['cidr']}", 4)
            writer.line(f"Except: {', '.join(block.get('except') or ())}", 4)
    if not peers:
        writer.line(f"{way.capitalize()}: <any> (traffic not restricted by {end})", 2)


# --- ingress classes, endpoint slices


def describe_ingress_class(
    session: Session, obj: Object, writer: Writer, *, show_events: bool = True
) -> None:
    _head(obj, writer)
    spec = obj.get("spec") or {}
    writer.line(f"Controller:\t{spec.get('controller', '')}")
    if parameters := spec.get("parameters"):
        writer.line("Parameters:")
        if parameters.get("apiGroup") is not None:
            writer.line(f"APIGroup:\t{parameters['apiGroup']}", 1)
        writer.line(f"Kind:\t{parameters['kind']}", 1)
        writer.line(f"Name:\t{parameters['name']}", 1)
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_slice(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line(f"AddressType:\t{obj['addressType']}")
    ports, endpoints = obj.get("ports") or [], obj.get("endpoints") or []
    if ports:
        writer.line("Ports:")
        writer.line("Name\tPort\tProtocol", 1)
        writer.line("----\t----\t--------", 1)
    else:
        writer.line("Ports: <unset>")
    for port in ports:
        number = port["port"] if port.get("port") is not None else "<unset>"
        writer.line(f"{port.get('name') or '<unset>'}\t{number}\t{port.get('protocol', 'TCP')}", 1)
    writer.line("Endpoints:" if endpoints else "Endpoints: <none>")
    for endpoint in endpoints:
        writer.line(f"- Addresses:\t{', '.join(endpoint.get('addresses') or ()) or '<none>'}", 1)
        ready = (endpoint.get("conditions") or {}).get("ready")
        writer.line("Conditions:", 2)
        writer.line(f"Ready:\t{'<unset>' if ready is None else str(ready).lower()}", 3)
        writer.line(f"Hostname:\t{endpoint.get('hostname') or '<unset>'}", 2)
        if target := endpoint.get("targetRef"):
            writer.line(f"TargetRef:\t{target['kind']}/{target['name']}", 2)
        writer.line(f"NodeName:\t{endpoint.get('nodeName') or '<unset>'}", 2)
        writer.line(f"Zone:\t{endpoint.get('zone') or '<unset>'}", 2)
    if show_events:
        write_events(writer, events_of(session, obj))


# --- the addresses of services


def describe_range(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line(f"CIDRs:\t{', '.join((obj.get('spec') or {}).get('cidrs') or ())}")
    conditions = (obj.get("status") or {}).get("conditions") or []
    if conditions:
        writer.line("Status:")
        writer.line("Conditions:")
        writer.line("Type\tStatus\tLastTransitionTime\tReason\tMessage", 1)
        writer.line("----\t------\t------------------\t------\t-------", 1)
    for one in conditions:
        when = rfc1123(one.get("lastTransitionTime"))
        writer.line(
            f"{one['type']}\t{one['status']}\t{when}\t{one.get('reason', '')}\t{one.get('message', '')}", 1
        )
    if show_events:
        write_events(writer, events_of(session, obj))


def describe_address(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    if parent := (obj.get("spec") or {}).get("parentRef"):
        writer.line("Parent Reference:")
        for title in ("Group", "Resource", "Namespace", "Name"):
            writer.line(f"{title}:\t{parent.get(title.lower(), '')}", 1)
    if show_events:
        write_events(writer, events_of(session, obj))
