"""From Service ports to nftables objects of one family: pure.

The shape of the table, after upstream's nftables mode, with as few objects as possible, because the kernel checks all chains
and `nft` reads all names at every change:
- a verdict map from (address, protocol, port) to the chain of a Service port, one from (protocol, node port), one for host ports;
- a chain per Service port that picks an endpoint at random (or the one this client had, with session affinity, where each
  endpoint has a chain that remembers the client) and rewrites the destination;
- traffic that must come back this way (from outside the pod network, node ports) is marked and masqueraded, and so is a
  pod that reached itself, which a set of all endpoints tells;
- Service ports without endpoints stand in a map whose verdict is to reject; to drop where only other nodes have some. It is
  asked after the destination was rewritten, also for what the node itself sends, which the policy Local does not mean.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pinnace.proxy.families import IPV4, Family
from pinnace.proxy.model import Endpoint, HostPort, ServicePort

MASQUERADE_MARK = "0x4000"
SERVICES, NODE_PORTS, HOST_PORTS = "service-ips", "service-nodeports", "host-ports"
NO_ENDPOINTS, NO_NODE_PORT_ENDPOINTS = "no-endpoint-services", "no-endpoint-nodeports"
HAIRPINS = "hairpin-connections"
FEW = 8  # up to here one rule per endpoint; an anonymous map costs the kernel a walk over all sets when it is made
REJECT, DROP = "goto reject-chain", "drop"


@dataclass(frozen=True, slots=True)
class Rules:
    """nftables objects by name: chains with their rules, sets with their definitions, elements of maps and sets."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    elements: dict[tuple[str, str], str] = field(default_factory=dict)  # (map, key) -> verdict; "" in a set


NOTHING = Rules()


def of_ports(ports: Iterable[ServicePort], pod_cidr: str, family: Family = IPV4) -> Rules:
    """The objects of one Service."""
    rules = Rules()
    for port in ports:
        _add_port(rules, port, pod_cidr, family)
    return rules


def of_host_ports(ports: Iterable[HostPort], family: Family = IPV4) -> Rules:
    """The objects of one pod's host ports. What comes over the loopback is masqueraded, so that answers come back."""
    rules = Rules()
    for port in ports:
        chain = chain_name(
            "hostport", f"{port.namespace}/{port.pod}/{port.protocol}/{port.host_port}/{_word(port.host_ip)}"
        )
        rules.chains[chain] = (
            f"{family.word} saddr {family.loopback} jump mark-for-masquerade",
            _rewrite(port.protocol, Endpoint(port.pod_ip, port.port, is_local=True), family),
        )
        rules.elements[HAIRPINS, f"{port.pod_ip} . {port.pod_ip}"] = ""
        if port.host_ip:
            rules.elements[SERVICES, f"{port.host_ip} . {port.protocol} . {port.host_port}"] = f"goto {chain}"
        else:
            rules.elements[HOST_PORTS, f"{port.protocol} . {port.host_port}"] = f"goto {chain}"
    return rules


def _add_port(rules: Rules, port: ServicePort, pod_cidr: str, family: Family) -> None:
    inside, outside = port.for_cluster(), port.for_outside()
    is_reachable = bool(port.outside_ips or port.node_port)
    for endpoint in {*inside, *outside, *(port.endpoints if is_reachable else ())}:
        rules.elements[HAIRPINS, f"{endpoint.ip} . {endpoint.ip}"] = ""
        if port.affinity_seconds:
            _remember_clients(rules, port, endpoint, family)
    internal, external = chain_name("service", port.label), chain_name("external", port.label)
    if inside:
        mark = f"{family.word} daddr {_any_of(port.cluster_ips)} {family.word} saddr != {pod_cidr} jump mark-for-masquerade"
        rules.chains[internal] = (mark, *_balance(port, inside, family))
    if port.is_anywhere and is_reachable:
        rules.chains[external] = (
            *_outside_rules(rules, port, pod_cidr, family), *_balance(port, outside, family)
        )  # fmt: skip
    refusal = DROP if port.is_anywhere else REJECT
    keys = [(f"{ip} . {port.protocol} . {port.port}", internal, inside) for ip in port.cluster_ips]
    keys += [(f"{ip} . {port.protocol} . {port.port}", external, outside) for ip in port.outside_ips]
    for key, chain, endpoints in keys:
        _point(rules, (SERVICES, NO_ENDPOINTS), key, chain, refusal if not endpoints else "")
    if port.node_port:
        key = f"{port.protocol} . {port.node_port}"
        maps = (NODE_PORTS, NO_NODE_PORT_ENDPOINTS)
        _point(rules, maps, key, external, refusal if not outside else "")


def _point(rules: Rules, maps: tuple[str, str], key: str, chain: str, refusal: str) -> None:
    """A chain may know more than its endpoints: what it does not rewrite is refused afterwards."""
    usable, empty = maps
    if chain in rules.chains:
        rules.elements[usable, key] = f"goto {chain}"
    if refusal:
        rules.elements[empty, key] = refusal


def _outside_rules(rules: Rules, port: ServicePort, pod_cidr: str, family: Family) -> Iterable[str]:
    """Who may come in, and what comes from this cluster and need not go out again although the policy is Local."""
    ip = family.word
    if port.source_ranges and port.balancer_ips:
        yield f"{ip} daddr {_any_of(port.balancer_ips)} {ip} saddr != {_any_of(port.source_ranges)} drop"
    if not port.external_local:
        yield "jump mark-for-masquerade"
    elif port.endpoints:
        everybody = chain_name("cluster", port.label)
        rules.chains[everybody] = _balance(port, port.endpoints, family)
        yield f"{ip} saddr {pod_cidr} goto {everybody}"
        yield "fib saddr type local jump mark-for-masquerade"
        yield f"fib saddr type local goto {everybody}"


