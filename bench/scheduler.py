"""Pods bound per second on nodes without kubelets, creation through the API included; with --decisions the decisions alone.

    python bench/scheduler.py [--nodes 100,1000,5000] [--pods 5000] [--variants plain,spread,...] [--repeat 1]
    python bench/scheduler.py --decisions [--nodes ...] [--pods 2000] [--variants ...]

What the variants are, and how the load is made and measured: bench/README.md.
"""

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from support import in_turn, load, scheduling
from support.client import Api
from support.cluster import SOURCE, TemporaryCluster
from support.processes import cpu_seconds
from support.report import percentile, report

NAMESPACE = "/api/v1/namespaces/bench"
PODS, NODES = f"{NAMESPACE}/pods", "/api/v1/nodes"
WATCHER = Path(__file__).with_name("support") / "podwatch.py"
LIMIT, CONNECTIONS, CHURN_SECONDS = 240, 16, 0.25
JSON, MERGE = "application/json", "application/merge-patch+json"
LIVE = [variant for variant in scheduling.VARIANTS if variant != "services"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", default="100,1000,5000")
    parser.add_argument("--pods", type=int, default=0, help="5000, decisions 2000")
    parser.add_argument("--variants", default=",".join(LIVE))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--decisions", action="store_true")
    parser.add_argument("--store", default="sqlite", choices=("sqlite", "memory"))
    given = parser.parse_args()
    sizes, variants = [int(n) for n in given.nodes.split(",")], given.variants.split(",")
    rows = {}
    if given.decisions:
        for nodes in sizes:
            for variant in variants:
                rows[f"{nodes} nodes {variant}"] = median(
                    [decisions(nodes, given.pods or 2000, variant, seed) for seed in range(given.repeat)]
                )
    else:
        for nodes in sizes:
            with TemporaryCluster(
                "scheduler", "--nodes=none", "--controllers=-*", f"--store={given.store}"
            ) as cluster:
                bench = Bench(cluster, nodes)
                bench.prepare()
                rows |= bench.rows(variants, given.pods or 5000, given.repeat)
    report("scheduler", rows, source=SOURCE)
    return 0


def median(runs):
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


class Bench:
    def __init__(self, cluster, nodes):
        self._cluster, self._nodes = cluster, nodes
        self._api = Api(cluster).open()
        self._pid = cluster.processes()["pinnace"]

    def prepare(self):
        self._api.create("/api/v1/namespaces", {"metadata": {"name": "bench"}})
        self._api.create(f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}})
        for name, value in (("bench-low", 1), ("bench-high", 1000)):
            body = {"metadata": {"name": name}, "value": value}
            self._api.create("/apis/scheduling.k8s.io/v1/priorityclasses", body)
        self._send(("POST", NODES, json.dumps(scheduling.node(n)), JSON) for n in range(self._nodes))
        untaint = json.dumps({"spec": {"taints": None}})
        self._send(("PATCH", f"{NODES}/node-{n:05d}", untaint, MERGE) for n in range(self._nodes))
        self.measure("plain", 100)

    def _send(self, requests):
        errors = in_turn.send(self._cluster, requests)
        if errors:
            raise RuntimeError(f"{len(errors)} requests failed, the first: {errors[0]}")

    def rows(self, variants, pods, repeat):
        found = {f"{self._nodes} nodes, created only": self.created_only(min(pods, 2000))}
        for variant in variants:
            count = min(pods, self._nodes) if variant == "preemption" else pods
            runs = [self.measure(variant, count) for _ in range(repeat)]
            found[f"{self._nodes} nodes {variant}"] = median(runs)
            print(variant, found[f"{self._nodes} nodes {variant}"], file=sys.stderr, flush=True)
        return found

    def created_only(self, pods):
        """Pods that name another scheduler: what the API alone costs, with the same watch."""
        run = f"c{time.time_ns():x}"
        with self._watching(run, pods, "created") as watch:
            begun = cpu_seconds(self._pid)
            self._create(run, "plain", pods, scheduler="nobody")
            cpu = cpu_seconds(self._pid) - begun
            watch.terminate()
        self._remove(run)
        return {"cpu_us": round(cpu / pods * 1e6)}

    def measure(self, variant, pods):
        run = f"s{time.time_ns():x}"
        with contextlib.ExitStack() as stack:
            if variant == "preemption":
                stack.enter_context(self._victims(run))
            if variant == "churn":
                stack.enter_context(self._churn(run))
            watch = stack.enter_context(self._watching(run, pods))
            begun = cpu_seconds(self._pid)
            self._create(run, variant, pods)
            seen = json.loads(watch.stdout.readline())
            cpu = cpu_seconds(self._pid) - begun
        self._remove(run)
        created, bound = seen["created"], seen["bound"]
        delays = [(bound[name] - created[name]) * 1e3 for name in bound]
        seconds = max(bound.values()) - min(created.values())
        return {
            "per_s": round(len(bound) / seconds, 1),
            "p50_ms": round(percentile(delays, 50), 1),
            "p99_ms": round(percentile(delays, 99), 1),
            "cpu_us": round(cpu / len(bound) * 1e6),
            "cores": round(cpu / seconds, 2),
            "unbound": pods - len(bound),
        }

    def _create(self, run, variant, pods, scheduler="default-scheduler"):
        body = json.dumps(scheduling.pod(f"{run}-@N@", "@B@", variant, {"run": run}, scheduler))
        request = load.Request("POST", PODS, body)
        load.run(self._cluster, request, connections=CONNECTIONS, seconds=LIMIT, last=pods)

    @contextlib.contextmanager
    def _watching(self, run, pods, _what="bound"):
        address = urlsplit(self._cluster.server)
        command = [sys.executable, str(WATCHER), address.hostname, str(address.port), str(self._cluster.ca),
                   f"{PODS}?labelSelector=run%3D{run}&timeoutSeconds=600", str(pods), str(LIMIT)]  # fmt: skip
        environment = {**os.environ, "BENCH_TOKEN": self._cluster.token}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                if process.stdout.readline().strip() != "open":
                    raise RuntimeError("the watch did not open")
                yield process
            finally:
                process.terminate()

    @contextlib.contextmanager
    def _victims(self, run):
        """A pod on every node that leaves no room for another one."""
        names = [f"{run}-victim-{n}" for n in range(self._nodes)]
        bodies = []
        for number, name in enumerate(names):
            body = scheduling.pod(name, number, "victim")
            body["spec"]["nodeName"] = f"node-{number:05d}"
            bodies.append(json.dumps(body))
        self._send(("POST", PODS, body, JSON) for body in bodies)
        try:
            yield
        finally:
            self._delete(names)

    @contextlib.contextmanager
    def _churn(self, run):
        over = threading.Event()

        def work():
            api, number = Api(self._cluster).open(), 0
            while not over.wait(CHURN_SECONDS):
                number += 1
                name = f"{run}-churn-{number}"
                node = {**scheduling.node(0), "metadata": {"name": name}}
                pod = scheduling.pod(name, number, "preemption")
                pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1000"
                ports = [{"port": 80}]
                api.create(NODES, node)
                api.create(PODS, pod)
                api.create(
                    f"{NAMESPACE}/services",
                    {"metadata": {"name": f"s-{name}"}, "spec": {"ports": ports, "selector": {"app": name}}},
                )
                for path in (f"{NODES}/{name}", f"{PODS}/{name}", f"{NAMESPACE}/services/s-{name}"):
                    api.delete(path, gracePeriodSeconds=0)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _remove(self, run):
        """All pods of the run: the load creates a few more than are counted, and those of one run must not disturb the next."""
        of_run = f"{PODS}?labelSelector=run%3D{run}"
        api = Api(self._cluster).open()  # the kept connection may have been idle for too long
        while api.get(f"{of_run}&limit=1")["items"]:
            api.request("DELETE", f"{of_run}&gracePeriodSeconds=0")

    def _delete(self, names):
        """Some may be gone already."""
        options = json.dumps({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        in_turn.send(self._cluster, (("DELETE", f"{PODS}/{name}", options, JSON) for name in names))


def decisions(nodes, pods, variant, seed):
    """In process and without an API server: parse, decide, assume, see it bound."""
    import orjson

    from pinnace.apimachinery.selectors import from_map
    from pinnace.scheduler.cache import SchedulerCache
    from pinnace.scheduler.cycle import Cycle
    from pinnace.scheduler.pod_parsing import parse_pod
    from pinnace.scheduler.profiles import default_profile

    cache = SchedulerCache()
    for number in range(nodes):
        cache.set_node(scheduling.node(number))

    def workload(pod):
        return from_map({"bucket": pod.labels["bucket"]}) if variant == "services" else None

    cycle = Cycle(default_profile(workload), random.Random(seed))
    times, unfit = [], 0
    for number in range(pods):
        bucket = number % 10 if variant == "services" else number
        made = scheduling.pod(f"p-{number}", bucket, variant)
        made["metadata"] |= {"namespace": "bench", "uid": f"u-{number}"}
        made = orjson.loads(orjson.dumps(made))
        begun = time.process_time()
        pod = parse_pod(made)
        decision = cycle.decide(pod, cache.nodes)
        if decision.node:
            cache.assume(pod, decision.node)
            bound = {**made, "spec": {**made["spec"], "nodeName": decision.node}}
            cache.place(parse_pod(bound), decision.node)
        else:
            unfit += 1
        times.append((time.process_time() - begun) * 1e6)
    return {
        "cpu_us": round(statistics.mean(times)),
        "p50_us": round(percentile(times, 50)),
        "p99_us": round(percentile(times, 99)),
        "unfit": unfit,
    }


if __name__ == "__main__":
    sys.exit(main())
