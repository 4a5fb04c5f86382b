"""Requests as fast as N connections take them: by wrk where it is installed, else by threads (which cost more than wrk does)."""

import itertools
import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from support.client import Api
from support.report import percentile

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass
class Request:
    """`@N@` in path and body becomes the number of the request, modulo `modulo` when given; `@B@` in the body one of 100 buckets."""

    method: str
    path: str
    body: str = ""
    content_type: str = "application/json"
    modulo: int = 0

    def numbered(self, number):
        text = str(number % self.modulo if self.modulo else number)
        return self.path.replace("@N@", text), self.body.replace("@N@", text).replace(
            "@B@", str(number % 100)
        )


def run(cluster, request, *, connections, seconds, last=0):
    """Requests per second, p50 and p99 in ms, errors, and how many were sent; ends after `last` requests if that is given."""
    if shutil.which("wrk"):
        return _wrk(cluster, request, connections, seconds, last)
    return _threads(cluster, request, connections, seconds, last)


def _wrk(cluster, request, connections, seconds, last):
    with tempfile.NamedTemporaryFile("w") as body:
        body.write(request.body)
        body.flush()
        environment = {
            **os.environ, "LOAD_METHOD": request.method, "LOAD_PATH": request.path, "LOAD_BODY": body.name,
            "LOAD_TYPE": request.content_type, "LOAD_MODULO": str(request.modulo), "LOAD_LAST": str(last),
            "LOAD_TOKEN": cluster.token,
        }  # fmt: skip
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout=60s",
            f"-s{SCRIPT}",
            cluster.server,
        ]
        begun = time.perf_counter()
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        passed = time.perf_counter() - begun
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOAD "))
    requests, micros, errors, p50, p99 = map(int, line.split()[1:])
    if last:  # the script ended it: how long single requests took is lost
        return {"per_s": round(requests / passed), "errors": errors, "requests": requests}
    return _figures(requests, micros / 1e6, errors, p50 / 1e3, p99 / 1e3)


def _threads(cluster, request, connections, seconds, last):
    numbers, latencies, errors = itertools.count(), [], []
    end = time.perf_counter() + seconds

    def work():
        api = Api(cluster).open()
        for number in numbers:
            begun = time.perf_counter()
            if begun > end or (last and number >= last):
                return
            path, body = request.numbered(number)
            try:
                api.request(request.method, path, body or None, request.content_type)
            except RuntimeError as error:
                errors.append(error)
            latencies.append((time.perf_counter() - begun) * 1e3)

    begun = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - begun
    return _figures(len(latencies), passed, len(errors), percentile(latencies, 50), percentile(latencies, 99))


def _figures(requests, seconds, errors, p50_ms, p99_ms):
    return {
        "per_s": round(requests / seconds),
        "p50_ms": round(p50_ms, 2),
        "p99_ms": round(p99_ms, 2),
        "errors": errors,
        "requests": requests,
    }
