"""`port-forward`: ports of this machine that lead to ports of a pod, until interrupted or until the pod is gone."""

import asyncio
import contextlib
import ipaddress
import socket
import sys
from typing import Any, NamedTuple

from pinnace.cli.builder import fetch, select
from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import RUNNING_TIMEOUT, of_selection
from pinnace.cli.session import Session, warn
from pinnace.cli.tunnel import connect
from pinnace.net.spdy import Session as Streams
from pinnace.net.spdy import Stream

Object = dict[str, Any]


class Forward(NamedTuple):
    """`local` 0 takes any free port."""

    local: int
    remote: int


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) < 2:
        raise CliError(
            "TYPE/NAME and list of ports are required for port-forward\n"
            f"See '{session.path} -h' for help and examples"
        )
    target, *wanted = arguments
    (one,) = select(session, [target] if "/" in target else ["pods", target], flags)
    pods = of_selection(session, flags, one)
    if not pods:
        raise CliError("timed out waiting for the condition")
    pod = pods[0]
    if one.resource.qualified == "services":
        (service,) = fetch(session, one, flags)
        texts = [_of_service(text, service, pod) for text in wanted]
    else:
        texts = [_of_pod(text, pod) for text in wanted]
    phase = (pod.get("status") or {}).get("phase", "")
    if phase != "Running":
        raise CliError(f"unable to forward port because pod is not running. Current status={phase}")
    addresses = _addresses(flags["address"])
    forwards = [_parsed(text) for text in texts]
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/portforward"
    make_streams = connect(session.http, path)

    async def forward() -> None:
        await Forwarder(make_streams()).run(forwards, addresses)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forward())
    return 0


# --- which ports


def _halves(text: str) -> tuple[str, str]:
    """`80` is the same as `80:80`; more than two parts are refused later."""
    parts = text.split(":")
    return (parts[0], parts[1]) if len(parts) == 2 else (parts[0], parts[0])


def _joined(text: str, local: str, remote: int) -> str:
    return text if text.count(":") > 1 else f"{local}:{remote}"


def _of_pod(text: str, pod: Object) -> str:
    local, remote = _halves(text)
    if not remote:
        raise CliError("remote port cannot be empty")
    number = int(remote) if _is_number(remote) else _container_port(pod, remote)
    ports = [port for c in pod["spec"]["containers"] for port in c.get("ports") or ()]
    _refuse_udp([(port["containerPort"], port.get("protocol", "TCP")) for port in ports], number, remote)
    return _joined(text, local if local != remote else str(number), number)


def _of_service(text: str, service: Object, pod: Object) -> str:
    local, remote = _halves(text)
    name, ports = service["metadata"]["name"], service["spec"].get("ports") or ()
    if _is_number(remote):
        number = int(remote)
    else:
        found = [port["port"] for port in ports if port.get("name") == remote]
        if not found:
            raise CliError(f"Service '{name}' does not have a named port '{remote}'")
        number = found[0]
        local = str(number) if local == remote else local
    _refuse_udp([(port["port"], port.get("protocol", "TCP")) for port in ports], number, remote)
    for port in ports:
        if port["port"] == number:
            target = port.get("targetPort") or number
            if service["spec"].get("clusterIP") == "None":
                target = number
            leads_to = target if isinstance(target, int) else _container_port(pod, target)
            return _joined(text, local, leads_to)
    raise CliError(f"Service {name} does not have a service port {number}")


