"""Health-check node ports: load balancers ask there whether this node has endpoints of a Service (`externalTrafficPolicy: Local`).

Answers and headers as kube-proxy's:
https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/healthcheck/service_health.go
"""

import asyncio
import json
import logging
from dataclasses import dataclass

from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
MOST_CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """What one port answers: how many ready endpoints of the Service are on this node."""

    namespace: str
    service: str
    port: int
    local_endpoints: int


class HealthCheckServers:
    """`address` is what the ports are bound to, None for every address of both families."""

    def __init__(self, clock: Clock, address: str | None = "0.0.0.0") -> None:
        self._clock, self._address = clock, address
        self._checks: dict[int, HealthCheck] = {}
        self._servers: dict[int, asyncio.Server] = {}
        self._connections = 0

    async def replace(self, service: tuple[str, str], wanted: HealthCheck | None) -> None:
        """From now on the Service has this check, or none. A port that is taken is told in the log and tried again next time."""
        for port, check in list(self._checks.items()):
            if (check.namespace, check.service) == service and (wanted is None or wanted.port != port):
                del self._checks[port]
                if server := self._servers.pop(port, None):
                    server.close()
        if wanted is None:
            return
        self._checks[wanted.port] = wanted
        if wanted.port not in self._servers:
            await self._listen(wanted)

    async def _listen(self, check: HealthCheck) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(check.port, reader, writer)

        try:
            self._servers[check.port] = await asyncio.start_server(serve, self._address, check.port)
        except OSError as error:
            log.warning(
                "health checks of service %s/%s are not served: %s", check.namespace, check.service, error
            )

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= MOST_CONNECTIONS and port in self._checks:
                await self._clock.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
                writer.write(answer(self._checks[port]))
                await self._clock.wait_for(writer.drain(), REQUEST_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asks so badly learns nothing
        finally:
            self._connections -= 1
            writer.close()

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()


def answer(check: HealthCheck) -> bytes:
    """One whole HTTP answer, after which the connection ends."""
    body = {
        "service": {"namespace": check.namespace, "name": check.service},
        "localEndpoints": check.local_endpoints,
        "serviceProxyHealthy": True,
    }
    payload = json.dumps(body, indent="\t").encode()
    status = "200 OK" if check.local_endpoints else "503 Service Unavailable"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
        f"X-Load-Balancing-Endpoint-Weight: {check.local_endpoints}\r\n"
        f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + payload
