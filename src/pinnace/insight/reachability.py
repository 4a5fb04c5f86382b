"""Whether network policies let a pod connect to a pod or a service: which policy stops it, on which side, and what comes near. Pure.

What else can be between them (routes, DNS servers, a firewall, the plugin that enforces policies) is not looked at.
"""

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import pods, services
from pinnace.apimachinery.selectors import SelectorError, from_label_selector, to_text
from pinnace.insight.findings import CAUSE, LIKELY, NOTE, Evidence, Finding, Object, finding
from pinnace.insight.world import World

INGRESS, EGRESS = "Ingress", "Egress"


class Port(NamedTuple):
    """Of the pod that is connected to."""

    number: int
    protocol: str = "TCP"

    @property
    def text(self) -> str:
        return f"{self.number}/{self.protocol}"


class Block(NamedTuple):
    """The policies that select a pod and let nothing of the kind through."""

    direction: str
    pod: Object
    peer: Object
    port: Port
    policies: list[Object]


def connection(target: Object, source: Object, world: World, port: str = "") -> Iterator[Finding]:
    """From pod `source` (which may be made up) to a pod or a service; `port` is the target's, all of it where none is named."""
    if pods.uses_host_network(source):
        yield finding(
            target,
            f"pod {meta.key_text(source)} is in the network of its node: network policies need not hold for it",
            rank=NOTE,
        )
    ends = list(_ends(target, world, port))
    if not world.can_list("NetworkPolicy", meta.namespace(target)) or not world.can_list(
        "NetworkPolicy", meta.namespace(source)
    ):
        return
    if target["kind"] == "Service" and port and not ends and world.can_list("Pod", meta.namespace(target)):
        have = ", ".join(str(one["port"]) for one in services.ports(target))
        yield finding(
            target,
            f"it has no port {port}; it has {have}",
            rank=CAUSE,
            evidence=[Evidence(f"service/{meta.name(target)} spec.ports", have)],
        )
        return
    blocks = [block for end, one in ends for block in _blocks(source, end, one, world)]
    for block in _alike(blocks):
        yield _blocked(target, source, block, len(ends))
    if not blocks and ends:
        text = ", ".join(sorted({one.text for _, one in ends}))
        yield finding(target, f"no network policy stops pod {meta.key_text(source)} from connecting to it ({text})", rank=NOTE,
                      evidence=[Evidence("policies looked at", str(len(_of(world, source)) + len(_of(world, target))))])  # fmt: skip
    yield from _names(target, source, world)


def _ends(target: Object, world: World, port: str) -> Iterator[tuple[Object, Port]]:
    """The pods that a connection reaches, with the port there."""
    if target["kind"] == "Pod":
        for container in pods.all_containers(target):
            for one in container.get("ports") or ():
                if port in ("", str(one["containerPort"]), one.get("name")):
                    yield target, Port(one["containerPort"], one.get("protocol") or "TCP")
        if port.isdecimal() and not any(
            str(one.get("containerPort")) == port
            for c in pods.all_containers(target)
            for one in c.get("ports") or ()
        ):
            yield target, Port(int(port))
        return
    chosen = (
        world.pods_matching(meta.namespace(target), {"matchLabels": services.selector(target)})
        if services.selector(target)
        else []
    )
    for pod in chosen:
        for one in services.ports(target):
            number = _number(one.get("targetPort", one["port"]), pod, one.get("protocol") or "TCP")
            if number and not pods.is_terminal(pod) and port in ("", str(one["port"]), one.get("name")):
                yield pod, Port(number, one.get("protocol") or "TCP")


def _number(port: int | str, pod: Object, protocol: str) -> int:
    """A named port is looked up in the pod; 0 where it has none."""
    if isinstance(port, int) or port.isdecimal():
        return int(port)
    found = [
        one["containerPort"] for container in pods.all_containers(pod) for one in container.get("ports") or ()
        if one.get("name") == port and (one.get("protocol") or "TCP") == protocol
    ]  # fmt: skip
    return int(found[0]) if found else 0


