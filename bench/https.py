"""Requests per second over HTTPS: create, update, patch, get, list and delete of ConfigMaps and Pods, 1/16/64 connections.

    python bench/https.py [--seconds 4] [--connections 1,16,64] [--kinds configmap,pod] [--store sqlite|memory] [--lists 500,5000]

A control plane of its own (no nodes), durable by default. ConfigMaps are of 1 KB and Pods of 2.5 KB as sent; pods name another scheduler, so that nothing
but the API server works on them. LIST rows are one connection reading that many pods. wrk makes the load where it is installed.
`cpu` is the cores that the server took; load and server share the machine, so a row near the number of cores is bound by the machine.
"""

import argparse
import json
import time

from support import load
from support.client import Api
from support.cluster import TemporaryCluster
from support.processes import cpu_seconds
from support.report import report

NAMESPACE = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"


def padded(obj, size, where):
    """The object as JSON of about `size` bytes; the filling goes into the mapping `where`."""
    where["filling"] = ""
    where["filling"] = "x" * max(0, size - len(json.dumps(obj)))
    return json.dumps(obj, separators=(",", ":"))


def configmap(name):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": "@N@"}}
    return padded(obj, 1024, obj["data"])


def pod(name):
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "env": [{"name": f"VARIABLE_{number}", "value": f"value-{number}"} for number in range(8)],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }
    labels = {"app": "bench", "bucket": "b@N@"}
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"n": "@N@"}},
        "spec": {
            "schedulerName": "none",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        },
    }
    return padded(obj, 2500, obj["metadata"]["annotations"])


KINDS = {"configmap": ("configmaps", configmap), "pod": ("pods", pod)}


class Row:
    """One stretch of load, with the CPU that the server took meanwhile."""

    def __init__(self, cluster, seconds):
        self._cluster, self._seconds = cluster, seconds
        self._pid = cluster.processes()["pinnace"]
        self.rows = {}

    def __call__(self, name, request, connections, last=0, seconds=None):
        cpu, begun = cpu_seconds(self._pid), time.perf_counter()
        limit = seconds or self._seconds
        figures = load.run(self._cluster, request, connections=connections, seconds=limit, last=last)
        passed = time.perf_counter() - begun
        self.rows[name] = figures | {"cpu": round((cpu_seconds(self._pid) - cpu) / passed, 2)}
        return figures["requests"]


def changed(stored, name):
    """An update must repeat what the server filled in, so that a stored object is the pattern of all."""
    kept = ("labels", "annotations", "namespace")
    metadata = {key: value for key, value in stored["metadata"].items() if key in kept}
    metadata["annotations"] = {**metadata.get("annotations", {}), "n": "updated-@N@"}
    return json.dumps({**stored, "metadata": {**metadata, "name": name}}, separators=(",", ":"))


def writes_and_reads(cluster, row, kind, connections):
    plural, make = KINDS[kind]
    base, name = f"{NAMESPACE}/{plural}", f"{kind}-{connections}-@N@"
    label = f"{kind} {{}} {connections}".format
    count = row(label("create"), load.Request("POST", base, make(name)), connections)
    count = max(1, count - connections)  # those in flight at the end may not have been created
    one = f"{base}/{name}"
    patch = json.dumps({"metadata": {"annotations": {"patched": "yes-@N@"}}})
    row(label("get"), load.Request("GET", one, modulo=count), connections)
    update = changed(Api(cluster).get(one.replace("@N@", "0")), name)
    row(label("update"), load.Request("PUT", one, update, modulo=count), connections)
    row(label("patch"), load.Request("PATCH", one, patch, MERGE, modulo=count), connections)
    row(label("delete"), load.Request("DELETE", one), connections, last=count, seconds=60)


def lists(cluster, row, sizes):
    present = 0
    for size in sizes:
        body = load.Request("POST", f"{NAMESPACE}/pods", pod(f"list-{size}-@N@"))
        row(f"fill {size}", body, 32, last=size - present, seconds=120)
        present = len(Api(cluster).get(f"{NAMESPACE}/pods")["items"])
        row(f"list {present} pods", load.Request("GET", f"{NAMESPACE}/pods"), 1)
        selector = "labelSelector=bucket%3Db7"
        row(f"list {present} pods, selector", load.Request("GET", f"{NAMESPACE}/pods?{selector}"), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--kinds", default="configmap,pod")
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--lists", default="500,5000")
    arguments = parser.parse_args()
    with TemporaryCluster("https", "--nodes=none", f"--store={arguments.store}") as cluster:
        row = Row(cluster, arguments.seconds)
        for kind in filter(None, arguments.kinds.split(",")):
            for connections in map(int, arguments.connections.split(",")):
                writes_and_reads(cluster, row, kind, connections)
        lists(cluster, row, [int(size) for size in arguments.lists.split(",") if size])
        report("https", row.rows, store=arguments.store)


if __name__ == "__main__":
    main()
