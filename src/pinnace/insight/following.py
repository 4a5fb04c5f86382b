"""`trace --follow`: what is new since the last look, and whether there is anything more to wait for."""

from pinnace.api.core import pods
from pinnace.insight.findings import Object
from pinnace.insight.span_texts import details, sentence
from pinnace.insight.span_tree import clock_time, duration
from pinnace.insight.spans import Node, walk
from pinnace.insight.timeline import Moment
from pinnace.insight.trace import timeline_lines

_READY = ("Ready", "Available", "Complete", "Succeeded", "Established")


class Following:
    """Remembers what has been shown."""

    def __init__(self) -> None:
        self._shown: dict[str, bool] = {}  # by id: whether it had ended
        self._begun: float | None = None
        self._told: dict[Moment, None] = {}  # of the timeline

    def news(self, roots: list[Node]) -> list[str]:
        """Lines of what has begun or ended since; in the order of their beginnings."""
        new = [
            node for _, node in sorted(walk(roots), key=lambda one: one[1].start)
            if node.id not in self._shown or (node.end is not None and not self._shown[node.id])
        ]  # fmt: skip
        lines: list[str] = []
        if self._begun is None and new:
            self._begun = new[0].start
            lines.append(f"{'AT':>12}  {'TOOK':>10}  since {clock_time(self._begun)}")
        for node in new:
            self._shown[node.id] = node.end is not None
            lines += self._lines(node)
        return lines

    def timeline_news(self, found: list[Moment]) -> list[str]:
        """The same where nothing is recorded: lines of what the API tells and did not tell before."""
        new = [one for one in found if one not in self._told]
        self._told.update(dict.fromkeys(new))
        return timeline_lines(new, next(iter(self._told)).at) if new else []

    def _lines(self, node: Node) -> list[str]:
        assert self._begun is not None
        took = "begins" if node.seconds is None else duration(node.seconds) if node.seconds else ""
        first = f"{'+' + duration(max(0.0, node.start - self._begun)):>12}  {took:>10}  {sentence(node)}"
        return [first, *(f"{'':>12}  {'':>10}      {line}" for line in details(node))]


def is_settled(obj: Object) -> bool | None:
    """Whether it has become what was asked for, or has failed for good; None for an object that does not tell."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    if obj["kind"] == "Pod":
        return pods.is_ready(obj) or pods.is_terminal(obj)
    if "observedGeneration" in status and status["observedGeneration"] < metadata.get("generation", 0):
        return False
    wanted = spec.get("replicas", 1)
    match obj["kind"]:
        case "Deployment":
            counts = ("replicas", "updatedReplicas", "availableReplicas")
            return "observedGeneration" in status and all(status.get(one, 0) == wanted for one in counts)
        case "ReplicaSet" | "ReplicationController" | "StatefulSet":
            return bool(status) and status.get("readyReplicas", 0) == wanted
        case "DaemonSet":
            return "observedGeneration" in status and status.get("numberReady") == status.get(
                "desiredNumberScheduled"
            )
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return None
    true = {one.get("type") for one in conditions if one.get("status") == "True"}
    return bool(true & {*_READY, "Failed"})
