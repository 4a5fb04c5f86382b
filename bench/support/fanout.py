"""Watch fan-out: watchers in another process count what one client creates."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from support.client import Api
from support.processes import cpu_seconds
from support.report import percentile

NAMESPACE = "/api/v1/namespaces/default"
PROGRAM = Path(__file__).with_name("watchers.py")
LIMIT = 120


def fan_out(cluster, make, watchers, count):
    """Create `count` objects, made by `make(name, number)`, one after the other under `watchers` watches; the figures of a row."""
    api, run = Api(cluster).open(), f"w{time.time_ns():x}"
    path = f"{NAMESPACE}/configmaps"
    since = api.get(f"{path}?limit=1")["metadata"]["resourceVersion"]
    watched = f"{path}?watch=1&labelSelector=run%3D{run}&resourceVersion={since}&timeoutSeconds=600"
    address = urlsplit(cluster.server)
    command = [sys.executable, str(PROGRAM), address.hostname, str(address.port), str(cluster.ca), watched,
               str(watchers), str(count), str(LIMIT)]  # fmt: skip
    environment = {**os.environ, "BENCH_TOKEN": cluster.token}
    pid = cluster.processes()["pinnace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            if process.stdout.readline().strip() != "open":
                raise RuntimeError("the watches did not open")
            bodies = [json.dumps(make(f"{run}-{number}", number, {"run": run})) for number in range(count)]
            cpu, sent = cpu_seconds(pid), []
            for body in bodies:
                sent.append(time.time())
                api.request("POST", path, body)
            created = time.time()
            seen = json.loads(process.stdout.readline())
            cpu = cpu_seconds(pid) - cpu
        finally:
            process.terminate()
    delays = [got - asked for times in seen["times"] for got, asked in zip(times, sent, strict=False)]
    events, last = len(delays), max(times[-1] for times in seen["times"] if times)
    return {
        "events_per_s": round(events / (last - sent[0])),
        "lost": watchers * count - events,
        "creates_per_s": round(count / (created - sent[0])),
        "p50_ms": round(percentile(delays, 50) * 1e3, 2),
        "p99_ms": round(percentile(delays, 99) * 1e3, 2),
        "cpu_us_event": round(cpu / events * 1e6, 1),
        "cpu_watchers": round(seen["cpu_s"] / (last - sent[0]), 2),
    }