def _blocks(source: Object, end: Object, port: Port, world: World) -> Iterator[Block]:
    for direction, pod, peer in ((EGRESS, source, end), (INGRESS, end, source)):
        selecting = _selecting(pod, direction, world)
        if selecting and not any(
            _lets(rule, direction, peer, end, port, world, meta.namespace(policy))
            for policy in selecting for rule in policy["spec"].get(direction.lower()) or ()
        ):  # fmt: skip
            yield Block(direction, pod, peer, port, selecting)


def _of(world: World, obj: Object) -> list[Object]:
    return world.every("NetworkPolicy", meta.namespace(obj))


def _selecting(pod: Object, direction: str, world: World) -> list[Object]:
    if pods.uses_host_network(pod):
        return []
    return [
        one for one in _of(world, pod)
        if direction in _types(one) and _matches(one["spec"].get("podSelector") or {}, meta.labels(pod))
    ]  # fmt: skip


def _types(policy: Object) -> Iterable[str]:
    given = policy["spec"].get("policyTypes")
    return given or (INGRESS, *([EGRESS] if policy["spec"].get("egress") else []))


def _matches(selector: Object | None, labels: dict[str, str]) -> bool:
    try:
        return from_label_selector(selector).matches(labels)
    except SelectorError:
        return False


def _lets(
    rule: Object, direction: str, peer: Object, end: Object, port: Port, world: World, namespace: str
) -> bool:
    peers = rule.get("from" if direction == INGRESS else "to")
    is_meant = not peers or any(_is_peer(one, peer, namespace, world) for one in peers)
    ports = rule.get("ports")
    return is_meant and (not ports or any(_is_port(one, port, end) for one in ports))


def _is_peer(peer: Object, pod: Object, namespace: str, world: World) -> bool:
    if block := peer.get("ipBlock"):
        return _is_within(block, pods.pod_ips(pod))
    if peer.get("namespaceSelector") is None:
        if meta.namespace(pod) != namespace:
            return False
    else:
        space = world.get("Namespace", "", meta.namespace(pod))
        if not _matches(peer["namespaceSelector"], meta.labels(space) if space else {}):
            return False
    return peer.get("podSelector") is None or _matches(peer["podSelector"], meta.labels(pod))


def _is_within(block: Object, addresses: Iterable[str]) -> bool:
    inside, out = (
        ip_network(block["cidr"], strict=False),
        [ip_network(one, strict=False) for one in block.get("except") or ()],
    )
    return any(
        ip_address(one) in inside and not any(ip_address(one) in hole for hole in out) for one in addresses
    )


def _is_port(one: Object, port: Port, end: Object) -> bool:
    if (one.get("protocol") or "TCP") != port.protocol:
        return False
    wanted = one.get("port")
    if wanted is None:
        return True
    first = _number(wanted, end, port.protocol)
    return first <= port.number <= int(one.get("endPort") or first)


def _alike(blocks: list[Block]) -> Iterable[Block]:
    """Of several pods and ports that the same policies close, the first."""
    found: dict[tuple[str, ...], Block] = {}
    for one in blocks:
        found.setdefault((one.direction, *map(meta.key_text, one.policies), one.port.text), one)
    return found.values()


