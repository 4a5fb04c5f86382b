"""What enforcement knows of NetworkPolicies and pods, reduced to what rules are made of. Pure.

Every address is parsed here, because it becomes part of a program for the kernel: what is not an address (or a range)
never reaches the rules, whoever wrote the object.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api import names
from pinnace.apimachinery import selectors
from pinnace.apimachinery.selectors import EVERYTHING, Selector
from pinnace.netpolicy.ranges import Range, joined, without

Object = dict[str, Any]
Key = tuple[str, str]  # namespace, name
INGRESS, EGRESS = "ingress", "egress"
PEERS = {INGRESS: "from", EGRESS: "to"}
PROTOCOLS = ("TCP", "UDP", "SCTP")
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod with addresses of its own. What ended, or lives in the node's network, is none."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    ips: tuple[str, ...]
    ports: tuple[tuple[str, str, int], ...]  # (protocol, name, number) of the named ones
    is_local: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The pods that a selector means, in one namespace or in all that have the labels."""

    namespace: str  # "": see `namespaces`
    namespaces: Selector
    pods: Selector


EVERY_POD = Group("", EVERYTHING, EVERYTHING)


@dataclass(frozen=True, slots=True)
class Port:
    """Ports of one protocol: by number, or a name that each pod resolves by itself."""

    protocol: str  # tcp | udp | sctp
    first: int = 0
    last: int = 65535
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows what comes from (goes to) any of the peers on any of the ports. None: from everybody, on everything."""

    groups: tuple[Group, ...] | None
    blocks: tuple[Range, ...] = ()
    ports: tuple[Port, ...] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A direction that is missing in `rules` is not restricted; one without rules allows nothing."""

    key: Key
    target: Group
    rules: Mapping[str, tuple[Rule, ...]]


def pod(obj: Object, node_name: str, assumed: Iterable[str] = ()) -> Pod | None:
    """`assumed`: addresses to go by instead of the status's. None for a pod without addresses of its own."""
    spec, status, metadata = obj.get("spec") or {}, obj.get("status") or {}, obj["metadata"]
    if spec.get("hostNetwork") or status.get("phase") in ENDED:
        return None
    ips = tuple(ip for ip in map(_address, tuple(assumed) or status_ips(obj)) if ip)
    if not ips:
        return None
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    is_local = spec.get("nodeName") == node_name
    return Pod(metadata.get("namespace", ""), labels, ips, tuple(_named_ports(spec)), is_local)


def status_ips(obj: Object) -> list[str]:
    status = obj.get("status") or {}
    found = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    return [text for text in found if text]


def _address(text: str) -> str:
    """Empty for what is none; a zone is not taken, because it could be any text, and becomes part of a program for the kernel."""
    try:
        return "" if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _named_ports(spec: Object) -> Iterator[tuple[str, str, int]]:
    """Ports of everything that runs as long as the pod: containers and restartable init containers."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*spec.get("containers", ()), *sidecars):
        for port in container.get("ports") or ():
            if port.get("name"):
                yield (port.get("protocol") or "TCP").lower(), port["name"], int(port["containerPort"])


def policy(obj: Object) -> Policy:
    """Raises SelectorError for a selector that the API would not have taken."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    namespace = metadata["namespace"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    rules = {
        direction: tuple(_rule(rule, PEERS[direction], namespace) for rule in spec.get(direction) or ())
        for direction in (INGRESS, EGRESS)
        if direction.capitalize() in types
    }
    target = Group(namespace, EVERYTHING, _selector(spec.get("podSelector") or {}))
    return Policy((namespace, metadata["name"]), target, rules)


def _rule(rule: Object, peers: str, namespace: str) -> Rule:
    found = [_port(port) for port in rule.get("ports") or ()]
    ports = tuple(port for port in found if port) if found else None
    if not rule.get(peers):
        return Rule(None, (), ports)
    groups: list[Group] = []
    blocks: list[Range] = []
    for peer in rule[peers]:
        if block := peer.get("ipBlock"):
            blocks += without(block.get("cidr", ""), block.get("except") or ())
        else:
            groups.append(_group(peer, namespace))
    return Rule(tuple(dict.fromkeys(groups)), tuple(joined(blocks)), ports)


def _group(peer: Object, namespace: str) -> Group:
    pods = _selector(peer["podSelector"]) if peer.get("podSelector") is not None else EVERYTHING
    if peer.get("namespaceSelector") is None:
        return Group(namespace, EVERYTHING, pods)
    return Group("", _selector(peer["namespaceSelector"]), pods)


def _selector(selector: Object) -> Selector:
    """In one order, so that selectors that mean the same share a set."""
    made = selectors.from_label_selector(selector)
    ordered = sorted(set(made.requirements), key=lambda r: (r.key, r.operator, sorted(r.values)))
    return Selector(tuple(ordered), made.nothing)


def _port(port: Object) -> Port | None:
    protocol = (port.get("protocol") or "TCP").lower()
    number = port.get("port")
    if protocol.upper() not in PROTOCOLS or (isinstance(number, str) and names.port_name(number)):
        return None  # the API takes no such port
    if number is None:
        return Port(protocol)
    if isinstance(number, str):
        return Port(protocol, name=number)
    return Port(protocol, number, port.get("endPort") or number)
