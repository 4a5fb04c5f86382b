"""`trace` as a whole: an object, its owners and what it owns, as one timeline. Known from what the API keeps; nothing is recorded for it."""

import json
from datetime import UTC, datetime

from pinnace.api import meta
from pinnace.insight.findings import Object
from pinnace.insight.timeline import Moment, moments
from pinnace.insight.world import KINDS, Reader, World, is_known

MOST_CHILDREN = 20  # of one owner: those that were made first
SOURCES = ("creation", "scheduler", "event", "container", "condition", "managedFields", "deletion")
CHILDREN = {
    "CronJob": ("Job",),
    "DaemonSet": ("Pod",),
    "Deployment": ("ReplicaSet",),
    "Job": ("Pod",),
    "ReplicaSet": ("Pod",),
    "ReplicationController": ("Pod",),
    "Service": ("EndpointSlice",),
    "StatefulSet": ("Pod",),
}


def trace(
    objects: list[Object], reader: Reader, now: float, failure: type[Exception], *, is_json: bool
) -> str:
    world = World(reader, now, failure)
    chain = _family(objects, world)
    order = {f"{one['kind'].lower()}/{meta.name(one)}": at for at, one in enumerate(chain)}
    found = [moment for one in chain for moment in moments(one, world)]
    # A Kubernetes timestamp has whole seconds, an event may have more: of one second the owner comes first, and what was reported afterwards last.
    found.sort(key=lambda one: (one.at.replace(microsecond=0), order[one.about], SOURCES.index(one.source)))
    return _as_json(found, world) if is_json else _as_text(found, world)


def _family(objects: list[Object], world: World) -> list[Object]:
    """Owners first, then the objects, then what they own."""
    chain: dict[tuple[str, str, str], Object] = {}
    for one in objects:
        for member in (*reversed(_owners(one, world)), one, *_descendants(one, world)):
            chain.setdefault((member["kind"], *meta.key(member)), member)
    return list(chain.values())


def _owners(obj: Object, world: World) -> list[Object]:
    found: list[Object] = []
    reference = meta.controller_of(obj)
    while reference is not None and reference["kind"] in KINDS and len(found) < 10:
        owner = world.get(reference["kind"], meta.namespace(obj), reference["name"])
        if owner is None or meta.uid(owner) != reference.get("uid"):
            break
        found.append(owner)
        reference = meta.controller_of(owner)
    return found


def _descendants(obj: Object, world: World) -> list[Object]:
    found: list[Object] = []
    for kind in CHILDREN.get(obj["kind"], ()) if is_known(obj) else ():
        children = sorted(
            world.owned_by(obj, kind),
            key=lambda one: (one["metadata"].get("creationTimestamp", ""), meta.name(one)),
        )
        for child in children[:MOST_CHILDREN]:
            found += [child, *_descendants(child, world)]
    return found


def _as_text(found: list[Moment], world: World) -> str:
    if not found:
        return "Nothing is known of its past.\n"
    begun = found[0].at
    width = max(len(one.about) for one in found)
    lines = [
        f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {_after(begun, one.at):>8}  {one.about.ljust(width)}  {one.text}"
        for one in found
    ]
    if world.unread:
        lines += ["", "Could not be read, so something may be missing above:"]
        lines += [f"  {what}: {why}" for what, why in world.unread.items()]
    return "\n".join(lines) + "\n"


def _after(begun: datetime, at: datetime) -> str:
    return f"+{max(0, int((at - begun).total_seconds()))}s"


def _as_json(found: list[Moment], world: World) -> str:
    entries = [
        {"time": one.at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "object": one.about, "source": one.source, "text": one.text}
        for one in found
    ]  # fmt: skip
    return json.dumps({"timeline": entries, "unread": world.unread}, indent=4, ensure_ascii=False) + "\n"
