"""NetworkPolicy as upstream's documentation words it, on plain objects and with no thought of speed: what rules are judged by."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pinnace.apimachinery.selectors import from_label_selector

Object = dict[str, Any]


@dataclass(frozen=True)
class Flow:
    """A connection after the service proxy has chosen the destination. protocol: TCP, UDP, SCTP or ICMP."""

    source: str
    destination: str
    protocol: str
    port: int = 0


@dataclass
class World:
    pods: list[Object]
    namespaces: dict[str, dict[str, str]]
    policies: list[Object]
    node: str

    def allows(self, flow: Flow) -> bool:
        """Whether this node lets the connection pass: it enforces for its own pods only."""
        if flow.source == flow.destination:
            return True
        return self._passes("egress", flow.source, flow.destination, flow) and self._passes(
            "ingress", flow.destination, flow.source, flow
        )

    def _passes(self, direction: str, own: str, other: str, flow: Flow) -> bool:
        mine = self._pod_at(own)
        if mine is None or mine["spec"].get("nodeName") != self.node:
            return True
        holding = [p for p in self.policies if self._holds(p, mine, direction)]
        if not holding:
            return True
        return any(
            self._rule_allows(rule, direction, policy["metadata"]["namespace"], other, flow)
            for policy in holding
            for rule in policy["spec"].get(direction) or ()
        )

    def _holds(self, policy: Object, pod: Object, direction: str) -> bool:
        spec = policy["spec"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        return (
            direction.capitalize() in types
            and policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
            and _selects(spec["podSelector"], pod["metadata"].get("labels"))
        )

    def _rule_allows(self, rule: Object, direction: str, namespace: str, other: str, flow: Flow) -> bool:
        peers = rule.get("from" if direction == "ingress" else "to")
        ports = rule.get("ports")
        return (not peers or any(self._is_peer(peer, namespace, other) for peer in peers)) and (
            not ports or any(self._is_port(port, flow) for port in ports)
        )

    def _is_peer(self, peer: Object, namespace: str, address: str) -> bool:
        if block := peer.get("ipBlock"):
            ip = ipaddress.ip_address(address)
            inside = ip in ipaddress.ip_network(block["cidr"], strict=False)
            return inside and not any(
                ip in ipaddress.ip_network(e, strict=False) for e in block.get("except") or ()
            )
        pod = self._pod_at(address)
        if pod is None:
            return False
        of = pod["metadata"]["namespace"]
        if peer.get("namespaceSelector") is None:
            fits = of == namespace
        else:
            fits = _selects(peer["namespaceSelector"], self.namespaces[of])
        return fits and (
            peer.get("podSelector") is None or _selects(peer["podSelector"], pod["metadata"].get("labels"))
        )

    def _is_port(self, port: Object, flow: Flow) -> bool:
        if flow.protocol != port.get("protocol", "TCP"):
            return False
        wanted = port.get("port")
        if wanted is None:
            return True
        if isinstance(wanted, int):
            return wanted <= flow.port <= port.get("endPort", wanted)
        pod = self._pod_at(flow.destination)
        return pod is not None and any(
            named.get("name") == wanted
            and named.get("protocol", "TCP") == flow.protocol
            and named["containerPort"] == flow.port
            for container in pod["spec"]["containers"]
            for named in container.get("ports", ())
        )

    def _pod_at(self, address: str) -> Object | None:
        return self._by_address.get(address)

    @cached_property
    def _by_address(self) -> dict[str, Object]:
        found = {}
        for pod in self.pods:
            if pod["spec"].get("hostNetwork") or pod["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            found |= dict.fromkeys(addresses(pod), pod)
        return found


def addresses(pod: Object) -> Iterable[str]:
    return [entry["ip"] for entry in pod["status"].get("podIPs", ())]


def _selects(selector: Object, labels: dict[str, str] | None) -> bool:
    return from_label_selector(selector).matches(labels or {})
