"""DNS: questions answered per second, and per second of the server's CPU: hot names, names that do not exist, a large headless Service."""

import argparse
import asyncio
import itertools
import os
import random
import select
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SOURCE = os.environ.get("BENCH_SOURCE", str(Path(__file__).resolve().parents[1] / "src"))
WINDOW = 200  # questions on the way
TICKS = os.sysconf("SC_CLK_TCK")
Object = dict[str, Any]


def objects(services: int) -> Iterator[Object]:
    for number in range(services):
        yield {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{number}", "namespace": "shop"},
            "spec": {"clusterIP": f"10.43.{number // 250}.{number % 250 + 1}", "ports": [{"name": "http", "port": 80}]},
        }  # fmt: skip
    yield {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "many", "namespace": "shop"},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
    }  # fmt: skip
    yield {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "many-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "many"}},
        "endpoints": [{"addresses": [f"10.42.0.{n}"]} for n in range(20)],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }  # fmt: skip


async def serve(services: int) -> None:
    from pinnace.component.clock import RealClock
    from pinnace.dns.server import DnsConfig, DnsServer
    from pinnace.testing.fake_client import FakeClient

    server = DnsServer(
        FakeClient(objects(services)), RealClock(), DnsConfig("127.0.0.1", 0, upstreams=("127.0.0.1:1",))
    )
    running = asyncio.create_task(server.run())
    await server.listening()
    print(server.port, flush=True)
    await running


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split("."))
    head = struct.pack("!HHHHHH", random.getrandbits(16), 0x0100, 1, 0, 0, 1)
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, 1) + edns


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def load(port: int, seconds: float, messages: Callable[[], bytes]) -> int:
    """Answers within that time, with a window of questions on the way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        own.connect(("127.0.0.1", port))
        own.setblocking(False)
        for _ in range(WINDOW):
            own.send(messages())
        answered, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            if not select.select([own], [], [], 0.2)[0]:
                for _ in range(WINDOW):  # all were lost
                    own.send(messages())
            try:
                while True:
                    own.recv(4096)
                    answered += 1
                    own.send(messages())
            except BlockingIOError:
                continue
        return answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import uvloop

        uvloop.run(serve(options.services))
        return
    hot = [question(f"s{number}.shop.svc.cluster.local") for number in range(100)]
    counter = itertools.count()
    kinds: dict[str, Callable[[], bytes]] = {
        "100 hot names": itertools.cycle(hot).__next__,
        "20 addresses": itertools.cycle([question("many.shop.svc.cluster.local")]).__next__,
        "SRV of 20": itertools.cycle([question("_http._tcp.many.shop.svc.cluster.local", 33)]).__next__,
        "names that do not exist, each once": lambda: question(f"n{next(counter)}.shop.svc.cluster.local"),
        "all services": lambda: question(f"s{next(counter) % options.services}.shop.svc.cluster.local"),
    }
    command = [sys.executable, __file__, "--serve", f"--services={options.services}"]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        port = int(server.stdout.readline())
        for name, messages in kinds.items():
            rates, per_cpu = [], []
            for _ in range(options.rounds):
                before = cpu_seconds(server.pid)
                answered = load(port, options.seconds, messages)
                rates.append(answered / options.seconds)
                per_cpu.append(answered / max(cpu_seconds(server.pid) - before, 0.01))
            print(f"{name:36} {statistics.median(rates):8,.0f} /s   {max(per_cpu):8,.0f} per second of CPU")
        memory = next(
            line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "VmRSS" in line
        )
        print(f"memory of the server afterwards: {int(memory.split()[1]) // 1024} MiB")
        server.kill()


if __name__ == "__main__":
    main()
