"""How many pods a second the scheduler decides, in process and without an API server: cache, cycle, assume.

    python bench/scheduler.py [--cases 1000:5000:plain,...] [--json FILE]

A case is nodes:pods:variant. Variants: plain; services (plain pods of ten Deployments, spread softly by default);
spread (hard, maxSkew 1 over ten zones); antiaffinity (required, by hostname, fifty groups). Pods are parsed from JSON inside
the measured time, as they are when they come from a watch. Each case runs three times; the median counts.
"""

import argparse
import gc
import json
import random
import statistics
import sys
import time

import orjson

from pinnace.apimachinery.selectors import from_map
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.cycle import Cycle
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.profiles import default_profile

CASES = "100:5000:plain,1000:5000:plain,5000:5000:plain,1000:2000:services,5000:2000:services,1000:2000:spread,5000:2000:spread,1000:2000:antiaffinity,5000:2000:antiaffinity"


def make_node(i):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"node-{i:05d}",
            "labels": {
                "kubernetes.io/hostname": f"node-{i:05d}",
                "topology.kubernetes.io/zone": f"zone-{i % 10}",
            },
        },
        "spec": {},
        "status": {"allocatable": {"cpu": "32", "memory": "256Gi", "pods": "110"}},
    }


def make_pod(i, variant):
    labels, spec = {"app": "bench"}, {}
    if variant == "services":
        labels = {"app": f"web-{i % 10}", "pod-template-hash": "abc"}
    elif variant == "spread":
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "bench"}},
            }
        ]
    elif variant == "antiaffinity":
        labels["bucket"] = f"b{i % 50}"
        term = {
            "labelSelector": {"matchLabels": {"bucket": f"b{i % 50}"}},
            "topologyKey": "kubernetes.io/hostname",
        }
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    container = {
        "name": "c",
        "image": "app:1",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "env": [{"name": f"E{k}", "value": "x" * 20} for k in range(10)],
    }
    tolerations = [
        {
            "key": f"node.kubernetes.io/{what}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for what in ("not-ready", "unreachable")
    ]
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"p-{i}",
                "namespace": "bench",
                "uid": f"u-{i}",
                "labels": labels,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {
                "containers": [container],
                "schedulerName": "default-scheduler",
                "tolerations": tolerations,
                **spec,
            },
        }
    )


def once(nodes, pods, variant, seed):
    cache = SchedulerCache()
    for i in range(nodes):
        cache.set_node(make_node(i))
    workload = (
        (lambda pod: from_map({"app": pod.labels["app"]})) if variant == "services" else (lambda pod: None)
    )
    cycle = Cycle(default_profile(workload), random.Random(seed))
    raw = [make_pod(i, variant) for i in range(pods)]
    gc.collect()
    times, failed, begun = [], 0, time.perf_counter()
    for text in raw:
        start = time.perf_counter()
        pod = parse_pod(orjson.loads(text))
        decision = cycle.decide(pod, cache.nodes)
        if decision.node:
            cache.assume(pod, decision.node)
        else:
            failed += 1
        times.append(time.perf_counter() - start)
    seconds = time.perf_counter() - begun
    times.sort()
    return {
        "per_s": round(pods / seconds),
        "p50_us": round(times[pods // 2] * 1e6),
        "p99_us": round(times[pods * 99 // 100] * 1e6),
        "unfit": failed,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = {}
    for case in arguments.cases.split(","):
        nodes, pods, variant = case.split(":")
        runs = [once(int(nodes), int(pods), variant, seed) for seed in range(3)]
        middle = sorted(runs, key=lambda run: run["per_s"])[1]
        spread = statistics.pstdev(run["per_s"] for run in runs)
        rows[case] = {**middle, "spread": round(spread)}
        print(f"{case:28s} {rows[case]}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as out:
            json.dump(rows, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
