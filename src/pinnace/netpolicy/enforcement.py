"""From policies, namespaces and pods to the table: kept current one object at a time. Pure.

A change of a pod costs the groups and policies that mean it; one of a policy the pods that it means. The shape:
- a set of addresses per group of pods that some rule names as peers, however many rules do;
- a set of (address, port) per group and named port, because each pod resolves a name by itself;
- a chain per policy and direction, with a rule per peer and protocol;
- a chain per distinct combination of policies (a profile), to which the pods of this node are mapped.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pinnace.netpolicy import table
from pinnace.netpolicy.groups import GroupIndex
from pinnace.netpolicy.model import EGRESS, EVERY_POD, INGRESS, Group, Key, Pod, Policy, Port, Rule
from pinnace.netpolicy.table import Element, Isolated, Match, PolicyChain, ProfileChain, SetOf, Table, Verdict

DIRECTIONS = (INGRESS, EGRESS)
Named = tuple[str, str]  # protocol, name of a port
Profiles = dict[str, ProfileChain]  # by direction


@dataclass(slots=True)
class _Members:
    """One group that some policy speaks of."""

    addresses: str  # the name of its set
    peers: int = 0  # rules that name it as peers
    named: Counter[Named] = field(default_factory=Counter)  # rules that ask its pods for a named port
    targets: set[Key] = field(default_factory=set)  # policies that hold for it
    pods: dict[Key, None] = field(default_factory=dict)

    @property
    def is_used(self) -> bool:
        return bool(self.peers or self.named or self.targets)


class Enforcement:
    """`table` has what follows from all that was said so far."""

    def __init__(self) -> None:
        self.table = Table()
        self._index = GroupIndex()
        self._groups: dict[Group, _Members] = {}
        self._pods: dict[Key, Pod] = {}
        self._in_namespace: dict[str, dict[Key, None]] = defaultdict(dict)
        self._groups_of: dict[Key, frozenset[Group]] = {}
        self._policies: dict[Key, Policy] = {}
        self._copies: Counter[Element] = Counter()  # pods that put it there
        self._claims: dict[str, dict[Key, Profiles]] = defaultdict(dict)  # address -> pods of this node
        self._users: Counter[ProfileChain] = Counter()

    # -- what changes --

    def set_pod(self, key: Key, new: Pod | None) -> bool:
        """None: there is none any more, or none with addresses of its own. Whether it was another before."""
        old = self._pods.get(key)
        if old == new:
            return False
        groups = frozenset(self._index.of(new.namespace, dict(new.labels))) if new else frozenset()
        self._join(key, new, groups)
        return True

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        if not self._index.set_namespace(name, labels):
            return
        for key in list(self._in_namespace.get(name, ())):
            pod = self._pods[key]
            self._join(key, pod, frozenset(self._index.of(name, dict(pod.labels))))

    def set_policy(self, key: Key, new: Policy | None) -> None:
        old = self._policies.pop(key, None)
        if old == new:
            if old:
                self._policies[key] = old
            return
        affected: dict[Key, None] = {}
        if new:
            self._policies[key] = new
            for direction, rules in new.rules.items():
                self._use_rules(new, direction, rules, 1)
                chain = tuple(match for rule in rules for match in self._matches(new, direction, rule))
                self.table.put(PolicyChain(direction, key), chain)
            affected |= self._group(new.target).pods
            self._groups[new.target].targets.add(key)
        if old:
            affected |= self._groups[old.target].pods
            if new is None or new.target != old.target:
                self._groups[old.target].targets.discard(key)
            for direction, rules in old.rules.items():
                self._use_rules(old, direction, rules, -1)
                if new is None or direction not in new.rules:
                    self.table.drop(PolicyChain(direction, key))
            self._forget_unused([old.target])
        for pod_key in affected:
            self._judge(pod_key)

    # -- groups and their sets --

    def _join(self, key: Key, new: Pod | None, groups: frozenset[Group]) -> None:
        old, before = self._pods.pop(key, None), self._groups_of.pop(key, frozenset())
        if new:
            self._pods[key], self._groups_of[key] = new, groups
            self._in_namespace[new.namespace][key] = None
        elif old:
            del self._in_namespace[old.namespace][key]
        for group in before if old != new else before - groups:
            members = self._groups[group]
            members.pods.pop(key, None)
            self._list(members, old, -1)
        for group in groups if old != new else groups - before:
            members = self._groups[group]
            members.pods[key] = None
            self._list(members, new, 1)
        self._judge(key, old.ips if old else ())

    def _list(self, members: _Members, pod: Pod | None, step: int) -> None:
        """Put the pod into (or take it out of) every set that the group has."""
        if pod is None:
            return
        if members.peers:
            self._count((Element(members.addresses, ip) for ip in pod.ips), step)
        for named in members.named:
            self._count(_port_elements(ports_set(members.addresses, named), named, pod), step)

    def _count(self, elements: Iterable[Element], step: int) -> None:
        for element in elements:
            self._copies[element] += step
            if self._copies[element] > 0:
                self.table.put(element)
            else:
                del self._copies[element]
                self.table.drop(element)

    def _group(self, group: Group) -> _Members:
        if group not in self._groups:
            members = self._groups[group] = _Members(addresses_of(group))
            self._index.add(group)
            for key in self._candidates(group):
                if group.pods.matches(dict(self._pods[key].labels)):
                    members.pods[key] = None
                    self._groups_of[key] |= {group}
        return self._groups[group]

    def _candidates(self, group: Group) -> Iterator[Key]:
        if group.namespace:
            yield from self._in_namespace.get(group.namespace, ())
            return
        for namespace, keys in self._in_namespace.items():
            if group.namespaces in self._index.selecting(namespace):
                yield from keys

    def _forget_unused(self, groups: Iterable[Group]) -> None:
        for group in groups:
            members = self._groups.get(group)
            if members is None or members.is_used:
                continue
            for key in members.pods:
                self._groups_of[key] -= {group}
            self._index.discard(group)
            del self._groups[group]

    # -- rules --

    def _use_rules(self, policy: Policy, direction: str, rules: Iterable[Rule], step: int) -> None:
        """Count who needs which set, make it with the first and remove it with the last."""
        for rule in rules:
            for group in rule.groups or ():
                self._use_peers(group, step)
            for named in _names(rule.ports):
                for group in _resolvers(policy, direction, rule):
                    self._use_named(group, named, step)

    def _use_peers(self, group: Group, step: int) -> None:
        members = self._group(group)
        members.peers += step
        if members.peers == (1 if step > 0 else 0):
            elements = (Element(members.addresses, ip) for key in members.pods for ip in self._pods[key].ips)
            self._make_set(members.addresses, table.ADDRESSES, elements, step)
        self._forget_unused([group])

    def _use_named(self, group: Group, named: Named, step: int) -> None:
        members = self._group(group)
        members.named[named] += step
        if members.named[named] == (1 if step > 0 else 0):
            name = ports_set(members.addresses, named)
            elements = [e for key in members.pods for e in _port_elements(name, named, self._pods[key])]
            self._make_set(name, table.PORTS, elements, step)
        if not members.named[named]:
            del members.named[named]
        self._forget_unused([group])

    def _make_set(self, name: str, kind: table.Kind, elements: Iterable[Element], step: int) -> None:
        if step > 0:
            self.table.put(SetOf(name), kind)
        self._count(elements, step)
        if step < 0:
            self.table.drop(SetOf(name))

    def _matches(self, policy: Policy, direction: str, rule: Rule) -> Iterator[Match]:
        for protocol, ranges in _numbered(rule.ports):
            if rule.groups is None:
                yield Match(protocol=protocol, ports=ranges)
                continue
            for group in rule.groups:
                yield Match(peers=addresses_of(group), protocol=protocol, ports=ranges)
            if rule.blocks:
                yield Match(blocks=rule.blocks, protocol=protocol, ports=ranges)
        for named in _names(rule.ports):
            if direction == INGRESS:
                yield from _from_peers(rule, named, policy.target)
            else:
                yield from _to_peers(rule, named)

    # -- verdicts --

    def _judge(self, key: Key, former: Iterable[str] = ()) -> None:
        """Map the addresses of a pod of this node to the chains of the policies that hold for it."""
        pod = self._pods.get(key)
        ips = pod.ips if pod and pod.is_local else ()
        wanted = self._profiles(key) if ips else {}
        for ip in dict.fromkeys((*former, *ips)):
            claims = self._claims[ip]
            before = _in_effect(claims)
            if ip in ips:
                claims[key] = wanted
            else:
                claims.pop(key, None)
            if not claims:
                del self._claims[ip]
            self._map(ip, before, _in_effect(claims))

    def _profiles(self, key: Key) -> Profiles:
        holding = {name for group in self._groups_of.get(key, ()) for name in self._groups[group].targets}
        found = {
            direction: tuple(sorted(name for name in holding if direction in self._policies[name].rules))
            for direction in DIRECTIONS
        }
        return {direction: ProfileChain(direction, names) for direction, names in found.items() if names}

    def _map(self, ip: str, before: Profiles, now: Profiles) -> None:
        for direction, profile in now.items():
            self._users[profile] += 1
            self.table.put(profile)
            self.table.put(Verdict(direction, ip), profile)
        for direction, profile in before.items():
            self._users[profile] -= 1
            if not self._users[profile]:
                del self._users[profile]
                self.table.drop(profile)
            if direction not in now:
                self.table.drop(Verdict(direction, ip))
        if now:
            self.table.put(Isolated(ip))
        else:
            self.table.drop(Isolated(ip))


def _in_effect(claims: dict[Key, Profiles]) -> Profiles:
    """Of two pods that say they have an address (one has ended and is not yet reported so) the last one has it."""
    return next(reversed(claims.values())) if claims else {}


def _from_peers(rule: Rule, named: Named, target: Group) -> Iterator[Match]:
    """The port is one of the policy's own pods, whoever the peer is."""
    name = ports_set(addresses_of(target), named)
    if rule.groups is None:
        yield Match(protocol=named[0], named=name)
        return
    for group in rule.groups:
        yield Match(peers=addresses_of(group), protocol=named[0], named=name)
    if rule.blocks:
        yield Match(blocks=rule.blocks, protocol=named[0], named=name)


