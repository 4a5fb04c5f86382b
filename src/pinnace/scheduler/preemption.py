"""What upstream's DefaultPreemption adds to a refusal when it cannot help. Evicting victims is not there yet.

Where pods of lower priority run on a node that preemption might free, nothing is said, since upstream would evict them.
"""

from collections.abc import Mapping

from pinnace.scheduler.decisions import fit_error
from pinnace.scheduler.framework import NodeTable, PodInfo, Refusal

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER = "not eligible due to preemptionPolicy=Never."


def explain(pod: PodInfo, nodes: NodeTable, refusals: Mapping[int, Refusal]) -> str:
    if pod.object["spec"].get("preemptionPolicy") == "Never":
        return f"preemption: {NEVER}"
    open_rows = [row for row, refusal in refusals.items() if refusal.preemption_may_help]
    if any(other.priority < pod.priority for row in open_rows for other in nodes.pods[row].values()):
        return ""
    texts = [NO_VICTIMS if refusal.preemption_may_help else NOT_HELPFUL for refusal in refusals.values()]
    return f"preemption: {fit_error(len(nodes), texts)}"
