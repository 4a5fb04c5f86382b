"""The service proxy in the kernel: connections a second through a ClusterIP, and how soon a change is in effect.

    ./dev bench proxy [--services 10,1000,10000] [--connections 1000] [--rounds 15] [--changes 20]

The proxy itself in this process, its API in memory, in network namespaces of its own: nothing of the machine is touched. Root and nftables needed.
"""

import argparse
import asyncio
import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support.processes import pss_mib
from support.report import percentile, report, spread

from pinnace.api.resources import ENDPOINT_SLICES
from pinnace.component.clock import RealClock
from pinnace.component.nft_events import TableEvents
from pinnace.proxy.loop import ProxyConfig, ServiceProxy
from pinnace.testing.fake_client import FakeClient

POD, CLIENT, OTHER, GATEWAY = "10.42.0.2", "10.42.0.3", "10.42.0.4", "10.42.0.1"
# Ports of the pod behind the Service and for who goes there directly. Were they one, the kernel would meet the pair of a connection that ended a
# moment ago under other addresses: it has to look for another port then, and SYNs whose clock seems to go backwards are repeated a second later.
PORT, DIRECT = 8080, 8081
NODE = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}
LABEL = "kubernetes.io/service-name"


def cluster_ip(number: int) -> str:
    return f"10.43.{number // 250}.{number % 250 + 1}"


def objects(number: int) -> list[dict[str, Any]]:
    name, ip = f"service-{number}", cluster_ip(number)
    metadata = {"name": name, "namespace": "default"}
    service = {
        "kind": "Service", "apiVersion": "v1", "metadata": metadata,
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }  # fmt: skip
    return [service, endpoint_slice(number, POD)]


def endpoint_slice(number: int, *ips: str) -> dict[str, Any]:
    name = f"service-{number}"
    return {
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
        "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {LABEL: name}},
        "endpoints": [{"addresses": [ip], "nodeName": "n1", "conditions": {"ready": True}} for ip in ips],
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
    }  # fmt: skip


def serve(port: int) -> None:
    """A pod that takes connections and ends them."""
    with socket.create_server((POD, port), backlog=4096) as server:
        while True:
            connection, _ = server.accept()
            connection.close()


def on_cpu(*pids: int) -> float:
    """Seconds that these processes were running. What the kernel does with their packets is done while they run."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


def connect(address: str, port: int, count: int) -> None:
    """One after the other, each until the server ends it, so that no TIME_WAIT stays at the client."""
    for _ in range(count):
        with socket.create_connection((address, port), timeout=10) as connection:
            connection.recv(1)


def cost(address: str, port: int, count: int, server: int) -> tuple[float, float]:
    """Connections a second, and microseconds of CPU for one, client and server together."""
    begun, used = time.perf_counter(), on_cpu(os.getpid(), server)
    connect(address, port, count)
    return count / (time.perf_counter() - begun), (on_cpu(os.getpid(), server) - used) / count * 1e6


def in_turns(rounds: int, count: int, number: int, servers: dict[int, int]) -> dict[str, Any]:
    """Straight to the pod and through the Service, in short turns, so that a busy machine slows both."""
    direct, through = [], []
    for _ in range(rounds):
        direct.append(cost(POD, DIRECT, count, servers[DIRECT]))
        through.append(cost(cluster_ip(number), 80, count, servers[PORT]))
    rates, costs = ([spread([each[i] for each in part]) for part in (direct, through)] for i in (0, 1))
    return {
        "direct_per_s": rates[0]["median"], "service_per_s": rates[1]["median"], "rate_ratio": round(rates[1]["max"] / rates[0]["max"], 3),
        "direct_cpu_us": costs[0]["min"], "service_cpu_us": costs[1]["min"], "cpu_ratio": round(costs[1]["min"] / costs[0]["min"], 3),
    }  # fmt: skip


def cpu() -> float:
    """Of this process and of the `nft` programs that it ran."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


async def changes(client: FakeClient, count: int, number: int) -> dict[str, Any]:
    """From an EndpointSlice being changed to the kernel telling that its rules are."""
    told = asyncio.Event()
    delays, costs = [], []
    with TableEvents(["ip bench"], told.set).listening():
        for turn in range(count):
            piece = client._find(ENDPOINT_SLICES, f"service-{number}-1", "default")
            changed = {
                **piece,
                "endpoints": endpoint_slice(number, *((POD, OTHER)[: 2 - turn % 2]))["endpoints"],
            }
            told.clear()
            begun, used = time.perf_counter(), cpu()
            await client.update(ENDPOINT_SLICES, changed)
            await asyncio.wait_for(told.wait(), 60)
            delays.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(0.1)  # nft has ended, and its cost is known
            costs.append((cpu() - used) * 1000)
    return {
        "change_ms_p50": round(percentile(delays, 50), 1), "change_ms_max": round(max(delays), 1),
        "change_cpu_ms": spread(costs)["median"],
    }  # fmt: skip


