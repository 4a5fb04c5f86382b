"""`describe`: everything about some objects, with what belongs to them and their events."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pinnace.cli import colours
from pinnace.cli.builder import Selection, fetch, raise_all, select
from pinnace.cli.command import ALL_NAMESPACES, CHUNK_SIZE, FILES, SELECTOR, Command
from pinnace.cli.describe.writer import Writer
from pinnace.cli.errors import PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
Describe = Callable[..., None]
# resource -> module below pinnace.cli.describe and function; every other resource is described by its fields
DESCRIBERS = {
    "clusterrolebindings.rbac.authorization.k8s.io": "rbac:describe_binding",
    "clusterroles.rbac.authorization.k8s.io": "rbac:describe_role",
    "configmaps": "configuration:describe_config_map",
    "cronjobs.batch": "batch:describe_cron_job",
    "csinodes.storage.k8s.io": "storage:describe_csi_node",
    "daemonsets.apps": "deployment:describe_daemon_set",
    "deployments.apps": "deployment:describe",
    "endpoints": "configuration:describe_endpoints",
    "endpointslices.discovery.k8s.io": "network:describe_slice",
    "horizontalpodautoscalers.autoscaling": "autoscaler:describe",
    "ingressclasses.networking.k8s.io": "network:describe_ingress_class",
    "ingresses.networking.k8s.io": "service:describe_ingress",
    "ipaddresses.networking.k8s.io": "network:describe_address",
    "jobs.batch": "batch:describe_job",
    "limitranges": "policy:describe_limits",
    "namespaces": "configuration:describe_namespace",
    "networkpolicies.networking.k8s.io": "network:describe_policy",
    "nodes": "node:describe",
    "persistentvolumeclaims": "storage:describe_claim",
    "persistentvolumes": "storage:describe_volume",
    "poddisruptionbudgets.policy": "policy:describe_budget",
    "pods": "pod:describe",
    "priorityclasses.scheduling.k8s.io": "policy:describe_priority_class",
    "replicasets.apps": "deployment:describe_replica_set",
    "replicationcontrollers": "deployment:describe_replica_set",
    "resourcequotas": "policy:describe_quota",
    "rolebindings.rbac.authorization.k8s.io": "rbac:describe_binding",
    "roles.rbac.authorization.k8s.io": "rbac:describe_role",
    "secrets": "configuration:describe_secret",
    "serviceaccounts": "configuration:describe_service_account",
    "servicecidrs.networking.k8s.io": "network:describe_range",
    "services": "service:describe",
    "storageclasses.storage.k8s.io": "storage:describe_class",
    "statefulsets.apps": "stateful_set:describe",
    "volumeattributesclasses.storage.k8s.io": "storage:describe_attributes_class",
}


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    chosen = select(session, arguments, flags)
    if not chosen:
        raise PlainError(
            "error: You must specify the type of resource to describe. "
            f'Use "{session.program} api-resources" for a complete list of supported resources.'
        )
    errors: list[ServerError] = []
    first, found = True, False
    for one in chosen:
        try:
            objects, by_prefix = _objects(session, flags, one)
        except ServerError as error:
            errors.append(error)
            continue
        describe = describer(one)
        for obj in objects:
            found = True
            writer = Writer()
            describe(session, obj, writer, show_events=flags["show-events"])
            if by_prefix:  # kubectl ends these with an empty line, and puts none between them
                sys.stdout.write(_shown(writer) + "\n")
                continue
            sys.stdout.write(("" if first else "\n\n") + _shown(writer))
            first = False
    if not found and not errors:
        _nothing(session, flags)
    raise_all(errors)
    return 0


def _shown(writer: Writer) -> str:
    text = writer.text()
    if colours.are_wanted(sys.stdout):
        return colours.of_description(text)
    return text


def _objects(session: Session, flags: Values, one: Selection) -> tuple[list[Object], bool]:
    """By name, or, when there is none of this name, all whose name begins so (then True)."""
    try:
        return fetch(session, one, flags), False
    except ServerError as error:
        if not one.name or not not_found(error):
            raise
        begun = [
            obj
            for obj in fetch(session, one._replace(name=""), flags)
            if obj["metadata"]["name"].startswith(one.name)
        ]
        if not begun:
            raise
        return begun, True


def describer(one: Selection) -> Describe:
    target = DESCRIBERS.get(one.resource.qualified, "generic:describe")
    module, function = target.split(":")
    found: Describe = getattr(import_module(f"pinnace.cli.describe.{module}"), function)
    return found


def _nothing(session: Session, flags: Values) -> None:
    where = "" if flags["all-namespaces"] else f" in {session.namespace} namespace."
    print(f"No resources found{where}", file=sys.stderr)


DESCRIBE = Command(
    run,
    (
        *FILES,
        SELECTOR,
        ALL_NAMESPACES,
        CHUNK_SIZE,
        Flag("show-events", kind="bool", default=True, help="Show the events of the objects."),
    ),
    "(-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
    "Show details of a specific resource or group of resources.",
)
