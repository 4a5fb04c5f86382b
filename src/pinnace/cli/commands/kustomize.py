"""`kustomize`: build a directory with a kustomization file, and print or write what comes out."""

import os
from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
_RESTRICTORS = ("LoadRestrictionsRootOnly", "LoadRestrictionsNone")

_REFUSED = (  # what belongs to plugins, functions in containers and helm charts
    "as-current-user", "enable-alpha-plugins", "env", "helm-api-versions", "helm-command", "helm-debug", "helm-kube-version",
    "mount", "network", "network-name",
)  # fmt: skip


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    from pinnace.cli.kustomize.build import build
    from pinnace.cli.kustomize.errors import NotCovered
    from pinnace.cli.printers.yaml_text import dump

    if len(arguments) > 1:
        raise CliError("specify one path to kustomization.yaml")
    if flags["load-restrictor"] not in _RESTRICTORS:
        raise CliError(
            f"illegal flag value --load-restrictor {flags['load-restrictor']}; legal values: [{' '.join(_RESTRICTORS)}]"
        )
    for name in _REFUSED:
        if name in flags.given:
            raise NotCovered(f"the flag --{name}")
    path = arguments[0] if arguments and arguments[0] else "."
    found = build(
        path,
        anywhere=flags["load-restrictor"] == _RESTRICTORS[1],
        helm_is_enabled=flags["enable-helm"],
    )
    output = flags["output"]
    if output and os.path.isdir(output):  # noqa: PTH112 (start-up time)
        _into_folder(output, found)
        return 0
    text = "---\n".join(dump(obj) for obj in found)
    if not output:
        print(text, end="")
        return 0
    _write(output, text)
    return 0


def _into_folder(folder: str, objects: list[Object]) -> None:
    """One file an object: group, version, kind and name; the namespace in front where there are several."""
    from pinnace.cli.kustomize.identity import CLUSTER_SCOPE
    from pinnace.cli.kustomize.resource import Resource
    from pinnace.cli.printers.yaml_text import dump

    found = [Resource(obj) for obj in objects]
    several = len({one.id.effective_namespace for one in found} - {CLUSTER_SCOPE}) > 1
    for one in found:
        name = "_".join(part for part in (*one.gvk, one.name) if part)
        namespace = one.id.effective_namespace
        if several and namespace != CLUSTER_SCOPE:
            name = f"{namespace}_{name}"
        _write(os.path.join(folder, f"{name.lower()}.yaml"), dump(one.obj))  # noqa: PTH118


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123
            file.write(text)
    except OSError as error:
        raise CliError(f"open {path}: {str(error.strerror).lower()}") from error


KUSTOMIZE = Command(
    run,
    (
        Flag("output", "o", help="Write to this file, or one file per object into this directory."),
        Flag("load-restrictor", default=_RESTRICTORS[0], help="LoadRestrictionsNone lets files lie outside of the directory."),
        Flag("as-current-user", kind="bool", help="Of functions in containers: not supported."),
        Flag("enable-alpha-plugins", kind="bool", help="Plugins are not supported."),
        Flag("enable-helm", kind="bool", help="Helm charts are not supported."),
        Flag("env", "e", kind="repeat", help="Of functions in containers: not supported."),
        Flag("helm-api-versions", kind="repeat", help="Of helm charts: not supported."),
        Flag("helm-command", default="helm", help="Of helm charts: not supported."),
        Flag("helm-debug", kind="bool", help="Of helm charts: not supported."),
        Flag("helm-kube-version", help="Of helm charts: not supported."),
        Flag("mount", kind="repeat", help="Of functions in containers: not supported."),
        Flag("network", kind="bool", help="Of functions in containers: not supported."),
        Flag("network-name", default="bridge", help="Of functions in containers: not supported."),
    ),
    "DIR",
    "Build a set of resources from a directory with a kustomization file.",
)  # fmt: skip
