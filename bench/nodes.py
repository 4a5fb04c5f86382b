"""A cluster of simulated nodes: seconds until all are Ready, what heartbeats cost, and thousands of pods created and deleted.

    python bench/nodes.py [--nodes 5000] [--pods 10000] [--store memory|sqlite] [--settle 60] [--idle 60] [--clients 4]

Pods are created over HTTPS by several clients, bound by the scheduler, and Running on the simulated nodes; they are deleted one by
one, as `kubectl delete pods --all` does. `cpu` is that of the server's process, which holds the control plane and the nodes.
"""

import argparse
import sys
import threading
import time
import urllib.parse

from support.client import Api
from support.cluster import TemporaryCluster
from support.processes import cpu_percent, cpu_seconds, pss_mib
from support.report import report

PODS = "/api/v1/namespaces/default/pods"
LIMIT = 600.0


def pod(number):
    container = {
        "name": "main",
        "image": "bench",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "labels": {"app": "bench"}},
        "spec": {"containers": [container]},
    }


class Rows(dict):
    """Told as they come: a run takes minutes."""

    def __setitem__(self, case, figures):
        print(case, figures, file=sys.stderr, flush=True)
        super().__setitem__(case, figures)


class Stopwatch:
    """Seconds of the clock and of the server's CPU since it was made."""

    def __init__(self, pid):
        self._pid, self._begun, self._cpu = pid, time.perf_counter(), cpu_seconds(pid)

    def figures(self):
        return {
            "seconds": round(time.perf_counter() - self._begun, 1),
            "cpu": round(cpu_seconds(self._pid) - self._cpu, 1),
        }


def share(cluster, pods, clients, call):
    """`call(api, number)` for every pod, by so many clients at once."""

    def work(first):
        api = Api(cluster)
        for number in range(first, pods, clients):
            call(api, number)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def create(cluster, pods, clients):
    share(cluster, pods, clients, lambda api, number: api.create(PODS, pod(number)))


def delete(cluster, pods, clients):
    share(cluster, pods, clients, lambda api, number: api.delete(f"{PODS}/pod-{number}"))


def wait_for_none(api, selector):
    """Until no pod is left that this field selector finds."""
    end = time.perf_counter() + LIMIT
    path = f"{PODS}?limit=1&fieldSelector={urllib.parse.quote(selector)}"
    while api.get(path)["items"]:
        if time.perf_counter() > end:
            raise TimeoutError(selector)
        time.sleep(0.5)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--nodes", type=int, default=5000)
    arguments.add_argument("--pods", type=int, default=10000)
    arguments.add_argument("--store", default="memory", choices=("memory", "sqlite"))
    arguments.add_argument("--idle", type=float, default=60.0)
    arguments.add_argument("--settle", type=float, default=60.0)
    arguments.add_argument("--clients", type=int, default=4)
    given = arguments.parse_args()
    flags = (f"--nodes=sim:{given.nodes}", f"--store={given.store}", "--timeout=600")
    with TemporaryCluster("nodes", *flags, start=False) as cluster:
        ready = cluster.up()
        server = cluster.processes()["pinnace"]
        rows = Rows()
        rows["nodes ready"] = {"seconds": round(ready, 1), "cpu": round(cpu_seconds(server), 1)}
        time.sleep(given.settle)  # events and annotations of thousands of new nodes are still being written
        rows["heartbeats"] = {
            "cpu_percent": cpu_percent({"server": server}, given.idle)["server"],
            "pss_mib": pss_mib(server),
        }
        if given.pods:
            api, watch = Api(cluster), Stopwatch(server)
            create(cluster, given.pods, given.clients)
            rows["pods created"] = watch.figures()
            wait_for_none(api, "status.phase!=Running")
            rows["pods running"] = watch.figures()
            rows["with pods"] = {"pss_mib": pss_mib(server)}
            watch = Stopwatch(server)
            delete(cluster, given.pods, given.clients)
            rows["delete answered"] = watch.figures()
            wait_for_none(api, "metadata.name!=none")
            rows["pods gone"] = watch.figures()
        report("nodes", rows, nodes=given.nodes, pods=given.pods, store=given.store)


if __name__ == "__main__":
    main()
