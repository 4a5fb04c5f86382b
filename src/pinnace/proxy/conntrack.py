"""Forgetting UDP flows whose endpoint is gone: they have no end of their own, so the kernel would keep sending them there."""

import asyncio
import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from pinnace.component.clock import Clock
from pinnace.proxy.families import IPV4, Family
from pinnace.proxy.model import HostPort, ServicePort

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flows:
    """UDP flows to one port. An `address` of "" means every address (node ports), an `endpoint` of "" every one, and none."""

    family: Family
    address: str
    port: int
    endpoint: str = ""

    def arguments(self) -> tuple[str, ...]:
        address = ("--orig-dst", self.address) if self.address else ()
        endpoint = ("--dst-nat", self.endpoint) if self.endpoint else ()
        what = ("-D", "-f", self.family.name.lower(), "-p", "udp", "--orig-port-dst", str(self.port))
        return (*what, *address, *endpoint)


def stale_flows(old: Iterable[ServicePort], new: Iterable[ServicePort], family: Family = IPV4) -> set[Flows]:
    """Those that lead to endpoints that serve no longer, to ports that are there no longer, and those that began when a port
    had no endpoint and so were not rewritten."""
    after = {port.label: port for port in new}
    found: set[Flows] = set()
    for port in old:
        if port.protocol != "udp":
            continue
        later = after.get(port.label)
        before = {endpoint.ip for endpoint in (*port.endpoints, *port.local)}
        if later is None or not later.is_anywhere:
            stale = {""} if before else set()
        else:
            kept = {endpoint.ip for endpoint in (*later.endpoints, *later.local)}
            stale = before - kept - later.draining if before else {""}
        targets = [(ip, port.port) for ip in (*port.cluster_ips, *port.outside_ips)]
        targets += [("", port.node_port)] if port.node_port else []
        found |= {Flows(family, ip, number, endpoint) for ip, number in targets for endpoint in stale}
        if later:
            found |= _of_lost_addresses(port, later, family)
    return found


def _of_lost_addresses(old: ServicePort, new: ServicePort, family: Family) -> set[Flows]:
    """The port lost addresses, or its node port: what went there goes nowhere now."""
    lost = {(ip, old.port) for ip in (*old.cluster_ips, *old.outside_ips)}
    lost |= {("", old.node_port)} if old.node_port else set()
    lost -= {(ip, new.port) for ip in (*new.cluster_ips, *new.outside_ips)} | {("", new.node_port)}
    return {Flows(family, ip, number) for ip, number in lost}


def flows_of_host_ports(
    old: Iterable[HostPort], new: Iterable[HostPort], family: Family = IPV4
) -> set[Flows]:
    """A host port that came or went: what used it before went elsewhere."""
    changed = set(old) ^ set(new)
    return {Flows(family, port.host_ip, port.host_port) for port in changed if port.protocol == "udp"}


async def forget(flows: Iterable[Flows], clock: Clock) -> None:
    """Delete the flows with the `conntrack` program; without it they time out by themselves after 30 to 120 s."""
    program = shutil.which("conntrack", path="/usr/sbin:/sbin:/usr/bin")
    if not program:
        return
    for each in flows:
        process = await asyncio.create_subprocess_exec(
            program, *each.arguments(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await clock.wait_for(process.wait(), 10.0)  # exit code 1: there was no such flow
        except TimeoutError:
            process.kill()
            log.warning("conntrack did not answer; flows to port %s time out by themselves", each.port)
