"""A cluster of the benchmark's own: `pinnace up` in a temporary directory, gone afterwards with all its processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = os.environ.get("BENCH_SOURCE") or str(Path(__file__).resolve().parents[2] / "src")
# Installed programs are compiled: without this, a developer's setting would make every start compile all modules (twice the CPU).
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["PYTHONPATH"] = SOURCE


class TemporaryCluster:
    """`with TemporaryCluster("api", "--nodes=none") as cluster`; ports and networks are picked by the cluster."""

    def __init__(self, name, *flags, start=True):
        self.name = f"bench-{name}-{os.getpid()}"
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that __exit__ runs
        self.root = Path(tempfile.mkdtemp(prefix="pinnace-bench-"))
        self.data, self.flags, self._start = self.root / "data", flags, start
        ports = ("--port=0", "--kubelet-port=0", "--http-port=0", "--https-port=0")
        self._up = ["up", *self._which(), f"--kubeconfig={self.root / 'kubeconfig'}", *ports, *flags]

    def _which(self):
        return (f"--name={self.name}", f"--data-dir={self.data}")

    def __enter__(self):
        if self._start:
            try:
                self.up()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_):
        self.down("--purge")
        shutil.rmtree(self.root, ignore_errors=True)

    def _run(self, *arguments):
        command = [sys.executable, "-m", "pinnace", *arguments]
        done = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def launch(self):
        """Begin to start, without waiting for anything; the process of `pinnace up`."""
        command = [sys.executable, "-m", "pinnace", *self._up]
        return subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def up(self):
        """Seconds until `pinnace up` came back."""
        begun = time.perf_counter()
        self._run(*self._up)
        return time.perf_counter() - begun

    def down(self, *flags):
        self._run("down", *self._which(), *flags)

    def load_image(self, directory, tag, *flags):
        self._run("image", "load", str(directory), "--tag", tag, *self._which(), *flags)

    def _status(self):
        return json.loads(self._run("status", "-o", "json", *self._which()))

    @property
    def server(self):
        return json.loads((self.data / "run" / "server.json").read_text())["server"]

    @property
    def token(self):
        return (self.data / "token").read_text().strip()

    @property
    def ca(self):
        return self.data / "ca.crt"

    def processes(self):
        """Name to pid of everything that the cluster itself runs."""
        return {process["name"]: process["pid"] for process in self._status()["processes"]}
