"""tcpSocket probes: a connection that opens is a success."""

import asyncio

from pinnace.component.clock import Clock
from pinnace.kubelet.probes.dial import dial_error
from pinnace.kubelet.probes.spec import SUCCESS, Outcome, Result, host_port


async def probe(host: str, port: int, timeout: float, clock: Clock) -> Outcome:
    try:
        _, writer = await clock.wait_for(asyncio.open_connection(host, port), timeout)
    except OSError as error:  # TimeoutError is one
        return Outcome(Result.FAILURE, dial_error(host_port(host, port), error))
    writer.close()
    return SUCCESS
