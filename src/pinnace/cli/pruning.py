"""`--prune` of apply and diff: what was applied before, carries the labels, and is in no file any more."""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pinnace.cli import last_applied
from pinnace.cli.builder import Selection
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

Object = dict[str, Any]
FLAGS = (
    Flag("prune", kind="bool", help="Delete what was applied before and is in no file any more."),
    Flag("prune-allowlist", kind="repeat", help="Look only at this <group/version/kind>; may be repeated."),
)
_NAMESPACED = (
    "/v1/ConfigMap", "/v1/Endpoints", "/v1/PersistentVolumeClaim", "/v1/Pod", "/v1/ReplicationController", "/v1/Secret",
    "/v1/Service", "batch/v1/Job", "batch/v1/CronJob", "networking.k8s.io/v1/Ingress", "apps/v1/DaemonSet",
    "apps/v1/Deployment", "apps/v1/ReplicaSet", "apps/v1/StatefulSet",
)  # fmt: skip
_CLUSTER = ("/v1/Namespace", "/v1/PersistentVolume")
_DEPRECATED = (
    "Deprecated: kubectl apply will no longer prune non-namespaced resources by default when used with the --namespace flag "
    "in a future release. To preserve the current behaviour, list the resources you want to target explicitly in the "
    "--prune-allowlist flag."
)


def types(session: Session, flags: Values) -> list[Resource]:
    """The kinds that are looked at."""
    named = flags["prune-allowlist"]
    found = []
    for text in named or (*_NAMESPACED, *_CLUSTER):
        parts = text.split("/")
        if len(parts) != 3:
            raise CliError(f"invalid GroupVersionKind format: {text}, please follow <group/version/kind>")
        group, version, kind = parts
        api_version = version if group in ("", "core") else f"{group}/{version}"
        resource = session.mapper.of_kind(api_version, kind)
        if resource is not None:
            found.append(resource)
        elif named:
            raise CliError(f'no matches for kind "{kind}" in version "{api_version}"')
    return found


def warn_of_cluster_scope(session: Session, flags: Values) -> None:
    if session.namespace_is_given and not flags["prune-allowlist"]:
        stamp = datetime.now().strftime("%m%d %H:%M:%S.%f")  # noqa: DTZ005 (as klog: local time)
        print(f"W{stamp} {os.getpid():7d} prune.go:71] {_DEPRECATED}", file=sys.stderr)


def leftovers(
    session: Session, flags: Values, resources: Iterable[Resource], namespaces: list[str], visited: set[str]
) -> Iterator[tuple[Selection, Object]]:
    """Objects that apply made (they carry its annotation), but not this time. `visited` are uids."""
    query = {"labelSelector": flags["selector"]} if flags["selector"] else {}
    resources = list(resources)
    places = [(row, namespace) for namespace in namespaces for row in resources if row.namespaced]
    places += [(row, "") for row in resources if not row.namespaced]
    for row, namespace in places:
        listed = session.http.get(row.path(namespace), query)
        for item in listed.get("items") or ():
            metadata = item["metadata"]
            if (
                last_applied.ANNOTATION in (metadata.get("annotations") or {})
                and metadata["uid"] not in visited
            ):
                obj = {"apiVersion": row.api_version, "kind": row.kind, **item}
                yield Selection(row, metadata["name"], metadata.get("namespace", "")), obj


def check_selection(flags: Values) -> None:
    if flags["all"] and flags["selector"]:
        raise CliError("cannot set --all and --selector at the same time")


def check(flags: Values) -> None:
    if flags["prune"] and not flags["all"] and not flags["selector"]:
        raise CliError(
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. "
            "If you did not mean to prune all resources, specify a label selector"
        )
