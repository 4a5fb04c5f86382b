"""From Service ports to nftables objects: pure.

The shape of the table, after upstream's nftables mode:
- a verdict map from (address, protocol, port) to the chain of a Service port, one from (protocol, node port);
- a chain per Service port that picks an endpoint at random (or the one this client had, with session affinity);
- a chain per endpoint that remembers the client and rewrites the destination;
- traffic that must come back this way (hairpin, from outside the pod network, node ports) is marked and masqueraded;
- Service ports without endpoints stand in a map whose verdict is to reject.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pinnace.proxy.model import Endpoint, HostPort, ServicePort

MASQUERADE_MARK = "0x4000"
SERVICES, NODE_PORTS = "service-ips", "service-nodeports"
NO_ENDPOINTS, NO_NODE_PORT_ENDPOINTS = "no-endpoint-services", "no-endpoint-nodeports"
MAPS = {
    SERVICES: "type ipv4_addr . inet_proto . inet_service : verdict",
    NODE_PORTS: "type inet_proto . inet_service : verdict",
    NO_ENDPOINTS: "type ipv4_addr . inet_proto . inet_service : verdict",
    NO_NODE_PORT_ENDPOINTS: "type inet_proto . inet_service : verdict",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """nftables objects by name: chains with their rules, sets with their definitions, elements of the maps."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    elements: dict[tuple[str, str], str] = field(default_factory=dict)  # (map, key) -> verdict


NOTHING = Rules()


def of_ports(ports: Iterable[ServicePort], pod_cidr: str) -> Rules:
    """The objects of one Service."""
    rules = Rules()
    for port in ports:
        _add_port(rules, port, pod_cidr)
    return rules


def of_host_ports(ports: Iterable[HostPort]) -> Rules:
    """The objects of one pod's host ports; its own connections to them are masqueraded, so that answers come back."""
    rules = Rules()
    for port in ports:
        chain = chain_name("hostport", f"{port.namespace}/{port.pod}/{port.protocol}/{port.host_port}")
        hairpin = f"ip saddr {port.pod_ip} jump mark-for-masquerade"
        rules.chains[chain] = (hairpin, f"meta l4proto {port.protocol} dnat to {port.pod_ip}:{port.port}")
        if port.host_ip:
            rules.elements[SERVICES, f"{port.host_ip} . {port.protocol} . {port.host_port}"] = f"goto {chain}"
        else:
            rules.elements[NODE_PORTS, f"{port.protocol} . {port.host_port}"] = f"goto {chain}"
    return rules


def _add_port(rules: Rules, port: ServicePort, pod_cidr: str) -> None:
    inside, outside = port.for_cluster(), port.for_outside()
    for endpoint in {*inside, *outside}:
        _add_endpoint(rules, port, endpoint)
    internal, external = chain_name("service", port.label), chain_name("external", port.label)
    if inside:
        addresses = ", ".join(port.cluster_ips)
        mark = f"ip daddr {{ {addresses} }} ip saddr != {pod_cidr} jump mark-for-masquerade"
        rules.chains[internal] = (mark, *_balance(port, inside))
    if outside and (port.external_ips or port.node_port):
        rules.chains[external] = (*_outside_rules(port), *_balance(port, outside))
    for ip in port.cluster_ips:
        key = f"{ip} . {port.protocol} . {port.port}"
        _point(rules, SERVICES, NO_ENDPOINTS, key, internal if inside else "")
    for ip in port.external_ips:
        key = f"{ip} . {port.protocol} . {port.port}"
        _point(rules, SERVICES, NO_ENDPOINTS, key, external if outside else "")
    if port.node_port:
        key = f"{port.protocol} . {port.node_port}"
        _point(rules, NODE_PORTS, NO_NODE_PORT_ENDPOINTS, key, external if outside else "")


def _point(rules: Rules, usable: str, empty: str, key: str, chain: str) -> None:
    if chain:
        rules.elements[usable, key] = f"goto {chain}"
    else:
        rules.elements[empty, key] = "goto reject-chain"


def _outside_rules(port: ServicePort) -> tuple[str, ...]:
    found = []
    if port.source_ranges and port.external_ips:
        allowed, addresses = ", ".join(port.source_ranges), ", ".join(port.external_ips)
        found.append(f"ip daddr {{ {addresses} }} ip saddr != {{ {allowed} }} drop")
    if not port.external_local:
        found.append("jump mark-for-masquerade")
    return tuple(found)


