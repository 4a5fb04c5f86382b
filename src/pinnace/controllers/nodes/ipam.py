"""Node IPAM: every node gets a part of the cluster network for its pods, `spec.podCIDRs`.

The subnets of nodes that have theirs already count as taken, whoever gave them.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/nodeipam/ipam/range_allocator.go
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.client.informer import Key
from pinnace.controllers.nodes.cidrs import CidrSet, Network
from pinnace.controllers.runtime import Action, Controller, Emit, Patch, World

IPV4_MASK, IPV6_MASK = 24, 64


@dataclass(frozen=True, slots=True)
class NodeIpamConfig:
    """kube-controller-manager's `--cluster-cidr` (one, or one of each family) and `--node-cidr-mask-size`; 0: the usual.

    `brought`: a node that brings its subnets itself. They stay its own also while its Node object is not there.
    """

    cluster_cidrs: tuple[str, ...]
    node_cidr_mask_size: int = 0
    brought: tuple[str, tuple[Network, ...]] = ("", ())


class Allocator:
    """Which node holds which subnets. Knows of a subnet from the moment it is chosen, before the API does."""

    def __init__(self, config: NodeIpamConfig) -> None:
        self._sets = [CidrSet(network, _mask(network, config)) for network in _networks(config)]
        self._held: dict[str, list[Network]] = {}
        self._has_looked = False
        self._keeps, subnets = config.brought
        if subnets:
            self._hold(self._keeps, list(subnets))

    def reconcile(self, node: Object, world: World) -> Iterator[Action]:
        if not self._has_looked:
            for other in world.all(NODES):
                self._note(other)
            self._has_looked = True
        self._note(node)
        name = meta.name(node)
        if nodes.pod_cidrs(node) or meta.is_terminating(node):
            return
        if name not in self._held and not self._choose(name):
            message = f"Node {name} status is now: CIDRNotAvailable"
            yield Emit(node, "Normal", "CIDRNotAvailable", message)
            return
        chosen = [str(network) for network in self._held[name]]
        yield Patch(node, {"spec": {"podCIDR": chosen[0], "podCIDRs": chosen}})

    def absent(self, key: Key, world: World) -> Iterator[Action]:
        """Its subnets are free; nodes that got none are looked at again when they change, as upstream does."""
        if key[1] != self._keeps:
            self._release(key[1])
        yield from ()

    def _note(self, node: Object) -> None:
        name, found = meta.name(node), [_network(text) for text in nodes.pod_cidrs(node)]
        subnets = [subnet for subnet in found if subnet is not None]
        if not subnets or self._held.get(name) == subnets:
            return
        self._release(name)
        self._hold(name, subnets)

    def _hold(self, name: str, subnets: list[Network]) -> None:
        self._held[name] = subnets
        for subnet in subnets:
            for each in self._sets:
                each.occupy(subnet)

    def _choose(self, name: str) -> bool:
        chosen: list[Network] = []
        for each in self._sets:
            subnet = each.allocate()
            if subnet is None:
                for one, owner in zip(chosen, self._sets, strict=False):
                    owner.release(one)
                return False
            chosen.append(subnet)
        self._held[name] = chosen
        return True

    def _release(self, name: str) -> None:
        for subnet in self._held.pop(name, ()):
            for each in self._sets:
                each.release(subnet)


def _networks(config: NodeIpamConfig) -> list[Network]:
    return [ipaddress.ip_network(text) for text in config.cluster_cidrs]


def _mask(network: Network, config: NodeIpamConfig) -> int:
    """A network that is smaller than the usual part is one node's whole."""
    usual = config.node_cidr_mask_size or (IPV4_MASK if network.version == 4 else IPV6_MASK)
    return max(usual, network.prefixlen)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _lacks_cidr(old: Object | None, new: Object) -> bool:
    return old is None or nodes.pod_cidrs(old) != nodes.pod_cidrs(new) or not nodes.pod_cidrs(new)


def controller(config: NodeIpamConfig) -> Controller:
    allocator = Allocator(config)
    return Controller(
        name="node-ipam",
        source="cidrAllocator",
        primary=NODES,
        reconcile=allocator.reconcile,
        absent=allocator.absent,
        concerns=_lacks_cidr,
        workers=1,  # subnets are given one after another
    )
