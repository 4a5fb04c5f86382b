"""From changes of the table to a program for `nft`: pure.

A packet is judged by the connection it belongs to, in both directions alike and every time anew: by the address that
opened it, by the address and port that answer (which, behind a Service, are the chosen pod's own). So replies need no rule,
a connection that a policy no longer allows ends at once, and what the service proxy does to addresses does not matter.

The node's own packets do not pass `forward`: the kubelet's probes always reach the pods, and the pods the node.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pinnace.netpolicy.model import EGRESS, INGRESS
from pinnace.netpolicy.ranges import Range
from pinnace.netpolicy.table import (
    PORTS,
    Changes,
    Element,
    Entry,
    Isolated,
    Match,
    PolicyChain,
    ProfileChain,
    SetOf,
    Value,
    Verdict,
)

ISOLATED, ITSELF = "isolated", "itself"
FAMILIES = {"4": ("ip", "ipv4_addr"), "6": ("ip6", "ipv6_addr")}  # suffix of a set: (keyword, type)
OTHER_END = {INGRESS: "ct original {} saddr", EGRESS: "ct reply {} saddr"}
OWN_END = {INGRESS: "ct reply {} saddr", EGRESS: "ct original {} saddr"}
MOST_ELEMENTS = 500  # in one command


def base_table(table: str) -> str:
    """The part that does not depend on policies. `table` is like `inet pinnace_policies`.

    A packet that belongs to no connection, or opens one in the middle, could only be judged the wrong way round, so that a
    pod under policies neither gets nor sends any. Neighbour discovery is none: the kernel never tracks it.
    """
    sets, strangers, maps = [], [], {INGRESS: [], EGRESS: []}  # type: tuple[list[str], list[str], dict[str, list[str]]]
    for suffix, (family, kind) in FAMILIES.items():
        sets.append(f"set {ISOLATED}{suffix} {{ type {kind}; }}")
        sets.append(f"set {ITSELF}{suffix} {{ type {kind} . {kind}; }}")
        sets += [f"map {direction}{suffix} {{ type {kind} : verdict; }}" for direction in maps]
        strangers += [f"{family} {end} @{ISOLATED}{suffix} drop" for end in ("saddr", "daddr")]
        for direction, rules in maps.items():
            rules.append(f"{OWN_END[direction].format(family)} vmap @{direction}{suffix}")
    itself = [
        f"ct original {family} saddr . ct reply {family} saddr @{ITSELF}{suffix} accept"
        for suffix, (family, _) in FAMILIES.items()
    ]
    first = [
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, nd-redirect } accept",
        "ct state invalid,untracked goto strangers",
        "ct state new tcp flags & (syn | ack) != syn goto strangers",
        *itself,
    ]
    return f"""\
