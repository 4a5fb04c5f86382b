"""A node of two servers on one etcd: the one that it talks to is killed, and the node goes on with the other, there and back."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e_support import IMAGE, pod, until
from etcd_server import NOT_INSTALLED
from machines import Lan, Machine, environment
from pinnace.cluster import demo
from pinnace.cluster.image_archive import ImageSettings, write_archive

pytestmark = [pytest.mark.e2e, pytest.mark.full]

PATIENCE = 90.0
SHARED = ("ca.*", "front-proxy-ca.*", "service-account.key")  # of all servers of one cluster


@dataclass
class Pair:
    """Machines `one` and `two` are servers, `node` is the agent; etcd runs on a machine of its own."""

    lan: Lan

    def machine(self, name: str) -> Machine:
        return self.lan.machines[name]

    def flags(self, machine: Machine) -> list[str]:
        return ["--name", f"{machine.name}{self.lan.tag}", "--data-dir", str(machine.data)]

    def start_etcd(self) -> None:
        machine = self.machine("store")
        client, peer = f"http://{machine.address}:2379", "http://127.0.0.1:2380"
        command = machine.inside(
            "etcd", "--data-dir", str(machine.data), "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        with machine.log.open("ab") as log:
            machine.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        health = ("curl", "-sf", "-m", "1", f"{client}/health")
        until(lambda: '"true"' in machine.run(*health, check=False).stdout, PATIENCE)

    def start_server(self, name: str) -> None:
        machine = self.machine(name)
        (machine.data / "run" / "server.json").unlink(missing_ok=True)
        machine.start(
            "server", *self.flags(machine), "--kubeconfig", str(machine.directory / "kubeconfig"), "--nodes", "none",
            "--store", "etcd", "--etcd-servers", f"http://{self.machine('store').address}:2379",
        )  # fmt: skip
        until(lambda: machine.record()["ready"], PATIENCE)

    def share_identity(self) -> None:
        source, target = self.machine("one").data / "pki", self.machine("two").data / "pki"
        target.mkdir(parents=True, exist_ok=True)
        for pattern in SHARED:
            for file in source.glob(pattern):
                shutil.copy2(file, target / file.name)

    def start_agent(self) -> None:
        printed = self.machine("one").pinnace(
            "token", "create", "--print-join-command", *self.flags(self.machine("one"))
        )
        join = printed.stdout.split()[2:]
        urls = [f"https://{self.machine(name).address}:6443" for name in ("one", "two")]
        join[join.index("--server") + 1] = ",".join(urls)
        machine = self.machine("node")
        machine.start(
            "agent", *self.flags(machine), "--node-name", "node", "--node-lease-duration-seconds", "4", *join
        )
        until(lambda: machine.record()["ready"], PATIENCE)

    def load_image(self) -> None:
        archive, machine = self.lan.directory / "demo.tar", self.machine("node")
        with tempfile.TemporaryDirectory() as scratch, archive.open("wb") as file:
            demo.root_directory(Path(scratch))
            write_archive(Path(scratch), IMAGE, ImageSettings(), file)
        machine.pinnace("image", "load", str(archive), "--tag", IMAGE, *self.flags(machine))

    def kubectl(self, server: str, *arguments: str, stdin: str | None = None) -> str:
        """As somebody on that server's machine types it."""
        machine = self.machine(server)
        kubeconfig = str(machine.directory / "kubeconfig")
        done = subprocess.run(
            machine.inside(sys.executable, "-m", "pinnace", "kubectl", "--kubeconfig", kubeconfig, *arguments),
            input=stdin or "", capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, server: str, *what: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl(server, "get", *what, "-o", "json"))
        return found

    def ready(self, server: str) -> tuple[str, str]:
        """The node's condition, and since when it is so."""
        conditions = self.get(server, "node", "node")["status"].get("conditions") or ()
        found = next((one for one in conditions if one["type"] == "Ready"), {})
        return found.get("status", ""), found.get("lastTransitionTime", "")

    def renewed(self, server: str) -> str:
        return str(self.get(server, "lease", "node", "-n", "kube-node-lease")["spec"]["renewTime"])


@pytest.fixture
def pair() -> Iterator[Pair]:
    if shutil.which("etcd") is None:
        pytest.skip(NOT_INSTALLED)
    lan = Lan(Path(tempfile.mkdtemp(prefix="pnl", dir="/tmp")))  # short: sockets lie below it
    made = Pair(lan)
    try:
        lan.open()
        for name in ("store", "one", "two", "node"):
            lan.machine(name)
        made.start_etcd()
        made.start_server("one")
        made.share_identity()
        made.start_server("two")
        made.start_agent()
        made.load_image()
        yield made
    finally:
        for name in ("node", "two", "one"):
            if name in lan.machines:
                machine = lan.machines[name]
                machine.pinnace("down", "--purge", *made.flags(machine), check=False)
        lan.close()


def test_a_node_goes_on_with_the_other_server_when_its_own_is_killed_and_comes_back_to_it(pair: Pair) -> None:
    until(lambda: pair.ready("one")[0] == "True", PATIENCE)
    status = pair.ready("one")
    for number, (killed, left) in enumerate((("one", "two"), ("two", "one"))):
        pair.machine(killed).kill()
        at_death = pair.renewed(left)
        until(lambda left=left, then=at_death: pair.renewed(left) > then, PATIENCE)
        # Also pods reach the node, whoever schedules now, and the way back (logs) leads through the server that is left.
        name = f"web-{number}"
        made = pod(name, "echo here; sleep 3600", terminationGracePeriodSeconds=0)
        until(
            lambda left=left, made=made: pair.kubectl(left, "apply", "-f", "-", stdin=json.dumps(made)),
            PATIENCE,
        )
        until(
            lambda left=left, name=name: pair.get(left, "pod", name)["status"].get("phase") == "Running",
            PATIENCE,
        )
        until(
            lambda left=left, name=name: pair.kubectl(left, "logs", name) == "here\n",
            PATIENCE,
        )
        assert pair.ready(left) == status  # it was Ready all the time
        pair.start_server(killed)
