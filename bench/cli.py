"""The command line beside the real kubectl: wall time, CPU and peak memory of whole commands, in turns, with 5,000 pods in the cluster.

    python bench/cli.py [--times 10] [--pods 5000] [--only get-nodes,...] [--also NAME=PROGRAM ...] [--real]

A control plane of its own with three simulated nodes; the pods are objects of 2.5 KB that nobody schedules. With --real (root, containerd,
busybox-static) the node is a real one, and `logs` is measured, too. kubectl takes part where one is found; --also puts another program beside
both, e.g. the `pinnace` of another checkout. The first row of each program is not counted: it fills the discovery cache.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.client import Api
from support.cluster import ENVIRONMENT, TemporaryCluster
from support.in_turn import send
from support.report import report

NAMESPACE = "bench"
# A process's peak memory begins with that of the process that started it, so the one that starts them is small: no site, no packages.
RUNNER = """
import json, os, sys, time
null = os.open("/dev/null", os.O_RDWR)
for line in sys.stdin:
    begun = time.perf_counter()
    pid = os.posix_spawnp((argv := json.loads(line))[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]), flush=True)
"""
CASES = {
    "version-client": ["version", "--client"],
    "get-nodes": ["get", "nodes"],
    "get-pods-A": ["get", "pods", "-A"],
    "get-pods-A-json": ["get", "pods", "-A", "-o", "json"],
    "describe-pod": ["describe", "pod", "web-0000", "-n", NAMESPACE],
    "apply-one": ["apply", "-n", NAMESPACE, "-f", "@MANIFEST@"],
    "complete-pods": ["__complete", "get", "pods", "-n", NAMESPACE, "web-00"],
    "logs": ["logs", "talker", "-n", NAMESPACE],
}
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}}


def pod(number):
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "env": [{"name": f"VARIABLE_{at}", "value": f"value-{at}"} for at in range(8)],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number:04}",
            "labels": {"app": "bench"},
            "annotations": {"filling": "x" * 1500},
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }


def prepare(cluster, count):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    Api(cluster).create("/api/v1/namespaces", space)
    path, media = f"/api/v1/namespaces/{NAMESPACE}/pods", "application/json"
    account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
    while True:
        try:
            Api(cluster).get(account)
            break
        except RuntimeError:
            time.sleep(0.1)
    if errors := send(cluster, (("POST", path, json.dumps(pod(n)), media) for n in range(count))):
        raise RuntimeError(f"{len(errors)} pods were refused: {errors[0]}")


def talker(cluster):
    """A container that has said a hundred lines."""
    from podstart import IMAGE

    from pinnace.cluster.demo import root_directory

    with tempfile.TemporaryDirectory() as folder:
        cluster.load_image(root_directory(Path(folder)), IMAGE)
    container = {
        "name": "main",
        "image": IMAGE,
        "command": [
            "sh",
            "-c",
            "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; sleep 1000000",
        ],
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    api = Api(cluster)
    api.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talker"}, "spec": spec})
    while api.get(f"{path}/talker")["status"].get("phase") != "Running":
        time.sleep(0.2)


class Runner:
    def __init__(self, environment):
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", RUNNER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, argv):
        """(seconds, CPU seconds, MiB, exit code)."""
        self._process.stdin.write(json.dumps(argv) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self):
        return self


def programs(also):
    found = {"pinnace": [str(Path(sys.executable).with_name("pinnace"))]}
    if kubectl := shutil.which("kubectl"):
        found["kubectl"] = [kubectl]
    for pair in also:
        name, _, path = pair.partition("=")
        found[name] = path.split()
    return found


def figures(values):
    walls = [1000 * value[0] for value in values]
    return {
        "ms": round(statistics.median(walls), 1),
        "min_ms": round(min(walls), 1),
        "max_ms": round(max(walls), 1),
        "cpu_ms": round(1000 * statistics.median(value[1] for value in values), 1),
        "least_cpu_ms": round(1000 * min(value[1] for value in values), 1),
        "mib": round(max(value[2] for value in values), 1),
        "failed": sum(value[3] != 0 for value in values),
    }


def measure(cluster, arguments, cases):
    manifest = cluster.root / "manifest.json"
    manifest.write_text(json.dumps(MANIFEST))
    environment = {
        key: value
        for key, value in ENVIRONMENT.items()
        if key not in ("PYTHONPATH", "PYTHONUNBUFFERED")  # as an installed program is started
    }
    environment |= {"KUBECONFIG": str(cluster.root / "kubeconfig"), "HOME": str(cluster.root)}
    rows = {}
    with Runner(environment) as runner:
        floor = [runner.run([sys.executable, "-c", "pass"]) for _ in range(arguments.times + 1)][1:]
        rows["python -c pass"] = figures(floor)
        for case in cases:
            words = [word.replace("@MANIFEST@", str(manifest)) for word in CASES[case]]
            values = {name: [] for name in programs(arguments.also)}
            for turn in range(arguments.times + 1):
                for name, program in programs(arguments.also).items():
                    value = runner.run([*program, *words])
                    if turn:
                        values[name].append(value)
            rows |= {f"{case}, {name}": figures(found) for name, found in values.items()}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--only", default="")
    parser.add_argument("--also", action="append", default=[])
    parser.add_argument("--real", action="store_true")
    arguments = parser.parse_args()
    cases = arguments.only.split(",") if arguments.only else [case for case in CASES if case != "logs"]
    if arguments.real and not arguments.only:
        cases.append("logs")
    nodes = () if arguments.real else ("--nodes=sim:3",)
    with TemporaryCluster("cli", *nodes) as cluster:
        prepare(cluster, arguments.pods)
        if "logs" in cases:
            talker(cluster)
        rows = measure(cluster, arguments, cases)
    report("cli", rows, pods=arguments.pods, cores=os.cpu_count())


if __name__ == "__main__":
    main()