add table {table}
delete table {table}
table {table} {{
{_lines(sets)}
  chain strangers {{
{_lines(strangers)}
  }}
  chain judge-{EGRESS} {{
    type filter hook forward priority -130;
{_lines([*first, *maps[EGRESS]])}
  }}
  chain judge-{INGRESS} {{
    type filter hook forward priority -129;
{_lines([*first, *maps[INGRESS]])}
  }}
}}
"""


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def transaction(table: str, changes: Changes) -> str:
    """The commands that make these changes, to be applied as one; "" for none.

    Order matters: objects come before what refers to them and go after it.
    """
    lines = _made(table, changes)
    lines += _elements(
        table, "delete", ((entry, old) for entry, (old, _) in changes.items() if old is not None)
    )
    lines += _elements(table, "add", ((entry, new) for entry, (_, new) in changes.items() if new is not None))
    chains = [name for entry, (_, new) in changes.items() if new is None and (name := _chain(entry))]
    lines += [f"flush chain {table} {name}" for name in chains]
    lines += [f"delete chain {table} {name}" for name in chains]
    for entry, (_, new) in changes.items():
        if isinstance(entry, SetOf) and new is None:
            lines += [f"delete set {table} {entry.name}{suffix}" for suffix in FAMILIES]
    return "".join(f"{line}\n" for line in lines)


def _made(table: str, changes: Changes) -> list[str]:
    """New sets and chains, then the rules of the chains."""
    sets, chains, rules = [], [], []
    for entry, (old, new) in changes.items():
        if new is None:
            continue
        if isinstance(entry, SetOf):
            sets += [f"add set {table} {line}" for line in _definitions(entry.name, new)]
        elif name := _chain(entry):
            chains.append(f"{'add' if old is None else 'flush'} chain {table} {name}")
            rules += [f"add rule {table} {name} {rule}" for rule in _rules(entry, new)]
    return [*sets, *chains, *rules]


def _definitions(name: str, kind: Value) -> Iterator[str]:
    for suffix, (_, address) in FAMILIES.items():
        yield f"{name}{suffix} {{ type {address}{' . inet_service' if kind == PORTS else ''}; }}"


def _elements(table: str, verb: str, entries: Iterable[tuple[Entry, Value]]) -> list[str]:
    in_set: dict[str, list[str]] = defaultdict(list)
    for entry, value in entries:
        for name, element in _in_sets(entry, value, with_verdict=verb == "add"):
            in_set[name].append(element)
    return [
        f"{verb} element {table} {name} {{ {', '.join(elements[start : start + MOST_ELEMENTS])} }}"
        for name, elements in in_set.items()
        for start in range(0, len(elements), MOST_ELEMENTS)
    ]


def _in_sets(entry: Entry, value: Value, *, with_verdict: bool) -> Iterator[tuple[str, str]]:
    """(set or map, element) that the kernel has for an entry."""
    match entry:
        case Element(name, ip, port):
            yield f"{name}{_suffix(ip)}", f"{ip} . {port}" if port else ip
        case Isolated(ip):
            yield f"{ISOLATED}{_suffix(ip)}", ip
            yield f"{ITSELF}{_suffix(ip)}", f"{ip} . {ip}"
        case Verdict(direction, ip):
            assert isinstance(value, ProfileChain)
            yield f"{direction}{_suffix(ip)}", f"{ip} : goto {_chain(value)}" if with_verdict else ip


def _suffix(ip: str) -> str:
    return "6" if ":" in ip else "4"


def _chain(entry: Entry) -> str:
    """The name of its chain; "" for what is none. At most 128 characters; unique by the hash, readable by the rest."""
    match entry:
        case PolicyChain(direction, (namespace, name)):
            return _named(f"{direction}-policy", f"{namespace}/{name}")
        case ProfileChain(direction, policies):
            return _named(
                f"{direction}-pods", ",".join(f"{namespace}/{name}" for namespace, name in policies)
            )
    return ""


def _named(kind: str, label: str) -> str:
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    return f"{kind}-{digest}-{label.replace(',', '_')}"[:100]


def _rules(entry: Entry, value: Value) -> Iterator[str]:
    if isinstance(entry, ProfileChain):
        for policy in entry.policies:
            yield f"jump {_chain(PolicyChain(entry.direction, policy))}"
        yield "drop"
    elif isinstance(entry, PolicyChain):
        assert isinstance(value, tuple)
        for found in value:
            yield from _accepting(entry.direction, found)


def _accepting(direction: str, match: Match) -> Iterator[str]:
    """The rules that accept what matches: one for both families where no address is asked for."""
    if not (match.peers or match.blocks or match.named):
        yield f"{_ports(match)}accept"
        return
    for suffix, (family, _) in FAMILIES.items():
        conditions = ""
        if match.peers:
            conditions = f"{OTHER_END[direction].format(family)} @{match.peers}{suffix} "
        elif match.blocks:
            blocks = [str(block) for block in match.blocks if _version(block) == suffix]
            if not blocks:
                continue
            conditions = f"{OTHER_END[direction].format(family)} {{ {', '.join(blocks)} }} "
        conditions += _ports(match)
        if match.named:
            conditions += f"ct reply {family} saddr . ct reply proto-src @{match.named}{suffix} "
        yield f"{conditions}accept"


def _ports(match: Match) -> str:
    if not match.protocol:
        return ""
    ranges = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in match.ports)
    return f"meta l4proto {match.protocol} " + (f"ct reply proto-src {{ {ranges} }} " if ranges else "")


def _version(block: Range) -> str:
    return str(block.version)
