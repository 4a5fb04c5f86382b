"""This node's end of the overlay: one VXLAN link for both families, made when the first node is beyond a router."""

from collections.abc import Iterable

from pinnace.cluster import address_ranges, network, routes
from pinnace.cluster.address_ranges import Network
from pinnace.cluster.routes import Link

USUAL_MTU = 1500


class Overlay:
    def __init__(self, name: str, number: int) -> None:
        self._name, self._number = name, number
        self._is_good = False

    def look_again(self) -> None:
        self._is_good = False

    async def ensure(self, subnets: Iterable[Network], outside: str, links: Iterable[Link]) -> None:
        """Touches it only where it is not as it should be: the kernel tells us of every touch."""
        subnets = tuple(subnets)
        if self._is_good or not subnets:
            return
        link = routes.link_of(outside, links)
        overhead = routes.VXLAN_OVERHEAD[routes.outer_version(subnets)]
        mtu = (link.mtu if link is not None else USUAL_MTU) - overhead
        mac, four = routes.overlay_mac(subnets), address_ranges.of_version(subnets, 4)
        inside = str(four[0]) if four is not None else ""
        if await self._shown() != (self._number, outside, mac, mtu, inside, True):
            if network.link_exists(self._name):
                await network.ip("link", "del", self._name)
            kind = f"vxlan id {self._number} local {outside} dstport {routes.VXLAN_PORT} nolearning"
            await network.ip("link", "add", self._name, "address", mac, "type", *kind.split())
            if address_ranges.of_version(subnets, 6) is not None:
                network.use_ipv6(self._name)
            if inside:
                await network.ip("addr", "add", f"{inside}/32", "dev", self._name)
            await network.ip("link", "set", self._name, "mtu", str(mtu), "up")
        self._is_good = True

    async def _shown(self) -> tuple[object, ...]:
        """What the link is like: number, our address outside and its MAC, MTU, IPv4 address inside, whether it is up."""
        if not network.link_exists(self._name):
            return ()
        (link,) = await network.ip_json("-d", "addr", "show", "dev", self._name)
        data = (link.get("linkinfo") or {}).get("info_data") or {}
        addresses = link.get("addr_info") or ()
        inside = next((one["local"] for one in addresses if one.get("family") == "inet"), "")
        outside = data.get("local") or data.get("local6")
        return (data.get("id"), outside, link["address"], link["mtu"], inside, "UP" in link.get("flags", ()))
