"""Client suites against a running Pinnace: `./dev clients [NAME ...]`.

Each suite comes from its sdist on PyPI (pip downloads it), and runs unmodified in a virtual environment of its own, against one
cluster with a real node that is started and purged here. Images that the suites name are made on this machine from busybox.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import venv
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src"), str(TESTS / "clients")]

from suites import SHIMS, SUITES, Suite  # noqa: E402

from e2e_support import TestCluster, until  # noqa: E402
from pinnace.cluster import demo, images  # noqa: E402
from pinnace.cluster.image_archive import ImageSettings  # noqa: E402

SERVE = "trap 'exit 0' TERM QUIT; httpd -f -p 80 -h /usr/share/nginx/html & wait"
WAIT = "trap 'exit 0' TERM; sleep 100000 & wait"
STAND_INS = {
    "nginx:latest": SERVE,
    "ubuntu:latest": WAIT,
    "gcr.io/google_containers/pause:latest": WAIT,
    "busybox:latest": WAIT,
}
ADDITION = "Object.spec.containers{name: c.name, imagePullPolicy: 'IfNotPresent'}"
# The suites' images are tagged `latest`, so that a node would ask a registry, which is not to be had here.
USE_WHAT_IS_THERE = [
    {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": "no-registry"},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
            "matchConditions": [{"name": "sound", "expression": "object.spec.containers.all(c, has(c.name))"}],
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {
                "expression": f"Object{{spec: Object.spec{{containers: object.spec.containers.map(c, {ADDITION})}}}}"}}],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "no-registry"}, "spec": {"policyName": "no-registry"},
    },
]  # fmt: skip
STAND_IN_POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stand-in", "namespace": "kube-system"},
    "spec": {"containers": [{"name": "c", "image": "busybox:latest"}]},
}  # fmt: skip


class Unavailable(Exception):
    """The suite cannot be had here; the message says why."""


@dataclass
class Outcome:
    suite: Suite
    passed: int = 0
    skipped: int = 0
    excused: dict[str, str] = field(default_factory=dict)  # test -> why it cannot pass, whoever serves
    failed: dict[str, str] = field(default_factory=dict)  # test -> first line of what went wrong

    def __str__(self) -> str:
        head = f"{self.suite.package}: {self.passed} passed, {len(self.failed)} failed, {len(self.excused)} not ours, {self.skipped} skipped"
        return "\n".join(
            [head]
            + [f"  FAILED {test}: {why}" for test, why in self.failed.items()]
            + [f"  not ours: {test}: {why}" for test, why in self.excused.items()]
        )


def fetch(suite: Suite, directory: Path) -> Path:
    """The unpacked sdist; raises Unavailable when there is none, or no tests in it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--no-binary", suite.package, "--dest", str(directory), suite.package]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    found = next(directory.glob(f"{suite.package}-*.tar.gz"), None)
    if done.returncode != 0 or found is None:
        raise Unavailable(f"pip cannot download the sdist of {suite.package}: {done.stderr.strip()[-300:]}")
    with tarfile.open(found) as archive:
        archive.extractall(directory, filter="data")
    source = directory / found.name.removesuffix(".tar.gz")
    if not [path for path in source.rglob("*.py") if "test" in path.name]:
        raise Unavailable(f"the sdist {found.name} holds no tests")
    for shim, target in suite.copies:
        if not (source / target).exists():
            shutil.copytree(SHIMS / shim, source / target)
    return source


def environment(suite: Suite, source: Path, directory: Path) -> Path:
    """The Python of a virtual environment with the client and what its tests need."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        str(source),
        *suite.requirements,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise Unavailable(f"pip cannot install what {suite.package} needs: {done.stderr.strip()[-300:]}")
    return python


@contextmanager
def cluster(directory: Path) -> Iterator[TestCluster]:
    """A cluster with a real node, the images that the suites name, and a pod in kube-system as every cluster has."""
    flags = ("--port=0", "--kubelet-port=0", "--http-port=0", "--https-port=0")
    running = TestCluster(f"suites{secrets.token_hex(2)}", directory, flags)
    try:
        running.up()
        _load_images(str(running.data / "containerd" / "state" / "containerd.sock"))
        running.apply(*USE_WHAT_IS_THERE)
        until(lambda: running.kubectl("get", "serviceaccount", "default", "-n", "kube-system"))
        running.apply(STAND_IN_POD)
        running.kubectl("wait", "-n", "kube-system", "pod/stand-in", "--for=condition=Ready", "--timeout=60s")
        yield running
    finally:
        running.down("--purge")


def _load_images(socket: str) -> None:
    with tempfile.TemporaryDirectory(prefix="pinnace-suites-") as scratch:
        root = Path(scratch)
        demo.root_directory(root)
        pages = root / "usr" / "share" / "nginx" / "html"
        pages.mkdir(parents=True)
        (pages / "index.html").write_text("<h1>Welcome to nginx!</h1>\n")
        for tag, command in STAND_INS.items():
            images.load(socket, root, tag, ImageSettings(cmd=("sh", "-c", command), ports=(80,)))


def run(suite: Suite, kubeconfig: Path, directory: Path, *, seconds: float = 1200) -> Outcome:
    """Raises Unavailable when the suite cannot be had."""
    source = fetch(suite, directory)
    python = environment(suite, source, directory / "venv")
    report = directory / "report.xml"
    known = {"KUBECONFIG": str(kubeconfig), "PINNACE_CLIENTS_KUBECONFIG": str(kubeconfig)}
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--junit-xml={report}",
        *suite.arguments,
    ]
    done = subprocess.run(
        command, cwd=source, capture_output=True, text=True, check=False, timeout=seconds,
        env={**os.environ, **known, "PYTHONPATH": str(SHIMS), "HOME": str(directory)},
    )  # fmt: skip
    if not report.exists():
        raise AssertionError(
            f"the suite of {suite.package} did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return _judge(suite, report)


def _judge(suite: Suite, report: Path) -> Outcome:
    outcome = Outcome(suite)
    for case in ET.parse(report).iter("testcase"):
        test = _name(case)
        wrong = next((found for found in case if found.tag in ("failure", "error")), None)
        if wrong is not None:
            why = suite.reason(test)
            (outcome.excused if why else outcome.failed)[test] = (
                why or (wrong.get("message") or "").split("\n")[0]
            )
        elif any(found.tag == "skipped" for found in case):
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcome


def _name(case: ET.Element) -> str:
    """`folder/file.py::Class::test` from the dotted name of the report."""
    words = (case.get("classname") or "").split(".")
    cut = next((at for at, word in enumerate(words) if word[:1].isupper()), len(words))
    return "::".join(["/".join(words[:cut]) + ".py", *words[cut:], case.get("name") or ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev clients", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", choices=[*SUITES, []], help="default: all")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster is purged on the way out
    wanted = parser.parse_args().names or list(SUITES)
    wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="pinnace-clients-") as scratch,
        cluster(Path(scratch) / "c") as running,
    ):
        for name in wanted:
            directory = Path(scratch) / name
            directory.mkdir()
            try:
                outcome = run(SUITES[name], running.kubeconfig, directory)
            except Unavailable as error:
                print(f"{name}: skipped: {error}", flush=True)
                continue
            print(outcome, flush=True)
            wrong += len(outcome.failed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
