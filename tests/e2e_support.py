"""What the end-to-end tests share: a running cluster, kubectl of any version, waiting, and looking at what is left over."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from pinnace.api.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS, TABLE, Resource

T = TypeVar("T")
SOURCE = Path(__file__).resolve().parents[1] / "src"
IMAGE = "pinnace.local/demo:1"


def kubectls() -> dict[str, str]:
    """Version ("1.32") -> path of every kubectl on this machine, by the names of the files; {} on a machine without one."""
    default = shutil.which("kubectl")
    if not default:
        return {}
    named = Path(default).resolve().parent.glob("kubectl.1.*")
    found = {path.name.removeprefix("kubectl."): str(path) for path in sorted(named)}
    answer = subprocess.run(
        [default, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    match = re.search(r'"gitVersion": "v(1\.\d+)', answer.stdout)
    return {**({match[1]: default} if match else {}), **found}


KUBECTLS = kubectls()
OURS = "pinnace"  # as a version: our own command line
VERSIONS = [*sorted(KUBECTLS), OURS]


def command_line(version: str = "") -> list[str]:
    """The kubectl of that version ("1.29"), by default the one on PATH; our own where that is asked for or there is none."""
    program = KUBECTLS[version] if version not in ("", OURS) else shutil.which("kubectl")
    return [sys.executable, "-m", "pinnace", "kubectl"] if version == OURS or not program else [program]


def until(probe: Callable[[], T], within: float = 60.0, every: float = 0.1) -> T:
    """The first truthy answer; AssertionError with the last answer after `within` seconds."""
    end = time.monotonic() + within
    last: object = None
    while True:
        try:
            answer = probe()
            if answer:
                return answer
            last = answer
        except (AssertionError, OSError, subprocess.CalledProcessError, KeyError, IndexError) as error:
            last = getattr(error, "stderr", None) or error
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s; last: {last!r}")
        time.sleep(every)


def pinnace(
    *arguments: str, check: bool = True, env: dict[str, str] | None = None, timeout: float = 180
) -> "subprocess.CompletedProcess[str]":
    """Run our own program from the source tree."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), **(env or {})}
    done = subprocess.run(
        [sys.executable, "-m", "pinnace", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"pinnace {' '.join(arguments)} failed ({done.returncode}): {done.stdout}{done.stderr}"
        )
    return done


def resource_of(word: str) -> Resource | None:
    """As kubectl understands plural, singular and short names of what is built in."""
    for row in TABLE:
        if word in (row.gvr.resource, row.kind.lower(), *row.short_names):
            return row
    return None


def get_path(*arguments: str) -> str:
    """The path that `kubectl get KIND [NAME] [-n NAMESPACE] [-l SELECTOR] [-A]` asks for; "" for every other command."""
    words, namespace, query = [], "default", {}
    rest = iter(arguments)
    for word in rest:
        if word == "-n":
            namespace = next(rest)
        elif word == "-l":
            query["labelSelector"] = next(rest)
        elif word == "--field-selector":
            query["fieldSelector"] = next(rest)
        elif word in ("-A", "--all-namespaces"):
            namespace = ""
        elif word.startswith("-"):
            return ""
        else:
            words.append(word)
    row = resource_of(words[1].lower()) if len(words) in (2, 3) and words[0] == "get" else None
    if row is None:
        return ""
    path = row.gvr.path(namespace if row.namespaced else None, words[2] if len(words) == 3 else "")
    return f"{path}?{urlencode(query)}" if query else path


@dataclass
class TestCluster:
    """A cluster that the tests started; every flag that could collide with another cluster is chosen by it."""

    __test__ = False
    name: str
    directory: Path
    flags: tuple[str, ...] = ()
    kubeconfig: Path = field(init=False)

    def __post_init__(self) -> None:
        self.kubeconfig = self.directory / "kubeconfig"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def arguments(self) -> list[str]:
        return ["--name", self.name, "--data-dir", str(self.data)]

    def up(self, *more: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return pinnace(
            "up", *self.arguments(), "--kubeconfig", str(self.kubeconfig), *self.flags, *more, check=check
        )

    def down(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return pinnace("down", *self.arguments(), *more)

    def status(self) -> dict[str, Any]:
        return json.loads(pinnace("status", *self.arguments(), "-o", "json", check=False).stdout)

    def record(self) -> dict[str, Any]:
        """What the running server writes down for the other commands."""
        return json.loads((self.data / "run" / "server.json").read_text())

    def http_port(self) -> int:
        """The ingress proxy's port for plain HTTP."""
        return int(self.record()["httpPort"])

    def pid(self) -> int:
        return int(next(p["pid"] for p in self.status()["processes"] if p["name"] == "pinnace"))

    def kubectl(
        self,
        *arguments: str,
        version: str = "",
        check: bool = True,
        stdin: str | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 90,
    ) -> "subprocess.CompletedProcess[str]":
        """With the program that `command_line` tells."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(SOURCE),
            "HOME": str(self.directory),
            **(env or {}),
        }
        done = subprocess.run(
            [*command_line(version), *arguments], input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=timeout,
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(
                f"kubectl {' '.join(arguments)} failed ({done.returncode}): {done.stdout}{done.stderr}"
            )
        return done

    def out(self, *arguments: str, **options: Any) -> str:
        return self.kubectl(*arguments, **options).stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl ARGUMENTS -o json` prints; a plain `get` is asked without the program, because tests ask ten times a second."""
        path = get_path(*arguments)
        return self.request("GET", path) if path else json.loads(self.out(*arguments, "-o", "json"))

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The API, with the administrator's token; what is not answered with 2xx is an AssertionError."""
        server = self.record()["server"]
        context = ssl.create_default_context(cafile=str(self.data / "ca.crt"))
        connection = http.client.HTTPSConnection(server.removeprefix("https://"), context=context, timeout=30)
        headers = {
            "Authorization": f"Bearer {(self.data / 'token').read_text().strip()}",
            "Content-Type": "application/json",
        }
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)

    def make_namespace(self, name: str) -> "Space":
        """As soon as pods are taken there: they are refused before it has an account."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.request("POST", NAMESPACES.path(), body)
        until(lambda: self.request("GET", SERVICE_ACCOUNTS.path(name, "default")), every=0.02)
        return Space(self, name)

    def remove_namespace(self, name: str) -> None:
        """Its pods at once; nobody waits."""
        self.request(
            "DELETE", PODS.path(name), {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        )
        self.request("DELETE", NAMESPACES.path(None, name))

    def apply(self, *objects: dict[str, Any], namespace: str = "") -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "-f", "-", *(("-n", namespace) if namespace else ()), stdin=text)


@dataclass
class Space:
    """A namespace of one test."""

    cluster: TestCluster
    name: str

    def kubectl(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """The namespace flag stands before a `--`, after which everything belongs to the container."""
        cut = arguments.index("--") if "--" in arguments else len(arguments)
        return self.cluster.kubectl(*arguments[:cut], "-n", self.name, *arguments[cut:], **options)

    def out(self, *arguments: str, **options: Any) -> str:
        return self.kubectl(*arguments, **options).stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        scope = () if "-A" in arguments or "--all-namespaces" in arguments else ("-n", self.name)
        return self.cluster.json(*arguments, *scope)

    def apply(self, *objects: dict[str, Any]) -> None:
        self.cluster.apply(*objects, namespace=self.name)

    def status_column(self, pod: str) -> str:
        """The STATUS that `get pods` shows."""
        return self.out("get", "pod", pod, "--no-headers").split()[2]

    def until_status(self, pod: str, wanted: str, within: float = 60.0) -> None:
        until(lambda: self.status_column(pod) == wanted, within)

    def until_ready(self, pod: str, within: float = 60.0) -> None:
        until(lambda: _is_ready(self.json("get", "pod", pod)), within)

    def until_rolled_out(self, deployment: str) -> None:
        self.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=60s")

    def pods(self, selector: str) -> list[dict[str, Any]]:
        return self.json("get", "pods", "-l", selector)["items"]


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def pod(name: str, command: str = "sleep 3600", **spec: Any) -> dict[str, Any]:
    """A pod that runs a shell command and ends quickly when told to."""
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", f"trap 'exit 0' TERM; {_interruptible(command)}"],
    }
    container.update(spec.pop("container", {}))
    metadata = {"name": name, "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **spec},
    }


def _interruptible(command: str) -> str:
    """A shell acts on a signal only between commands: a final sleep runs in the background and is waited for."""
    head, _, last = command.rpartition(";")
    return f"{head + ';' if head else ''} {last} & wait $!" if last.strip().startswith("sleep") else command


def deployment(name: str, replicas: int = 1, command: str = "", **spec: Any) -> dict[str, Any]:
    """`command` empty: the demo's web server on port 8080."""
    labels = {"app": name}
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    if command:
        container["command"] = ["sh", "-c", f"trap 'exit 0' TERM; {_interruptible(command)}"]
    else:
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }  # fmt: skip


def service(name: str, **spec: Any) -> dict[str, Any]:
    body = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def own_ports() -> range:
    """300 ports for the Services and pods of this process's clusters: what the rules of one cluster take from a port of the
    machine, whatever listens there, is lost for the other clusters on it. Below those that the kernel gives to who asks for any."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = 20000 + int(worker) % 40 * 300
    return range(first, first + 300)


def node_ports(first: int, last: int) -> str:
    """The flag for a part of this process's ports."""
    ports = own_ports()
    return f"--service-node-port-range={ports[first]}-{ports[last]}"


def leftovers(name: str, directory: Path) -> list[str]:
    """What of a cluster is still on the machine; [] is what `down` must leave."""
    found = []
    mark = str(directory).encode() + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                mark in (process / "cmdline").read_bytes()
                and int(process.name) != os.getpid()
                and b"pytest" not in (process / "cmdline").read_bytes()
            ):
                found.append(f"process {process.name} {(process / 'comm').read_text().strip()}")
        except OSError:
            continue
    found += [
        f"mount {line.split()[1]}"
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if f" {directory}/" in line
    ]
    tables = subprocess.run(
        ["/usr/sbin/nft", "list", "tables"], capture_output=True, text=True, check=False
    ).stdout
    found += [
        f"nft {line}"
        for line in tables.splitlines()
        if line.endswith((f"pinnace-{name}", f"pinnace-{name}_policies"))
    ]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"*/pinnace-{name}")]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False).stdout
    found += [f"link {line.split()[1]}" for line in links.splitlines() if re.match(r"\d+: (pin-|veth)", line)]
    return found
