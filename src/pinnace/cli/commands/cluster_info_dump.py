"""`cluster-info dump`: nodes, and of each namespace what runs there with its logs; to standard output or as files of a directory."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from pinnace.cli import printers
from pinnace.cli.command import ALL_NAMESPACES, OUTPUT, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.pods_of import RUNNING_TIMEOUT
from pinnace.cli.session import Session

Object = dict[str, Any]
OF_A_NAMESPACE = (  # in kubectl's order: resource, and the name of its file
    ("events", "events"),
    ("replicationcontrollers", "replication-controllers"),
    ("services", "services"),
    ("daemonsets.apps", "daemonsets"),
    ("deployments.apps", "deployments"),
    ("replicasets.apps", "replicasets"),
    ("pods", "pods"),
)
EXTENSIONS = {"json": ".json", "yaml": ".yaml"}
FORMATS = "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml"


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["template"] and "output" not in flags.given:
        flags["output"] = ""  # of a template given alone, printers know what it is
    _check(flags)
    write = printers.printer(flags, lambda _: "")
    folder = "" if flags["output-directory"] == "-" else flags["output-directory"]
    extension = EXTENSIONS.get(flags["output"], ".txt")
    nodes = _list(session, session.mapper.find("nodes"), "")
    with _place(folder, f"nodes{extension}"):
        write(nodes)
    for namespace in _namespaces(session, flags):
        for name, file in OF_A_NAMESPACE:
            listed = _list(session, session.mapper.find(name), namespace)
            with _place(folder, f"{namespace}/{file}{extension}"):
                write(listed)
        for pod in listed["items"] or ():  # pods come last
            with _place(folder, f"{namespace}/{pod['metadata']['name']}/logs.txt"):
                _write_logs(session, pod)
    if folder:
        print(f"Cluster info dumped to {folder}")
    return 0


def _check(flags: Values) -> None:
    output = flags["output"].partition("=")[0]
    if output and output not in FORMATS.split(","):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", allowed formats are: {FORMATS}'
        )
    if output == "name":
        raise CliError("list types are not supported by name printing: *v1.NodeList")
    if flags["pod-running-timeout"] <= 0:
        raise CliError("--pod-running-timeout must be higher than zero")


def _namespaces(session: Session, flags: Values) -> list[str]:
    if flags["all-namespaces"]:
        listed = _list(session, session.mapper.find("namespaces"), "")
        return [namespace["metadata"]["name"] for namespace in listed["items"] or ()]
    return flags["namespaces"] or ["kube-system", session.namespace]


def _list(session: Session, resource: Resource, namespace: str) -> Object:
    """As kubectl writes lists of its own types: what is in it does not say its kind again, times that are not there are null."""
    listed = session.http.get(resource.path(namespace))
    return {**listed, "items": [_typed(resource, item) for item in listed.get("items") or ()] or None}


def _typed(resource: Resource, item: Object) -> Object:
    item = {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
    if resource.name == "events":
        item.setdefault("eventTime", None)
    if resource.name == "pods" and (item.get("status") or {}).get("conditions"):
        conditions = [{"lastProbeTime": None, **condition} for condition in item["status"]["conditions"]]
        item["status"] = {**item["status"], "conditions": conditions}
    return item


@contextlib.contextmanager
def _place(folder: str, name: str) -> Iterator[None]:
    """Standard output is what is named, below the directory if there is one."""
    if not folder:
        yield
        return
    path = os.path.join(folder, name)  # noqa: PTH118 (start-up time)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    except OSError as error:
        why = "not a directory" if isinstance(error, FileExistsError) else str(error.strerror).lower()
        raise CliError(f"mkdir {error.filename}: {why}") from error
    try:
        file: TextIO = open(path, "w")  # noqa: PTH123, SIM115
    except OSError as error:
        raise CliError(f"open {path}: {str(error.strerror).lower()}") from error
    with file, contextlib.redirect_stdout(file):
        yield


def _write_logs(session: Session, pod: Object) -> None:
    metadata = pod["metadata"]
    path = session.mapper.find("pods").path(metadata["namespace"], metadata["name"], "log")
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        about = f"logs for container {container['name']} of pod {metadata['namespace']}/{metadata['name']}"
        sys.stdout.write(f"==== START {about} ====\n")
        try:
            log = session.http.raw(
                "GET", path, {"container": container["name"]}, accept="application/json, */*"
            )
            sys.stdout.write(log.decode(errors="replace"))
        except ServerError as error:
            where = f" (get pods {metadata['name']})" if str(error).endswith("the requested resource") else ""
            sys.stdout.write(f"Request log error: {error}{where}\n")
        sys.stdout.write(f"==== END {about} ====\n")


DUMP = Command(
    run,
    (
        Flag("output", "o", default="json", help="json, yaml, kyaml, go-template=..., jsonpath=..."),
        *(flag for flag in OUTPUT if flag.name != "output"),
        Flag("output-directory", help='Where the files go; standard output when empty or "-".'),
        Flag("namespaces", kind="list", help="The namespaces to dump; kube-system and the current one if not given."),
        ALL_NAMESPACES,
        RUNNING_TIMEOUT._replace(default=20.0),
    ),
    "[flags]",
    "Dump relevant information for debugging and diagnosis.",
)  # fmt: skip