def _balance(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
    chains = [endpoint_chain(port, endpoint) for endpoint in endpoints]
    sticky = (
        tuple(f"ip saddr @{_affinity_set(chain)} goto {chain}" for chain in chains)
        if port.affinity_seconds
        else ()
    )
    choices = ", ".join(f"{number} : goto {chain}" for number, chain in enumerate(chains))
    return (*sticky, f"numgen random mod {len(chains)} vmap {{ {choices} }}")


def _add_endpoint(rules: Rules, port: ServicePort, endpoint: Endpoint) -> None:
    chain = endpoint_chain(port, endpoint)
    remember: tuple[str, ...] = ()
    if port.affinity_seconds:
        name = _affinity_set(chain)
        rules.sets[name] = f"type ipv4_addr; flags dynamic,timeout; timeout {port.affinity_seconds}s;"
        remember = (f"update @{name} {{ ip saddr }}",)
    hairpin = f"ip saddr {endpoint.ip} jump mark-for-masquerade"
    rules.chains[chain] = (
        hairpin,
        *remember,
        f"meta l4proto {port.protocol} dnat to {endpoint.ip}:{endpoint.port}",
    )


def chain_name(kind: str, label: str) -> str:
    """At most 128 characters; unique by the hash, readable by the rest."""
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{kind}-{digest}-{label}"[:100]


def endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    return chain_name("endpoint", f"{port.label}__{endpoint.ip}/{endpoint.port}")


def _affinity_set(chain: str) -> str:
    return chain.replace("endpoint-", "affinity-", 1)


def base_table(family_table: str, pod_cidr: str) -> str:
    """The part of the table that does not depend on Services. `family_table` is like `ip pinnace`."""
    maps = "\n".join(f"  map {name} {{ {definition}; }}" for name, definition in MAPS.items())
    return f"""\
add table {family_table}
delete table {family_table}
table {family_table} {{
{maps}
  chain mark-for-masquerade {{ meta mark set meta mark or {MASQUERADE_MARK}; }}
  chain reject-chain {{ reject; }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @{SERVICES}
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @{NODE_PORTS}
  }}
  chain endpoints-check {{
    ip daddr . meta l4proto . th dport vmap @{NO_ENDPOINTS}
    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @{NO_NODE_PORT_ENDPOINTS}
  }}
  chain filter-input {{ type filter hook input priority -110; ct state new jump endpoints-check; }}
  chain filter-forward {{ type filter hook forward priority -110; ct state new jump endpoints-check; }}
  chain filter-output {{ type filter hook output priority -110; ct state new jump endpoints-check; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat;
    meta mark and {MASQUERADE_MARK} != 0 meta mark set meta mark xor {MASQUERADE_MARK} masquerade fully-random
    ip saddr {pod_cidr} ip daddr != {pod_cidr} masquerade fully-random
  }}
}}
"""


def transaction(family_table: str, old: Rules, new: Rules) -> str:
    """The nft commands that turn `old` into `new`, to be applied as one; "" when nothing differs.

    Order matters: objects come before what refers to them and go after it.
    """
    table = family_table
    lines = [
        f"add set {table} {name} {{ {text} }}"
        for name, text in new.sets.items()
        if old.sets.get(name) != text
    ]
    changed = [name for name, body in new.chains.items() if old.chains.get(name) != body]
    lines += [f"add chain {table} {name}" for name in changed if name not in old.chains]
    lines += [f"flush chain {table} {name}" for name in changed if name in old.chains]
    lines += [f"add rule {table} {name} {rule}" for name in changed for rule in new.chains[name]]
    gone = {key: verdict for key, verdict in old.elements.items() if new.elements.get(key) != verdict}
    fresh = {key: verdict for key, verdict in new.elements.items() if old.elements.get(key) != verdict}
    lines += [f"delete element {table} {name} {{ {key} }}" for name, key in gone]
    lines += [f"add element {table} {name} {{ {key} : {verdict} }}" for (name, key), verdict in fresh.items()]
    dropped = [name for name in old.chains if name not in new.chains]
    lines += [f"flush chain {table} {name}" for name in dropped]
    lines += [f"delete chain {table} {name}" for name in dropped]
    lines += [f"delete set {table} {name}" for name in old.sets if name not in new.sets]
    return "".join(f"{line}\n" for line in lines)


def merged(pieces: Iterable[Rules]) -> Rules:
    whole = Rules()
    for piece in pieces:
        whole.chains.update(piece.chains)
        whole.sets.update(piece.sets)
        whole.elements.update(piece.elements)
    return whole
