"""Forgetting UDP flows whose endpoint is gone: they have no end of their own, so the kernel would keep sending them there."""

import asyncio
import logging
import shutil
from collections.abc import Iterable

from pinnace.component.clock import Clock
from pinnace.proxy.model import ServicePort

log = logging.getLogger(__name__)


def stale_flows(old: Iterable[ServicePort], new: Iterable[ServicePort]) -> set[tuple[str, str]]:
    """(service address, endpoint address) of UDP endpoints that are there no longer; an endpoint of "" means every flow to
    an address that had no endpoint before, and so was not rewritten."""
    after = {port.label: port for port in new}
    found: set[tuple[str, str]] = set()
    for port in old:
        if port.protocol != "udp":
            continue
        later = after.get(port.label)
        kept = {endpoint.ip for endpoint in later.endpoints} if later else set()
        addresses = (*port.cluster_ips, *port.external_ips)
        found |= {
            (ip, endpoint.ip) for ip in addresses for endpoint in port.endpoints if endpoint.ip not in kept
        }
        if not port.endpoints and later and later.endpoints:
            found |= {(ip, "") for ip in addresses}
    return found


async def forget(flows: Iterable[tuple[str, str]], clock: Clock) -> None:
    """Delete the flows with the `conntrack` program; without it they time out by themselves after 30 to 120 s."""
    program = shutil.which("conntrack", path="/usr/sbin:/sbin:/usr/bin")
    if not program:
        return
    for service_ip, endpoint_ip in flows:
        target = ("--dst-nat", endpoint_ip) if endpoint_ip else ()
        process = await asyncio.create_subprocess_exec(
            program, "-D", "-p", "udp", "--orig-dst", service_ip, *target,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await clock.wait_for(process.wait(), 10.0)  # exit code 1: there was no such flow
        except TimeoutError:
            process.kill()
            log.warning("conntrack did not answer; flows to %s time out by themselves", service_ip)