def _balance(port: ServicePort, endpoints: tuple[Endpoint, ...], family: Family) -> tuple[str, ...]:
    """With n endpoints the first is chosen by one in n, else the second by one in n - 1, and so on: each as often as the others."""
    if not endpoints:
        return ()
    if port.affinity_seconds:
        chains = [endpoint_chain(port, endpoint) for endpoint in endpoints]
        sticky = tuple(f"{family.word} saddr @{_affinity_set(chain)} goto {chain}" for chain in chains)
        return (*sticky, *_choose([f"goto {chain}" for chain in chains]))
    if len(endpoints) <= FEW:
        return _choose([_rewrite(port.protocol, endpoint, family) for endpoint in endpoints])
    targets = ", ".join(f"{number} : {e.ip} . {e.port}" for number, e in enumerate(endpoints))
    choice = f"numgen random mod {len(endpoints)} map {{ {targets} }}"
    return (f"meta l4proto {port.protocol} dnat {family.word} addr . port to {choice}",)


def _choose(targets: list[str]) -> tuple[str, ...]:
    count = len(targets)
    if count > FEW:
        choices = ", ".join(f"{number} : {target}" for number, target in enumerate(targets))
        return (f"numgen random mod {count} vmap {{ {choices} }}",)
    but_last = zip(range(count, 1, -1), targets, strict=False)
    return (*(f"numgen random mod {left} 0 {target}" for left, target in but_last), targets[-1])


def _remember_clients(rules: Rules, port: ServicePort, endpoint: Endpoint, family: Family) -> None:
    chain = endpoint_chain(port, endpoint)
    name = _affinity_set(chain)
    rules.sets[name] = f"type {family.type}; flags dynamic,timeout; timeout {port.affinity_seconds}s;"
    rules.chains[chain] = (
        f"update @{name} {{ {family.word} saddr }}",
        _rewrite(port.protocol, endpoint, family),
    )


def _rewrite(protocol: str, endpoint: Endpoint, family: Family) -> str:
    return f"meta l4proto {protocol} dnat to {family.socket(endpoint.ip, endpoint.port)}"


def _any_of(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"{{ {', '.join(values)} }}"


def _word(address: str) -> str:
    """An address as part of a name, where colons may not stand."""
    return address.replace(":", ".")


def chain_name(kind: str, label: str) -> str:
    """At most 100 characters (128 are allowed); unique by the hash, readable by the rest."""
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{kind}-{digest}-{label}"[:100]


def endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    return chain_name("endpoint", f"{port.label}__{_word(endpoint.ip)}/{endpoint.port}")


def _affinity_set(chain: str) -> str:
    return chain.replace("endpoint-", "affinity-", 1)


def base_table(table: str, pod_cidr: str, family: Family = IPV4) -> str:
    """The part of the table that does not depend on Services. `table` is its name alone."""
    ip, address = family.word, family.type
    service, node_port = f"{address} . inet_proto . inet_service", "inet_proto . inet_service"
    away = f"{ip} daddr != {family.loopback}"
    host_ports = "fib daddr type local" if family.version == 4 else f"fib daddr type local {away}"
    return f"""\
add table {ip} {table}
delete table {ip} {table}
table {ip} {table} {{
  map {SERVICES} {{ type {service} : verdict; }}
  map {NODE_PORTS} {{ type {node_port} : verdict; }}
  map {HOST_PORTS} {{ type {node_port} : verdict; }}
  map {NO_ENDPOINTS} {{ type {service} : verdict; }}
  map {NO_NODE_PORT_ENDPOINTS} {{ type {node_port} : verdict; }}
  set {HAIRPINS} {{ type {address} . {address}; }}
  chain mark-for-masquerade {{ meta mark set meta mark or {MASQUERADE_MARK}; }}
  chain reject-chain {{ reject; }}
  chain services {{
    {ip} daddr . meta l4proto . th dport vmap @{SERVICES}
    {host_ports} meta l4proto . th dport vmap @{HOST_PORTS}
    fib daddr type local {away} meta l4proto . th dport vmap @{NODE_PORTS}
  }}
  chain endpoints-check {{
    {ip} daddr . meta l4proto . th dport vmap @{NO_ENDPOINTS}
    fib daddr type local {away} meta l4proto . th dport vmap @{NO_NODE_PORT_ENDPOINTS}
  }}
  chain loopback-guard {{ ct status dnat return; ct state new,invalid drop; }}
  chain filter-input {{
    type filter hook input priority -110;
    iifname != "lo" {ip} daddr {family.loopback} jump loopback-guard
    ct state new jump endpoints-check
  }}
  chain filter-forward {{ type filter hook forward priority -110; ct state new jump endpoints-check; }}
  chain filter-output {{ type filter hook output priority -90; ct state new jump endpoints-check; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat;
    meta mark and {MASQUERADE_MARK} != 0 meta mark set meta mark xor {MASQUERADE_MARK} masquerade fully-random
    {ip} saddr . {ip} daddr @{HAIRPINS} masquerade fully-random
    {ip} saddr {pod_cidr} {ip} daddr != {pod_cidr} masquerade fully-random
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
    lines += [
        f"add element {table} {name} {{ {key}{f' : {verdict}' if verdict else ''} }}"
        for (name, key), verdict in fresh.items()
    ]
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
