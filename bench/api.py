"""What the API server does over HTTPS: durable writes, GET, LIST, watch fan-out, memory and start-up with many objects.

    ./dev bench api [--quick] [--only writes,reads,idle,lists,watch,size] [--seconds 4] [--connections 1,16,64]
                    [--lists 500,5000,20000] [--watchers 1,100,500] [--objects 50000] [--store sqlite|memory]

A control plane of its own (no nodes). `--quick` takes under two minutes. bench/README.md says how to read the figures.
"""

import argparse
import json
import time

from support import load
from support.client import Api
from support.cluster import TemporaryCluster
from support.fanout import fan_out
from support.idle import idle_connections
from support.processes import cpu_seconds, pss_mib
from support.report import report

NAMESPACE = "/api/v1/namespaces/default"
MERGE = "application/merge-patch+json"
PARTS = ("writes", "reads", "idle", "lists", "watch", "size")
QUICK = {
    "seconds": 2,
    "connections": "1,64",
    "lists": "500,5000",
    "watchers": "1,100",
    "objects": 10_000,
    "count": 300,
    "idle": 500,
}


def padded(obj, size, where):
    """The object, of about `size` bytes of JSON; the filling goes into the mapping `where`."""
    where["filling"] = ""
    where["filling"] = "x" * max(0, size - len(json.dumps(obj)))
    return obj


def configmap(name, number="@N@", labels=None):
    metadata = {"name": name, "labels": labels} if labels else {"name": name}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"n": str(number)}}
    return padded(obj, 1024, obj["data"])


def pod(name):
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "env": [{"name": f"VARIABLE_{number}", "value": f"value-{number}"} for number in range(8)],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }
    labels = {"app": "bench", "bucket": "b@B@"}
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


def text(obj):
    return json.dumps(obj, separators=(",", ":"))


class Rows:
    """Stretches of load, each with what the server's process took meanwhile."""

    def __init__(self, cluster, seconds):
        self.cluster, self._seconds = cluster, seconds
        self.rows = {}

    def load(self, name, request, connections, last=0, seconds=None):
        """Returns how many requests were sent."""
        pid = self.cluster.processes()["pinnace"]
        cpu, begun = cpu_seconds(pid), time.perf_counter()
        limit = seconds or self._seconds
        figures = load.run(self.cluster, request, connections=connections, seconds=limit, last=last)
        passed, cpu = time.perf_counter() - begun, cpu_seconds(pid) - cpu
        figures |= {"cpu_us": round(cpu / max(1, figures["requests"]) * 1e6), "cores": round(cpu / passed, 2)}
        self.rows[name] = figures
        return figures["requests"]


def changed(stored, name):
    """An update must repeat what the server filled in, so that a stored object is the pattern of all."""
    kept = ("labels", "annotations", "namespace")
    metadata = {key: value for key, value in stored["metadata"].items() if key in kept}
    metadata["annotations"] = {**metadata.get("annotations", {}), "n": "updated-@N@"}
    return text({**stored, "metadata": {**metadata, "name": name}})


def writes(rows, kind, connections, *, reads):
    """Create as many as go, read, change and remove them."""
    plural, make = KINDS[kind]
    base, name = f"{NAMESPACE}/{plural}", f"{kind}-{connections}-@N@"
    label = f"{kind} {{}} {connections}".format
    count = rows.load(label("create"), load.Request("POST", base, text(make(name))), connections)
    count = max(1, count - connections)  # those in flight at the end may not have been created
    one = f"{base}/{name}"
    if reads:
        rows.load(label("get"), load.Request("GET", one, modulo=count), connections)
    patch = text({"metadata": {"annotations": {"patched": "yes-@N@"}}})
    update = changed(Api(rows.cluster).get(one.replace("@N@", "0")), name)
    rows.load(label("update"), load.Request("PUT", one, update, modulo=count), connections)
    rows.load(label("patch"), load.Request("PATCH", one, patch, MERGE, modulo=count), connections)
    rows.load(label("delete"), load.Request("DELETE", one), connections, last=count, seconds=60)


def fill(rows, size, present):
    body = load.Request("POST", f"{NAMESPACE}/pods", text(pod(f"many-{size}-@N@")))
    rows.load(f"fill {size}", body, 32, last=size - present, seconds=600)
    return len(Api(rows.cluster).get(f"{NAMESPACE}/pods")["items"])


def lists(rows, sizes, present=0):
    for size in sizes:
        present = fill(rows, size, present)
        pods = f"{NAMESPACE}/pods"
        rows.load(f"list {size} pods", load.Request("GET", pods), 1)
        rows.load(f"list {size} pods, 1 %", load.Request("GET", f"{pods}?labelSelector=bucket%3Db7"), 1)
        rows.load(f"list {size} pods, limit 500", load.Request("GET", f"{pods}?limit=500"), 1)
    return present


def sized(rows, objects, present):
    """Memory with many pods, and how long a restart with them takes."""
    cluster = rows.cluster
    before = pss_mib(cluster.processes()["pinnace"])
    present = fill(rows, objects, present)
    pid = cluster.processes()["pinnace"]
    with_objects = pss_mib(pid)
    cluster.down()
    seconds = cluster.up()
    begun = time.perf_counter()
    Api(cluster).get(f"{NAMESPACE}/pods?limit=1")
    first = time.perf_counter() - begun
    rows.rows[f"{objects} pods"] = {
        "pods": present,
        "before_mib": before,
        "written_mib": with_objects,
        "restarted_mib": pss_mib(cluster.processes()["pinnace"]),
        "start_s": round(seconds, 2),
        "first_list_s": round(first, 2),
    }


def parsed():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--kinds", default="configmap,pod")
    parser.add_argument("--store", choices=["sqlite", "memory"], default="sqlite")
    parser.add_argument("--lists", default="500,5000,20000")
    parser.add_argument("--watchers", default="1,100,500")
    parser.add_argument("--count", type=int, default=1000, help="creations under watch")
    parser.add_argument("--idle", type=int, default=5_000, help="connections that say nothing")
    parser.add_argument("--objects", type=int, default=50_000)
    first, _ = parser.parse_known_args()
    if first.quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def numbers(listed):
    return [int(number) for number in listed.split(",") if number]


def main():
    given = parsed()
    wanted = given.only.split(",")
    with TemporaryCluster("api", "--nodes=none", f"--store={given.store}") as cluster:
        rows, present = Rows(cluster, given.seconds), 0
        if "writes" in wanted:
            for kind in filter(None, given.kinds.split(",")):
                for connections in numbers(given.connections):
                    writes(rows, kind, connections, reads="reads" in wanted)
        if "idle" in wanted:
            rows.rows["idle connections"] = idle_connections(cluster, given.idle)
        if "watch" in wanted:
            for watchers in numbers(given.watchers):
                rows.rows[f"watchers {watchers}"] = fan_out(cluster, configmap, watchers, given.count)
        if "lists" in wanted:
            present = lists(rows, numbers(given.lists))
        if "size" in wanted and given.store == "sqlite":
            sized(rows, given.objects, present)
        report("api", rows.rows, store=given.store)


if __name__ == "__main__":
    main()
