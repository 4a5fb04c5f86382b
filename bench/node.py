"""A real node: 110 idle pods (CPU, memory), exec round trips, logs read and followed.

    python bench/node.py [--only full,exec,logs] [--pods 110] [--seconds 30] [--trials 40] [--megabytes 200] [--line 100]

`./dev bench podstart` has pod starts, `./dev bench proxy` the service network. Pods are busybox; root, containerd and busybox-static needed.
"""

import argparse
import asyncio
import contextlib
import ssl
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
from podstart import IMAGE, LIMIT, PODS, Stages, pod, wait_for_service_account
from support.client import Api
from support.cluster import TemporaryCluster
from support.processes import cpu_percent, cpu_seconds, pss_mib
from support.report import percentile, report

from pinnace.cluster.demo import root_directory

EXEC = "v5.channel.k8s.io"
# A log is rotated when it reaches 10 MiB, and only the newest file is read, as upstream's kubelet does both: not while logs are measured.
SETTINGS = (
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncontainerLogMaxSize: 100Gi\n"
)
QUIET = "sleep 1000000"


def shell_pod(name, script):
    made = pod(name)
    made["spec"]["containers"][0]["command"] = ["sh", "-c", script]
    return made


def idle(cluster, seconds):
    processes = cluster.processes()
    time.sleep(3)  # what the last change still causes
    shares = cpu_percent(processes, seconds)
    return {
        **{f"cpu_percent_{name}": share for name, share in shares.items()},
        **{f"pss_mib_{name}": pss_mib(pid) for name, pid in processes.items()},
    }


def full(cluster, stages, arguments):
    """The empty node, then with all its pods: what one process with control plane, kubelet, proxy and DNS takes while nothing happens."""
    rows = {"idle, no pods": idle(cluster, arguments.seconds)}
    names, api = [f"idle-{number}" for number in range(arguments.pods)], Api(cluster)
    begun = time.perf_counter()
    for name in names:
        api.create(PODS, shell_pod(name, QUIET))
    stages.wait("running", names)
    took = max(stages.since(begun, "running", names))
    rows[f"{len(names)} pods"] = {"all_running_s": took, **idle(cluster, arguments.seconds)}
    for name in names:
        api.delete(f"{PODS}/{name}", gracePeriodSeconds=0)
    stages.wait("gone", names)
    rows[f"{len(names)} pods without a node"] = without_node(names, arguments.seconds)
    return rows


def without_node(names, seconds):
    """The control plane alone with the same pods, which wait: what is more with a node is kubelet, proxy, DNS and ingress."""
    with TemporaryCluster("none", "--nodes=none") as cluster:
        wait_for_service_account(cluster)
        api = Api(cluster)
        for name in names:
            api.create(PODS, shell_pod(name, QUIET))
        return idle(cluster, seconds)


class Streams:
    """Requests to the API server on one kept client session."""

    def __init__(self, cluster, session):
        self._session, self._server = session, cluster.server

    @classmethod
    async def run(cls, cluster, call):
        context = ssl.create_default_context(cafile=str(cluster.ca))
        headers = {"Authorization": f"Bearer {cluster.token}"}
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            return await call(cls(cluster, session))

    async def exec(self, name, *command):
        """Seconds from the request until the command's output and status are there."""
        query = [("command", word) for word in command] + [("stdout", "true")]
        begun, output = time.perf_counter(), b""
        url = f"{self._server}{PODS}/{name}/exec"
        async with self._session.ws_connect(url, params=query, protocols=[EXEC]) as socket:
            async for message in socket:
                if message.data[:1] == b"\x01":
                    output += message.data[1:]
        if not output.strip():
            raise RuntimeError("exec gave no output")
        return time.perf_counter() - begun

    async def log(self, name, wanted, **query):
        """Bytes per second until so many bytes of the log have come."""
        begun, got = time.perf_counter(), 0
        async with self._session.get(f"{self._server}{PODS}/{name}/log", params=query) as answer:
            answer.raise_for_status()
            async for piece in answer.content.iter_any():
                got += len(piece)
                if got >= wanted:
                    break
        if got < wanted:
            raise RuntimeError(f"{got} bytes of {wanted}")
        return got / (time.perf_counter() - begun)


