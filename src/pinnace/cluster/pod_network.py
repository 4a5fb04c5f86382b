"""Keeps the kernel's routes to the pods of other nodes as the Node objects say, and this node's own pod network.

Follows Node changes (each costs what changed), links that go down and come back, and puts back what is deleted by hand.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.apimachinery.errors import StatusError
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.cluster import network, node_dns, routes
from pinnace.cluster.network import NetworkError
from pinnace.cluster.route_events import RouteEvents
from pinnace.cluster.routes import Link, Way
from pinnace.cluster.subnet_claims import SubnetClaims

if TYPE_CHECKING:
    from pinnace.cluster.node import Node

log = logging.getLogger(__name__)

GATHER_SECONDS, RETRY_SECONDS = 0.05, 2.0
AGAIN_SECONDS = 30.0  # for the way to one node, which the kernel refused


class PodNetwork:
    def __init__(self, node: "Node", client: Client) -> None:
        self._node, self._clock = node, node.clock
        self._name = node.config.node_name
        self._nodes = Informer(client, node.clock, NODES)
        self._nodes.add_handler(self._node_changed)
        self._dirty: set[str] = set()  # names of nodes whose way may be another
        self._applied: dict[str, Way] = {}
        self._claims = SubnetClaims()
        self._failed: dict[str, str] = {}  # nodes that there is no way to, and why
        pods = routes.of_ipv4(node.config.pod_cidr)
        self._pods = IPv4Network(pods) if pods else None
        self._links: list[Link] = []
        self._kernel = RouteEvents(routes.PROTOCOL, self._kernel_changed)
        self._has_overlay = False
        self._mtu = 0
        self._wake = node.told

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name, peer = meta.name(new or old or {}), routes.peer(new)
        created = ((new or {}).get("metadata") or {}).get("creationTimestamp") or ""
        others = self._claims.put(name, peer.subnet if peer is not None else None, created)
        if name == self._name or others or routes.peer(old) != peer:
            self._dirty |= {name, *others}
            self._wake.set()

    def _kernel_changed(self) -> None:
        """A link of ours or one of our routes: look at everything again."""
        self._links, self._has_overlay = [], False
        self._dirty.update(self._applied, (meta.name(node) for node in self._nodes.lister))
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
            self._dirty |= self._failed.keys()
        else:
            await self._wake.wait()

    async def _sync(self) -> None:
        dirty, self._dirty = self._dirty, set()
        try:
            await self._own_node()
            if self._node.subnet is None:
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
        wanted = {name: made for name in dirty if (made := self._way(name, links)) is not None}
        gone = [
            self._applied[name]
            for name in dirty
            if name in self._applied and wanted.get(name) != self._applied[name]
        ]
        if any(way.is_overlay for way in wanted.values()):
            await self._ensure_overlay(links)
        failed = await self._carry_out(gone, wanted)
        for name in dirty:
            self._applied.pop(name, None)
            if (why := failed.get(name)) and why != self._failed.get(name):
                log.error("there is no way to the pods of node %s: %s", name, why)
            self._failed.pop(name, None)
        self._failed |= failed
        self._applied.update({name: way for name, way in wanted.items() if name not in failed})
        mtu = routes.pod_mtu(routes.link_of(self._node.address, links), self._applied)
        if self._node.subnets and mtu != self._mtu:
            await self._node.use_subnets(self._node.subnets, mtu)
            self._mtu = mtu

    async def _look_at_links(self) -> list[Link]:
        """Without those that are made here: what we do to them is no news."""
        own = (self._node.names.bridge, self._node.names.overlay)
        found = [link for link in routes.links(await network.ip_json("-4", "addr")) if link.name not in own]
        self._kernel.watch_links({link.index for link in found} | self._overlay_index())
        return found

    def _overlay_index(self) -> set[int]:
        try:
            return {socket.if_nametoindex(self._node.names.overlay)}
        except OSError:
            return set()

    def _way(self, name: str, links: list[Link]) -> Way | None:
        peer = routes.peer(self._nodes.lister.get(name))
        own = self._node.subnet
        if name == self._name or peer is None or own is None or peer.subnet.overlaps(own):
            return None
        if self._pods is not None and not peer.subnet.subnet_of(self._pods):
            log.warning(
                "node %s says that its pods are in %s, which is none of the cluster's", name, peer.subnet
            )
            return None
        if (holder := self._claims.holder(name)) != name:
            log.warning(
                "nodes %s and %s say that they have the subnet %s: the older has it",
                holder,
                name,
                peer.subnet,
            )
            return None
        if any(peer.address == one.ip for link in links for one in link.addresses):
            return None  # another node on this very machine: its bridge is here
        return routes.way(peer, links, self._node.names.overlay)

    async def _carry_out(self, gone: list[Way], wanted: dict[str, Way]) -> dict[str, str]:
        """What is gone may be gone from the kernel, too. One that the kernel refuses is in nobody else's way: they are
        the answer, by node."""
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

    async def _ensure_overlay(self, links: list[Link]) -> None:
        """Touches it only where it is not as it should be: the kernel tells us of every touch."""
        name, subnet = self._node.names.overlay, self._node.subnet
        if self._has_overlay or subnet is None:
            return
        link = routes.link_of(self._node.address, links)
        mtu = (link.mtu if link is not None else 1500) - routes.VXLAN_OVERHEAD
        number, mac = routes.overlay_id(self._node.ca), routes.overlay_mac(subnet)
        wanted = (number, self._node.address, mac, mtu, str(subnet[0]), True)
        if await self._overlay() != wanted:
            if network.link_exists(name):
                await network.ip("link", "del", name)
            kind = f"vxlan id {number} local {self._node.address} dstport {routes.VXLAN_PORT} nolearning"
            await network.ip("link", "add", name, "address", mac, "type", *kind.split())
            await network.ip("addr", "add", f"{subnet[0]}/32", "dev", name)
            await network.ip("link", "set", name, "mtu", str(mtu), "up")
        self._has_overlay = True
        self._kernel.watch_links({link.index for link in links} | self._overlay_index())

    async def _overlay(self) -> tuple[object, ...]:
        """What the link is like: number, our address outside and its MAC, MTU, address inside, whether it is up."""
        if not network.link_exists(self._node.names.overlay):
            return ()
        (link,) = await network.ip_json("-d", "-4", "addr", "show", "dev", self._node.names.overlay)
        data = (link.get("linkinfo") or {}).get("info_data") or {}
        inside = next((one["local"] for one in link.get("addr_info") or ()), "")
        is_up = "UP" in link.get("flags", ())
        return (data.get("id"), data.get("local"), link["address"], link["mtu"], inside, is_up)

    async def _forget_strangers(self) -> None:
        """Routes of an earlier run to nodes that have gone since."""
        if not (pods := routes.of_ipv4(self._node.config.pod_cidr)):
            return
        known = {
            str(peer.subnet) for node in self._nodes.lister
            if (peer := routes.peer(node)) is not None and self._claims.holder(meta.name(node)) == meta.name(node)
        }  # fmt: skip
        shown = await network.ip_json("route", "show", "root", pods, "proto", str(routes.PROTOCOL))
        stale = [
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
