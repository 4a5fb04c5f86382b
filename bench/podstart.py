"""Real pods on a real node, image present: created to bound to Running, one after the other and in a burst.

    python bench/podstart.py [--trials 20] [--burst 20] [--pause 0.5]

Times are from sending the create request to a watch (a thread of this process) having read the event. A pod is busybox `sleep` with a service-account
volume, without probes; its predecessor is deleted before the next one starts. Root, containerd and busybox-static needed.
"""

import argparse
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.client import Api
from support.cluster import TemporaryCluster
from support.processes import cpu_seconds
from support.report import percentile, report

from pinnace.cluster.demo import root_directory

IMAGE = "pinnace.local/bench:1"
PODS = "/api/v1/namespaces/default/pods"
LIMIT = 120.0


def pod(name):
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "1000000"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


class Stages:
    """When each pod reached each stage, as a watch saw it."""

    def __init__(self, cluster):
        self.seen = {stage: {} for stage in ("created", "bound", "running", "gone")}
        self._events = Api(cluster).watch(PODS)
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        for kind, found in self._events:
            now, name = time.perf_counter(), found["metadata"]["name"]
            stages = ["gone"] if kind == "DELETED" else ["created"]
            stages += ["bound"] * bool(found["spec"].get("nodeName"))
            stages += ["running"] * (found.get("status", {}).get("phase") == "Running")
            with self._changed:
                for stage in stages:
                    self.seen[stage].setdefault(name, now)
                self._changed.notify_all()

    def wait(self, stage, names):
        with self._changed:
            if not self._changed.wait_for(lambda: set(names) <= set(self.seen[stage]), LIMIT):
                raise TimeoutError(f"{stage}: {sorted(set(names) - set(self.seen[stage]))}")

    def since(self, begun, stage, names):
        return [round(self.seen[stage][name] - begun, 3) for name in names]


def run_pods(cluster, stages, names):
    """Seconds to each stage for pods that are created together, and CPU seconds per process until the last one ran."""
    processes = cluster.processes()
    creators = [Api(cluster).open() for _ in names[:8]]

    def create_share(number):
        for name in names[number :: len(creators)]:
            creators[number].create(PODS, pod(name))

    cpu = {name: cpu_seconds(pid) for name, pid in processes.items()}
    with ThreadPoolExecutor(len(creators)) as workers:
        begun = time.perf_counter()
        list(workers.map(create_share, range(len(creators))))
        stages.wait("running", names)
    times = {stage: stages.since(begun, stage, names) for stage in ("bound", "running")}
    cpu = {name: cpu_seconds(pid) - cpu[name] for name, pid in processes.items()}
    for name in names:
        creators[0].delete(f"{PODS}/{name}", gracePeriodSeconds=0)
    stages.wait("gone", names)
    return times, cpu


def wait_for_service_account(cluster):
    api, end = Api(cluster), time.perf_counter() + LIMIT
    while not api.get("/api/v1/namespaces/default/serviceaccounts")["items"]:
        if time.perf_counter() > end:
            raise TimeoutError
        time.sleep(0.05)


def measure(cluster, arguments):
    wait_for_service_account(cluster)
    stages = Stages(cluster)
    run_pods(cluster, stages, ["warm"])
    singles, spent = [], []
    for number in range(arguments.trials):
        time.sleep(arguments.pause)
        times, cpu = run_pods(cluster, stages, [f"single-{number}"])
        singles.append({stage: values[0] for stage, values in times.items()})
        spent.append(cpu)
    time.sleep(arguments.pause)
    burst, cpu = run_pods(cluster, stages, [f"burst-{number}" for number in range(arguments.burst)])
    running = [single["running"] for single in singles]
    return {
        "one pod": {
            "bound_p50_s": statistics.median(single["bound"] for single in singles),
            "running_p50_s": round(statistics.median(running), 3),
            "running_p99_s": percentile(running, 99),
            "running_min_s": min(running),
            **{f"cpu_s_{name}": round(statistics.mean(one[name] for one in spent), 3) for name in cpu},
        },
        f"burst of {arguments.burst}": {
            "bound_last_s": max(burst["bound"]),
            "running_p50_s": round(statistics.median(burst["running"]), 3),
            "running_last_s": max(burst["running"]),
            **{f"cpu_s_{name}": round(value, 3) for name, value in cpu.items()},
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--burst", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0.5)
    arguments = parser.parse_args()
    with TemporaryCluster("pods") as cluster, tempfile.TemporaryDirectory() as scratch:
        root_directory(Path(scratch))
        cluster.load_image(scratch, IMAGE)
        report("podstart", measure(cluster, arguments))


if __name__ == "__main__":
    main()
