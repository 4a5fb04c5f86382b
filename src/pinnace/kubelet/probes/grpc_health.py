"""grpc probes: ask the container's grpc.health.v1.Health service.

The two messages have one field each, so they are written and read by hand. The gRPC library is loaded by the first probe.
"""

from typing import Any

from pinnace.kubelet.probes.spec import SUCCESS, Outcome, Result, host_port

METHOD = "/grpc.health.v1.Health/Check"
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def request_bytes(service: str) -> bytes:
    """HealthCheckRequest: field 1, the service's name."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def state_of(answer: bytes) -> str:
    """HealthCheckResponse: field 1, an enum; absent means UNKNOWN."""
    number = answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
    return STATES.get(number, str(number))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


async def probe(host: str, port: int, service: str, timeout: float) -> Outcome:
    """gRPC carries the deadline itself, so the time is real here."""
    import grpc.aio

    address = host_port(host, port)
    options = (("grpc.enable_http_proxy", 0), ("grpc.primary_user_agent", "kube-probe/1.36"))
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        check = channel.unary_unary(METHOD, bytes, bytes)
        try:
            answer: bytes = await check(request_bytes(service), timeout=timeout, wait_for_ready=False)
        except grpc.aio.AioRpcError as error:
            return Outcome(Result.FAILURE, _failure(error, address, timeout))
    state = state_of(answer)
    if state == "SERVING":
        return SUCCESS
    return Outcome(Result.FAILURE, f'service unhealthy (responded with "{state}")')


def _failure(error: Any, address: str, timeout: float) -> str:
    code, details = error.code().name, error.details()
    if code == "UNIMPLEMENTED":
        return f"error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {details}"
    if code == "DEADLINE_EXCEEDED":
        return f"timeout: health rpc did not complete within {timeout:g}s: {details}"
    if code == "UNAVAILABLE":
        return f'error: failed to connect service at "{address}": {details}'
    return f"error: health rpc probe failed: {details}"
