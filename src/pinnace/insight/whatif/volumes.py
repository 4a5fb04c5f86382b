"""What keeps a pod off a node because of its volumes: the node affinity of a volume, its zone."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import volume_binding
from pinnace.insight.findings import Object
from pinnace.insight.whatif.obstacles import Obstacle
from pinnace.insight.world import World

_COST = 4.0  # data does not move by itself
_ZONES = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def of_volumes(pod: Object, node: Object, world: World) -> Iterator[Obstacle]:
    labels = meta.labels(node)
    for _, name in volume_binding.claim_names(pod):
        claim = world.get("PersistentVolumeClaim", meta.namespace(pod), name)
        volume_name = claim["spec"].get("volumeName") if claim else None
        volume = world.get("PersistentVolume", "", volume_name) if volume_name else None
        if volume is None:
            continue
        if not volume_binding.allows_node(volume, labels, meta.name(node)):
            yield Obstacle(
                "volume", f"volume {volume_name} (claim {name}) can only be reached from nodes with {_where(volume)}",
                f"claim {name} has another volume", _COST, (f"kubectl describe pv {volume_name}",),
            )  # fmt: skip
        for key in _ZONES:
            wanted = meta.labels(volume).get(key)
            if wanted and key in labels and labels[key] not in wanted.split("__"):
                yield Obstacle(
                    "volume", f"volume {volume_name} (claim {name}) is in {key}={wanted}, {meta.name(node)} in {labels[key]}",
                    f"claim {name} has a volume in {labels[key]}", _COST, (f"kubectl describe pv {volume_name}",),
                )  # fmt: skip


def _where(volume: Object) -> str:
    terms = ((volume["spec"].get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    texts = [
        " and ".join(f"{one['key']} {one['operator']} ({', '.join(one.get('values') or ())})" for one in
                     (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())))
        for term in terms
    ]  # fmt: skip
    return " or ".join(texts)
