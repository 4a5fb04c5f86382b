"""Runs inside a pod's network namespace: answers with its name on TCP and UDP, and tries to reach others when told to.

One JSON object per line on standard input: {"ports": [...]} once, then {"try": [[protocol, address, port], ...]}, answered by a
list of the names that answered ("" for none). {"hold": [address, port]} keeps a connection; {"talk": true} uses it.
"""

import asyncio
import json
import sys

SECONDS = 0.6


class Answering(asyncio.DatagramProtocol):
    def __init__(self, name: bytes) -> None:
        self._name = name
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio promises a datagram transport here

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(self._name, addr)


class Asking(asyncio.DatagramProtocol):
    def __init__(self, answered: "asyncio.Future[bytes]") -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


async def serve(name: bytes, port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readline():
                writer.write(name + b"\n")
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    await asyncio.start_server(answer, "0.0.0.0", port)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Answering(name), local_addr=("0.0.0.0", port))


async def tcp(address: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(b"?\n")
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


async def udp(address: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: Asking(answered), remote_addr=(address, port))
    try:
        transport.sendto(b"?")
        return (await answered).decode()
    finally:
        transport.close()


async def attempt(protocol: str, address: str, port: int) -> str:
    try:
        return await asyncio.wait_for((tcp if protocol == "TCP" else udp)(address, port), SECONDS)
    except (OSError, TimeoutError):
        return ""


class Held:
    """One connection that lives as long as it is allowed to."""

    def __init__(self) -> None:
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def hold(self, address: str, port: int) -> bool:
        try:
            self._ends = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
        except (OSError, TimeoutError):
            return False
        return True

    async def talk(self) -> bool:
        assert self._ends is not None
        reader, writer = self._ends
        try:
            writer.write(b"?\n")
            return bool(await asyncio.wait_for(reader.readline(), SECONDS))
        except (OSError, TimeoutError):
            return False


async def main(name: str) -> None:
    held = Held()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        wish = json.loads(line)
        answer: object = True
        if "ports" in wish:
            await asyncio.gather(*(serve(name.encode(), port) for port in wish["ports"]))
        elif "try" in wish:
            answer = await asyncio.gather(*(attempt(*target) for target in wish["try"]))
        elif "hold" in wish:
            answer = await held.hold(*wish["hold"])
        elif "talk" in wish:
            answer = await held.talk()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