def _to_peers(rule: Rule, named: Named) -> Iterator[Match]:
    """Who has the port is a peer already, except that a block asks for the address too."""
    for group in (EVERY_POD,) if rule.groups is None else rule.groups:
        yield Match(protocol=named[0], named=ports_set(addresses_of(group), named))
    if rule.blocks:
        yield Match(blocks=rule.blocks, protocol=named[0], named=ports_set(addresses_of(EVERY_POD), named))


def _resolvers(policy: Policy, direction: str, rule: Rule) -> tuple[Group, ...]:
    """The pods whose named ports a rule means: of ingress the policy's own, of egress those that it lets them reach."""
    if direction == INGRESS:
        return (policy.target,)
    if rule.groups is None:
        return (EVERY_POD,)
    return (*rule.groups, EVERY_POD) if rule.blocks else rule.groups


def _names(ports: Iterable[Port] | None) -> list[Named]:
    return list(dict.fromkeys((port.protocol, port.name) for port in ports or () if port.name))


def _numbered(ports: Iterable[Port] | None) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """(protocol, ranges); ranges of () are all ports, and a protocol of "" is all of them."""
    if ports is None:
        yield "", ()
        return
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for port in ports:
        if not port.name:
            ranges[port.protocol].append((port.first, port.last))
    for protocol, found in ranges.items():
        whole = any(first == 0 for first, _ in found)
        yield protocol, () if whole else tuple(_joined(found))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps, which an interval set of the kernel refuses."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _port_elements(set_name: str, named: Named, pod: Pod) -> Iterator[Element]:
    numbers = dict.fromkeys(number for protocol, name, number in pod.ports if (protocol, name) == named)
    return (Element(set_name, ip, number) for ip in pod.ips for number in numbers)


def addresses_of(group: Group) -> str:
    return f"pods-{_digest(group)}"


def ports_set(addresses: str, named: Named) -> str:
    """The set of a named port, by the name of the group's set of addresses."""
    return f"{addresses}-{named[0]}-{named[1]}"


def _digest(group: Group) -> str:
    """Of what the group says, so that it is the same in every process."""
    said = [
        group.namespace,
        *(f"{r.key} {r.operator} {sorted(r.values)}" for r in group.namespaces.requirements),
    ]
    said += ["pods", *(f"{r.key} {r.operator} {sorted(r.values)}" for r in group.pods.requirements)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]
