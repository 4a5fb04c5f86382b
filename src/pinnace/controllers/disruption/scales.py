"""How many pods the controllers of some pods are asked for: what a share in a disruption budget is a share of.

Kubernetes' own controllers are in the caches. Any other kind may have a scale subresource (custom resources do, where their
definition says so): the server is asked for it, by facts that a pass names and that the next pass finds (`Fetch`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import DEPLOYMENTS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS
from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.controllers.runtime import Fetch, World

SCALED: dict[tuple[str, str], GVR] = {  # (group, kind) of what the caches hold
    ("apps", "ReplicaSet"): REPLICA_SETS,
    ("", "ReplicationController"): REPLICATION_CONTROLLERS,
    ("apps", "StatefulSet"): STATEFUL_SETS,
}
SCALE_KEEPS = timedelta(seconds=5)  # what was asked is believed for so long
KINDS_KEEP = timedelta(seconds=30)


class UncountableError(Exception):
    """Nobody can say how many pods there should be."""


class UnknownYetError(Exception):
    """The server has to be asked first."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch


@dataclass(frozen=True, slots=True)
class Scale:
    uid: str
    replicas: int


def expected(matching: Iterable[Object], world: World) -> int:
    """The sum over the pods' controllers, each counted once; raises UncountableError and UnknownYetError."""
    known: dict[str, Scale] = {}  # by the uid of the pods' controller
    for pod in matching:
        reference = meta.controller_of(pod)
        if reference is None or reference["uid"] in known:
            continue
        found = _scale(reference, meta.namespace(pod), world)
        if found is None:
            raise UncountableError(f'found no controllers for pod "{meta.name(pod)}"')
        known[reference["uid"]] = found
    return sum({scale.uid: scale.replicas for scale in known.values()}.values())


def _scale(reference: Object, namespace: str, world: World) -> Scale | None:
    group, _ = parse_api_version(reference["apiVersion"])
    gvr = SCALED.get((group, reference["kind"]))
    if gvr is None:
        return _asked(reference, namespace, world)
    scaled = world.get(gvr, reference["name"], namespace)
    if scaled is None or meta.uid(scaled) != reference["uid"]:
        return None
    owner = meta.controller_of(scaled)
    if gvr == REPLICA_SETS and owner is not None and owner["kind"] == "Deployment":
        scaled = world.get(DEPLOYMENTS, owner["name"], namespace)
        if scaled is None or meta.uid(scaled) != owner["uid"]:
            return None
    replicas = scaled["spec"].get("replicas")
    return Scale(meta.uid(scaled), 1 if replicas is None else replicas)


def _asked(reference: Object, namespace: str, world: World) -> Scale | None:
    api_version, kind = reference["apiVersion"], reference["kind"]
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    kinds = _fact(world, Fetch(("kinds", root), root, _kinds), KINDS_KEEP)
    served = next((entry for entry in kinds or () if entry[0] == kind), None)
    if served is None:
        raise UncountableError(f'no matches for kind "{kind}" in version "{api_version}"')
    _, resource, has_scale = served
    if not has_scale:
        group, _ = parse_api_version(api_version)
        name = f"{resource}.{group}" if group else resource
        raise UncountableError(f"{name} does not implement the scale subresource")
    path = f"{root}/namespaces/{namespace}/{resource}/{reference['name']}/scale"
    found: Scale | None = _fact(world, Fetch(("scale", path), path, _scale_in), SCALE_KEEPS)
    return found if found is not None and found.uid == reference["uid"] else None


def _fact(world: World, fetch: Fetch, keeps: timedelta) -> Any:
    known = world.recall(fetch.fact)
    if known is None or known[1] + keeps < world.steady:
        raise UnknownYetError(fetch)
    return known[0]


def _kinds(answer: Object) -> tuple[tuple[str, str, bool], ...]:
    """(kind, resource, whether it has a scale) of a discovery document."""
    names = {entry["name"] for entry in answer.get("resources") or ()}
    return tuple(
        (entry["kind"], entry["name"], f"{entry['name']}/scale" in names)
        for entry in answer.get("resources") or ()
        if "/" not in entry["name"]
    )


def _scale_in(answer: Object) -> Scale:
    return Scale(meta.uid(answer), (answer.get("spec") or {}).get("replicas", 0))
