"""Keeps the kernel's routes to the pods of other nodes as the Node objects say, and this node's own pod network.

Follows Node changes (each costs what changed), links that go down and come back, and puts back what is deleted by hand.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.apimachinery.errors import StatusError
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.cluster import address_ranges, network, node_dns, routes
from pinnace.cluster.address_ranges import Network
from pinnace.cluster.network import NetworkError
from pinnace.cluster.overlay import Overlay
from pinnace.cluster.route_events import RouteEvents
from pinnace.cluster.routes import Link, Way
from pinnace.cluster.subnet_claims import SubnetClaims

if TYPE_CHECKING:
    from pinnace.cluster.node import Node

log = logging.getLogger(__name__)

GATHER_SECONDS, RETRY_SECONDS = 0.05, 2.0
AGAIN_SECONDS = 30.0  # for the way to one node, which the kernel refused

Target = tuple[str, int]  # a node's name, and the family of its pods' addresses


class PodNetwork:
    def __init__(self, node: "Node", client: Client) -> None:
        self._node, self._clock = node, node.clock
        self._name = node.config.node_name
        self._nodes = Informer(client, node.clock, NODES)
        self._nodes.add_handler(self._node_changed)
        self._dirty: set[str] = set()  # names of nodes whose way may be another
        self._applied: dict[Target, Way] = {}
        self._pods: dict[int, Network] = {
            one.version: one for one in address_ranges.networks(node.config.pod_cidr)
        }
        self._claims = {version: SubnetClaims() for version in self._pods}
        self._failed: dict[Target, str] = {}  # to which there is no way, and why
        self._links: list[Link] = []
        self._kernel = RouteEvents(routes.PROTOCOL, self._kernel_changed, has_ipv6=6 in self._pods)
        self._overlay = Overlay(node.names.overlay, routes.overlay_id(node.ca))
        self._mtu = 0
        self._wake = node.told

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = meta.name(new or old or {})
        created = ((new or {}).get("metadata") or {}).get("creationTimestamp") or ""
        others, is_other = set[str](), False
        for version, claims in self._claims.items():
            peer = routes.peer(new, version)
            others |= claims.put(name, peer.subnet if peer is not None else None, created)
            is_other |= routes.peer(old, version) != peer
        if name == self._name or others or is_other:
            self._dirty |= {name, *others}
            self._wake.set()

    def _kernel_changed(self) -> None:
        """A link of ours or one of our routes: look at everything again."""
        self._links = []
        self._overlay.look_again()
        self._dirty.update(name for name, _ in self._applied)
        self._dirty.update(meta.name(node) for node in self._nodes.lister)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; routes stay, so that a restart interrupts nothing."""
        with self._kernel.listening():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._nodes.run())
                await self._nodes.wait_synced()
                await self._forget_strangers()
                self._wake.set()
                while True:
                    await self._news()
                    await self._clock.sleep(GATHER_SECONDS)
                    self._wake.clear()
                    await self._sync()

    async def _news(self) -> None:
        """Something changed, or what failed is due again."""
        if self._failed:
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._wake.wait(), AGAIN_SECONDS)
            self._dirty |= {name for name, _ in self._failed}
        else:
            await self._wake.wait()

    async def _sync(self) -> None:
        dirty, self._dirty = self._dirty, set()
        try:
            await self._own_node()
            if not self._node.subnets:
                self._dirty |= dirty  # nothing can be said before this node has its own
                return
            dirty |= self._dirty
            self._dirty = set()
            await self._ways(dirty)
        except (NetworkError, StatusError, OSError, TimeoutError) as error:
            log.error(
                "the pod network is not as it should be: %s; next attempt in %.0f s", error, RETRY_SECONDS
            )
            self._dirty |= dirty
            self._links = []
            self._wake.set()
            await self._clock.sleep(RETRY_SECONDS)

    async def _own_node(self) -> None:
        """Take the subnet that the control plane gave; say where the name server is."""
        own = self._nodes.lister.get(self._name)
        subnets = routes.own_subnets(own)
        if own is None or not subnets:
            return
        if subnets != self._node.subnets:
            log.info("this node's pods are in %s", ", ".join(map(str, subnets)))
            await self._node.use_subnets(subnets, self._mtu)
            await network.forget_other_addresses(self._node.names.bridge, subnets)
            self._kernel_changed()
        await node_dns.announce(self._node.node_client, own, self._node.dns_port)

    async def _ways(self, dirty: set[str]) -> None:
        if not self._links:
            self._links = await self._look_at_links()
        links = (
            self._links
        )  # the kernel may say meanwhile that they are others: then everything is looked at again
        targets = [(name, version) for name in dirty for version in self._pods]
        wanted = {target: made for target in targets if (made := self._way(*target, links)) is not None}
        gone = [
            before
            for target in targets
            if (before := self._applied.get(target)) is not None and wanted.get(target) != before
        ]
        if any(way.overhead for way in wanted.values()):
            await self._overlay.ensure(self._node.subnets, self._outside(), links)
            self._watch(links)
        failed = await self._carry_out(gone, wanted)
        for target in targets:
            self._applied.pop(target, None)
            if (why := failed.get(target)) and why != self._failed.get(target):
                log.error("there is no way to the IPv%d pods of node %s: %s", target[1], target[0], why)
            self._failed.pop(target, None)
        self._failed |= failed
        self._applied.update({target: way for target, way in wanted.items() if target not in failed})
        mtu = routes.pod_mtu(routes.link_of(self._node.address, links), self._applied.values())
        if self._node.subnets and mtu != self._mtu:
            await self._node.use_subnets(self._node.subnets, mtu)
            self._mtu = mtu

    def _outside(self) -> str:
        """This node's address that the overlay's packets have."""
        version = routes.outer_version(self._node.subnets)
        addresses = (self._node.address, *self._node.other_addresses)
        return next((one for one in addresses if (6 if ":" in one else 4) == version), self._node.address)

    async def _look_at_links(self) -> list[Link]:
        """Without those that are made here: what we do to them is no news."""
        own = (self._node.names.bridge, self._node.names.overlay)
        family = () if 6 in self._pods else ("-4",)
        shown = await network.ip_json(*family, "addr")
        found = [link for link in routes.links(shown) if link.name not in own]
        self._watch(found)
        return found

    def _watch(self, links: list[Link]) -> None:
        indexes = {link.index for link in links}
        with contextlib.suppress(OSError):
            indexes.add(socket.if_nametoindex(self._node.names.overlay))
        self._kernel.watch_links(indexes)

    def _way(self, name: str, version: int, links: list[Link]) -> Way | None:
        peer = routes.peer(self._nodes.lister.get(name), version)
        own = address_ranges.of_version(self._node.subnets, version)
        if name == self._name or peer is None or own is None or peer.subnet.overlaps(own):
            return None
        if not address_ranges.is_within(peer.subnet, self._pods[version]):
            log.warning(
                "node %s says that its pods are in %s, which is none of the cluster's", name, peer.subnet
            )
            return None
        if (holder := self._claims[version].holder(name)) != name:
            log.warning(
                "nodes %s and %s say that they have the subnet %s: the older has it",
                holder,
                name,
                peer.subnet,
            )
            return None
        if any(one.ip in (peer.address, peer.outside) for link in links for one in link.addresses):
            return None  # another node on this very machine: its bridge is here
        return routes.way(peer, links, self._node.names.overlay)

    async def _carry_out(self, gone: list[Way], wanted: dict[Target, Way]) -> dict[Target, str]:
        """What is gone may be gone from the kernel, too. One that the kernel refuses is in nobody else's way: they are
        the answer."""
        if gone:
            await _batch("ip", [line for way in gone for line in way.remove], force=True)
            await _batch("bridge", [f"fdb del {way.forward}" for way in gone if way.forward], force=True)
        try:
            await _make(wanted.values())
        except NetworkError as error:
            if len(wanted) == 1:
                return dict.fromkeys(wanted, str(error))
        else:
            return {}
        ways, middle = list(wanted.items()), len(wanted) // 2
        failed = await self._carry_out([], dict(ways[:middle]))
        return failed | await self._carry_out([], dict(ways[middle:]))

    async def _forget_strangers(self) -> None:
        """Routes of an earlier run to nodes that have gone since."""
        stale = []
        for version, pods in self._pods.items():
            known = {
                str(peer.subnet) for node in self._nodes.lister
                if (peer := routes.peer(node, version)) is not None and self._claims[version].holder(meta.name(node)) == meta.name(node)
            }  # fmt: skip
            shown = await network.ip_json(
                f"-{version}", "route", "show", "root", str(pods), "proto", str(routes.PROTOCOL)
            )
            stale += [
                f"route del {one['dst']} dev {one['dev']} proto {routes.PROTOCOL}"
                for one in shown
                if one["dst"] not in known
            ]
        if stale:
            await _batch("ip", stale, force=True)
        self._dirty.update(meta.name(node) for node in self._nodes.lister)


async def _make(ways: Iterable[Way]) -> None:
    ways = list(ways)
    await _batch("ip", [line for way in ways for line in way.add])
    await _batch("bridge", [f"fdb replace {way.forward}" for way in ways if way.forward])


async def _batch(program: str, lines: list[str], *, force: bool = False) -> None:
    """All lines in one process. `force`: a line that fails stops nothing and is no failure."""
    if not lines:
        return
    try:
        await network.run(
            program, *(["-force"] if force else []), "-batch", "-", stdin="\n".join(lines) + "\n"
        )
    except NetworkError:
        if not force:
            raise