def run_exec(cluster, stages, arguments):
    Api(cluster).create(PODS, shell_pod("shell", QUIET))
    stages.wait("running", ["shell"])

    async def call(streams):
        await streams.exec("shell", "echo", "warm")
        return [await streams.exec("shell", "echo", "hello") for _ in range(arguments.trials)]

    times = asyncio.run(Streams.run(cluster, call))
    return {
        "exec": {
            "p50_s": round(statistics.median(times), 3),
            "p99_s": round(percentile(times, 99), 3),
            "trials": len(times),
        }
    }


def with_cpu(cluster, size, call):
    """What `call` gives, and the CPU milliseconds per megabyte of each process of the cluster meanwhile."""
    processes = cluster.processes()
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    answer = call()
    spent = {name: cpu_seconds(pid) - before[name] for name, pid in processes.items()}
    return answer, {name: round(1e9 * value / size, 1) for name, value in spent.items() if value > 0.1}


def run_logs(cluster, stages, arguments):
    """A log that is there already; one that nobody reads while it is written, as fast as the container can, and one that is followed."""
    size = (arguments.megabytes << 20) // arguments.line * arguments.line
    output = f"yes {'x' * (arguments.line - 1)} | head -c {size}"
    Api(cluster).create(PODS, shell_pod("wrote", f"{output}; {QUIET}"))
    stages.wait("running", ["wrote"])

    async def finished(streams):
        end = time.perf_counter() + LIMIT
        while time.perf_counter() < end:
            try:
                return await streams.log("wrote", size)
            except RuntimeError:
                await asyncio.sleep(1)
        raise TimeoutError("the log was not written")

    asyncio.run(Streams.run(cluster, finished))
    read, read_cpu = with_cpu(cluster, size, lambda: asyncio.run(Streams.run(cluster, finished)))
    for name in ("alone", "followed"):
        script = f"while ! [ -e /tmp/go ]; do sleep 0.1; done; {output}; touch /tmp/done; {QUIET}"
        Api(cluster).create(PODS, shell_pod(name, script))
    stages.wait("running", ["alone", "followed"])
    waiting = "touch /tmp/go; while ! [ -e /tmp/done ]; do usleep 5000; done; echo done"

    async def alone(streams):
        return size / await streams.exec("alone", "sh", "-c", waiting)

    async def followed(streams):
        following = asyncio.create_task(streams.log("followed", size, follow="true"))
        await streams.exec("followed", "sh", "-c", "touch /tmp/go; echo gone")
        return await following

    written, written_cpu = with_cpu(cluster, size, lambda: asyncio.run(Streams.run(cluster, alone)))
    follow, follow_cpu = with_cpu(cluster, size, lambda: asyncio.run(Streams.run(cluster, followed)))
    return {
        f"logs, lines of {arguments.line} bytes": {
            "read_mb_s": round(read / 1e6, 1),
            "written_unread_mb_s": round(written / 1e6, 1),
            "follow_mb_s": round(follow / 1e6, 1),
            "mib": arguments.megabytes,
            **{f"read_cpu_ms_per_mb_{name}": value for name, value in read_cpu.items()},
            **{f"written_cpu_ms_per_mb_{name}": value for name, value in written_cpu.items()},
            **{f"follow_cpu_ms_per_mb_{name}": value for name, value in follow_cpu.items()},
        }
    }


PARTS = {"full": full, "exec": run_exec, "logs": run_logs}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--pods", type=int, default=105)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--line", type=int, default=100, help="bytes of a log's line")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = scratch / "kubelet.yaml"
        settings.write_text(SETTINGS)
        cluster = stack.enter_context(TemporaryCluster("node", f"--kubelet-config={settings}"))
        image = scratch / "image"
        image.mkdir()
        root_directory(image)
        cluster.load_image(image, IMAGE)
        wait_for_service_account(cluster)
        stages, rows = Stages(cluster), {}
        for part in arguments.only.split(","):
            rows |= PARTS[part](cluster, stages, arguments)
        report("node", rows)


if __name__ == "__main__":
    main()