async def case(services: int, options: argparse.Namespace) -> dict[str, Any]:
    client = FakeClient([NODE, *(each for number in range(services) for each in objects(number))])
    proxy = ServiceProxy(client, RealClock(), ProxyConfig("n1", table="bench"))
    begun, used, memory = time.perf_counter(), cpu(), pss_mib(os.getpid())
    running = asyncio.create_task(proxy.run())
    await asyncio.wait_for(proxy.synced.wait(), 600)
    built = {
        "build_s": round(time.perf_counter() - begun, 2), "build_cpu_s": round(cpu() - used, 2),
        "mib": round(pss_mib(os.getpid()) - memory, 1),
    }  # fmt: skip
    try:
        command = (
            "--measure",
            str(services // 2),
            "--servers",
            json.dumps(options.servers),
            "--rounds",
            str(options.rounds),
            "--connections",
            str(options.connections),
        )
        measuring = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", options.client, sys.executable, __file__, *command, stdout=subprocess.PIPE
        )
        rates, _ = await measuring.communicate()
        return {**json.loads(rates), **await changes(client, options.changes, services // 2), **built}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await proxy.remove()


def prepare(pods: dict[str, str]) -> None:
    """A node's bridge and pods (namespace and address), as the CNI plugin makes them."""
    commands = [
        "ip link set lo up", "ip link add br0 type bridge", f"ip addr add {GATEWAY}/24 dev br0", "ip link set br0 up",
        "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.bridge.bridge-nf-call-iptables=1",
    ]  # fmt: skip
    for number, (pod, address) in enumerate(pods.items()):
        commands += [
            f"ip link add veth{number} master br0 type veth peer name eth0 netns {pod}", f"ip link set veth{number} up",
            f"ip -n {pod} addr add {address}/24 dev eth0", f"ip -n {pod} link set eth0 up",
            f"ip -n {pod} route add default via {GATEWAY}",
        ]  # fmt: skip
    for command in commands:
        subprocess.run(command.split(), check=True)


def inside(options: argparse.Namespace) -> None:
    """In the node's namespace."""
    prepare({options.pod: POD, options.client: CLIENT})
    # The server ends connections: without this each would stay for a minute, and there are 28,000 ports.
    subprocess.run(
        ["ip", "netns", "exec", options.pod, "sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0"], check=True
    )
    servers = [
        subprocess.Popen(  # `ip` becomes that program
            ["ip", "netns", "exec", options.pod, sys.executable, __file__, "--serve", str(port)]
        )
        for port in (PORT, DIRECT)
    ]
    options.servers = {PORT: servers[0].pid, DIRECT: servers[1].pid}
    try:
        for port in options.servers:
            while True:
                try:
                    connect(POD, port, 1)
                    break
                except OSError:
                    time.sleep(0.05)
        rows = {
            f"{services} services": asyncio.run(case(services, options))
            for services in map(int, options.services.split(","))
        }
        report("proxy", rows)
    finally:
        for server in servers:
            server.kill()
            server.wait()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that namespaces are taken away
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--services", default="10,1000,10000")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--pod", default="", help=argparse.SUPPRESS)
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--servers", default="{}", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    if options.measure >= 0:
        servers = {int(port): pid for port, pid in json.loads(options.servers).items()}
        return print(json.dumps(in_turns(options.rounds, options.connections, options.measure, servers)))
    if options.pod:
        return inside(options)
    if os.geteuid():
        sys.exit("root is needed: network namespaces are made")
    name = f"bench-{secrets.token_hex(3)}"
    spaces = (f"{name}-node", f"{name}-pod", f"{name}-client")
    try:
        for space in spaces:
            subprocess.run(["ip", "netns", "add", space], check=True)
        command = ["ip", "netns", "exec", spaces[0], sys.executable, __file__, *sys.argv[1:]]
        command += ["--pod", spaces[1], "--client", spaces[2]]
        sys.exit(subprocess.run(command, check=False).returncode)
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], check=False)


if __name__ == "__main__":
    main()
