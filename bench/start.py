"""Seconds from launch to /readyz and to node Ready; memory and CPU of the idle cluster.

    python bench/start.py [--repeat 5] [--settle 15] [--idle 10] [--only control-plane|durable|node]

Cases: a control plane with the store in memory, one with SQLite, and a cluster with a real node (root and containerd needed). The
first start of each makes certificates and, on the node, containerd's directories: it is shown apart, and the median is of the
later ones. /readyz is asked every 5 ms over TLS. `server_cpu_s` is what the server has spent by then: the figure to compare on a noisy
machine. Memory is PSS after `--settle` seconds, CPU is over `--idle` seconds.
"""

import argparse
import http.client
import json
import ssl
import time

from support.cluster import TemporaryCluster
from support.processes import cpu_percent, cpu_seconds, pss_mib
from support.report import report, spread

CASES = {
    "control-plane": ("--nodes=none", "--store=memory"),
    "durable": ("--nodes=none", "--store=sqlite"),
    "node": ("--nodes=real", "--store=sqlite"),
}
LIMIT = 60.0


def until(cluster, is_so, begun):
    """Seconds from `begun` until `is_so(connection)` holds; a server that does not answer yet is asked again."""
    record = cluster.data / "run" / "server.json"
    while time.perf_counter() < begun + LIMIT:
        time.sleep(0.005)
        try:
            port = json.loads(record.read_text())["port"]
            context = ssl.create_default_context(cafile=str(cluster.ca))
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
            headers = {"Authorization": f"Bearer {cluster.token}"}
            if is_so(connection, headers):
                return time.perf_counter() - begun
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            continue
    raise TimeoutError(cluster.name)


def answers_ready(connection, headers):
    connection.request("GET", "/readyz", headers=headers)
    return connection.getresponse().status == 200


def has_ready_node(connection, headers):
    connection.request("GET", "/api/v1/nodes", headers=headers)
    nodes = json.loads(connection.getresponse().read())["items"]
    conditions = [entry for node in nodes for entry in node.get("status", {}).get("conditions", [])]
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def start(cluster, *, node):
    begun = time.perf_counter()
    process = cluster.launch()
    times = {"readyz_s": until(cluster, answers_ready, begun)}
    if node:
        times["node_ready_s"] = until(cluster, has_ready_node, begun)
    process.wait()
    times["up_returns_s"] = time.perf_counter() - begun
    times["server_cpu_s"] = cpu_seconds(cluster.processes()["pinnace"])
    return times


def measure(case, arguments):
    with TemporaryCluster(case, *CASES[case], start=False) as cluster:
        node = case == "node"
        first = start(cluster, node=node)
        later = []
        for _ in range(arguments.repeat):
            cluster.down()
            (cluster.data / "run" / "server.json").unlink(missing_ok=True)
            later.append(start(cluster, node=node))
        figures = {f"first_{name}": round(value, 3) for name, value in first.items()}
        for name in first:
            figures |= {f"{name}_{key}": value for key, value in spread([run[name] for run in later]).items()}
        time.sleep(arguments.settle)
        processes = cluster.processes()
        memory = {name: pss_mib(pid) for name, pid in processes.items()}
        cpu = cpu_percent(processes, arguments.idle)
    figures |= {f"pss_mib_{name}": value for name, value in memory.items()}
    figures |= {f"idle_cpu_percent_{name}": value for name, value in cpu.items()}
    figures["pss_mib"], figures["idle_cpu_percent"] = round(sum(memory.values()), 1), sum(cpu.values())
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--settle", type=float, default=15)
    parser.add_argument("--idle", type=float, default=10)
    parser.add_argument("--only", choices=CASES)
    arguments = parser.parse_args()
    cases = [arguments.only] if arguments.only else list(CASES)
    report("start", {case: measure(case, arguments) for case in cases})


if __name__ == "__main__":
    main()