def _blocked(target: Object, source: Object, block: Block, ends: int) -> Finding:
    names = ", ".join(meta.name(one) for one in block.policies[:3]) + (
        ", ..." if len(block.policies) > 3 else ""
    )
    space, who = meta.namespace(block.pod), meta.name(block.pod)
    several = len(block.policies) > 1
    kind = "leave" if block.direction == EGRESS else "enter"
    cause = (
        f"pod {meta.key_text(source)} may not connect to it on port {block.port.text}: {'network policies' if several else 'network policy'} {names} "
        f"of namespace {space} select{'' if several else 's'} pod {who}, and no {block.direction.lower()} rule lets the connection {kind}"
    )
    evidence = [
        Evidence(f"networkpolicy/{meta.name(one)} spec.podSelector", f"{to_text(one['spec'].get('podSelector')) or 'all pods'}; {_rules_text(one, block.direction)}")
        for one in block.policies[:4]
    ]  # fmt: skip
    peer = block.peer
    evidence.append(
        Evidence(
            f"pod/{meta.name(peer)} metadata.labels", to_text({"matchLabels": meta.labels(peer)}) or "<none>"
        )
    )
    return finding(target, cause, evidence=evidence, commands=[
        _allow(block), f"kubectl describe networkpolicy {meta.name(block.policies[0])} -n {space}"])  # fmt: skip


def _rules_text(policy: Object, direction: str) -> str:
    rules = policy["spec"].get(direction.lower()) or ()
    if not rules:
        return f"no {direction.lower()} rule"
    texts = []
    for rule in rules[:3]:
        peers = rule.get("from" if direction == INGRESS else "to") or ()
        who = " or ".join(map(_peer_text, peers)) or "anybody"
        ports = ", ".join(
            f"{one.get('port', 'any port')}/{one.get('protocol', 'TCP')}" for one in rule.get("ports") or ()
        )
        texts.append(f"{'from' if direction == INGRESS else 'to'} {who}{f' on {ports}' if ports else ''}")
    return "lets through " + "; ".join(texts)


def _peer_text(peer: Object) -> str:
    if block := peer.get("ipBlock"):
        return f"{block['cidr']}{' except ' + ', '.join(block['except']) if block.get('except') else ''}"
    space, pod = peer.get("namespaceSelector"), peer.get("podSelector")
    where = (
        ""
        if space is None
        else f" of namespaces with {to_text(space)}"
        if to_text(space)
        else " of any namespace"
    )
    return f"pods{f' with {to_text(pod)}' if pod is not None and to_text(pod) else ''}{where}"


def _allow(block: Block) -> str:
    """A policy that lets just this through, on the side that stops it."""
    spec: Object = {"podSelector": {"matchLabels": _own_labels(block.pod)}, "policyTypes": [block.direction]}
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": meta.namespace(block.peer)}},
        "podSelector": {"matchLabels": _own_labels(block.peer)},
    }
    rule = {
        "from" if block.direction == INGRESS else "to": [peer],
        "ports": [{"port": block.port.number, "protocol": block.port.protocol}],
    }
    spec[block.direction.lower()] = [rule]
    name = f"allow-{meta.name(block.peer)}"[:60].rstrip("-.") + (
        "-in" if block.direction == INGRESS else "-out"
    )
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }
    return (
        f"kubectl apply -n {meta.namespace(block.pod)} -f - <<< '{json.dumps(policy, separators=(',', ':'))}'"
    )


def _own_labels(pod: Object) -> dict[str, str]:
    """Without those that change with every rollout."""
    return {
        key: value
        for key, value in meta.labels(pod).items()
        if key not in ("pod-template-hash", "controller-revision-hash")
    }


def _names(target: Object, source: Object, world: World) -> Iterator[Finding]:
    """Who may not leave on port 53 finds no service by its name."""
    selecting = _selecting(source, EGRESS, world)
    rules = [rule for policy in selecting for rule in policy["spec"].get("egress") or ()]
    is_open = any(
        not rule.get("ports") or any(_is_port(one, Port(53, "UDP"), source) for one in rule["ports"])
        for rule in rules
    )
    if selecting and not is_open:
        yield finding(
            target, f"pod {meta.key_text(source)} cannot look up names: its egress policies let nothing out on port 53/UDP", rank=LIKELY,
            evidence=[Evidence(f"networkpolicy/{meta.name(one)} spec.egress", _rules_text(one, EGRESS)) for one in selecting[:3]],
            commands=[f"kubectl edit networkpolicy {meta.name(selecting[0])} -n {meta.namespace(source)}"],
        )  # fmt: skip