def _container_port(pod: Object, name: str) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CliError(f"Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


def _refuse_udp(ports: list[tuple[int, str]], number: int, shown: str) -> None:
    protocols = {protocol for port, protocol in ports if port == number}
    if "UDP" in protocols and "TCP" not in protocols:
        raise CliError(f"UDP protocol is not supported for {shown}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _parsed(text: str) -> Forward:
    parts = text.split(":")
    if len(parts) != 2:
        raise CliError(f"invalid port format '{text}'")
    local, remote = (
        _port(part or "0", which) for part, which in zip(parts, ("local", "remote"), strict=True)
    )
    if not remote:
        raise CliError("remote port must be > 0")
    return Forward(local, remote)


def _port(text: str, which: str) -> int:
    if not _is_number(text):
        raise CliError(
            f"error parsing {which} port '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax"
        )
    if int(text) > 65535:
        raise CliError(
            f"error parsing {which} port '{text}': strconv.ParseUint: parsing \"{text}\": value out of range"
        )
    return int(text)


def _addresses(listed: list[str]) -> dict[str, str]:
    """Each address with what must hold: of localhost's two one is enough ("all" must fail for an error), others all count."""
    found: dict[str, str] = {}
    for text in listed:
        if text == "localhost":
            found.setdefault("127.0.0.1", "all")
            found.setdefault("::1", "all")
            continue
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise CliError(f"{text} is not a valid IP") from None
        found[text] = "any"
    return dict(sorted(found.items()))


# --- carrying bytes


class Forwarder:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._requests = 0
        self._servers: list[asyncio.Server] = []

    async def run(self, forwards: list[Forward], addresses: dict[str, str]) -> None:
        """Until the session with the pod ends, which is an error."""
        session = asyncio.create_task(self._streams.run())
        try:
            listening = [await self._listen(forward, addresses) for forward in forwards]
            if not any(listening):
                shown = " ".join(f"{{{local} {remote}}}" for local, remote in forwards)
                raise CliError(f"unable to listen on any of the requested ports: [{shown}]")
            await session
            raise CliError("lost connection to pod")
        finally:
            for server in self._servers:
                server.close()
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
            with contextlib.suppress(OSError):
                await self._streams.close()

    async def _listen(self, forward: Forward, addresses: dict[str, str]) -> bool:
        problems, local = [], forward.local
        opened, missing = set(), set()
        for address, group in addresses.items():
            try:
                local = await self._serve(address, local, forward.remote)
                opened.add(group)
            except OSError as error:
                problems.append(_refusal(address, local, error))
                missing.add(group)
        if "any" in missing or ("all" in missing and "all" not in opened):
            warn(
                f"Unable to listen on port {local}: Listeners failed to create with the following errors: [{' '.join(problems)}]"
            )
            return False
        return True

    async def _serve(self, address: str, local: int, remote: int) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            port = writer.get_extra_info("sockname")[1]
            print(f"Handling connection for {port}", flush=True)
            with contextlib.suppress(ConnectionError):
                await self._carry(reader, writer, Forward(port, remote))
            writer.close()

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = await asyncio.start_server(handle, address, local, family=family)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        print(f"Forwarding from {shown}:{bound} -> {remote}", flush=True)
        return bound

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forward: Forward
    ) -> None:
        """One connection: a stream for errors, and one for bytes, which ends with what the pod says last."""
        headers = {"port": str(forward.remote), "requestid": str(self._requests)}
        self._requests += 1
        errors = await self._streams.open_stream({**headers, "streamtype": "error"})
        await errors.write_eof()
        data = await self._streams.open_stream({**headers, "streamtype": "data"})
        upwards = asyncio.create_task(_upwards(reader, data))
        try:
            while part := await data.read():
                writer.write(part)
                await writer.drain()
        finally:
            upwards.cancel()
            await asyncio.gather(upwards, return_exceptions=True)
            await data.reset()
        if message := await errors.read_all():
            text = message.decode(errors="replace").strip()
            print(
                f"error: an error occurred forwarding {forward.local} -> {forward.remote}: {text}",
                file=sys.stderr,
            )
            await self._streams.close()


async def _upwards(reader: asyncio.StreamReader, data: Stream) -> None:
    while part := await reader.read(65536):
        await data.write(part)
    await data.write_eof()


def _refusal(address: str, port: int, error: OSError) -> str:
    family = "tcp6" if ":" in address else "tcp4"
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    reason = "address already in use" if error.errno == 98 else (error.strerror or str(error)).lower()
    reason = "address already in use" if "address already in use" in reason else reason
    return f"unable to create listener: Error listen {family} {place}: bind: {reason}"


PORT_FORWARD = Command(
    run,
    (
        Flag("address", kind="list", default=["localhost"], help="Addresses to listen on: IP addresses, or localhost for both of its."),
        RUNNING_TIMEOUT,
    ),
    "TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
    "Forward one or more local ports to a pod.",
)  # fmt: skip
