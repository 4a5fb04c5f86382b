"""Nodes whose clock or version does not fit the API server's."""

import re
from collections.abc import Iterator

from pinnace.api import meta
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import CAUSE, LIKELY, Finding, Object, field, finding
from pinnace.insight.world import World

MOST_SKEW_SECONDS = 10
MOST_MINORS_BEHIND = 3
_MINOR = re.compile(r"v1\.(\d+)")


def clock(node: Object, world: World) -> Iterator[Finding]:
    """The kubelet writes its own time into its lease, and the API server notes when that was written."""
    lease = world.get("Lease", "kube-node-lease", meta.name(node))
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    written = [
        one["time"]
        for one in ((lease or {}).get("metadata") or {}).get("managedFields") or ()
        if one.get("time")
    ]
    if not renewed or not written:
        return
    off = parse_time(renewed).timestamp() - parse_time(max(written)).timestamp()
    if abs(off) > MOST_SKEW_SECONDS:
        yield finding(
            node, f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the API server's: certificates, tokens and leases may not hold", rank=CAUSE,
            evidence=[field(node, "(its lease) spec.renewTime, by its own clock", renewed), field(node, "(its lease) written, by the API server's", max(written))],
            commands=[f"kubectl get lease {meta.name(node)} -n kube-node-lease -o yaml --show-managed-fields"],
        )  # fmt: skip


def version(node: Object, world: World) -> Iterator[Finding]:
    """A kubelet may be up to three minor versions older than the API server, and never newer."""
    text = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or ""
    mine, servers = _MINOR.match(text), _MINOR.match(world.server_version())
    if mine is None or servers is None:
        return
    behind = int(servers[1]) - int(mine[1])
    if behind < 0 or behind > MOST_MINORS_BEHIND:
        yield finding(
            node, f"its kubelet is {text}, {'newer than' if behind < 0 else f'{behind} versions behind'} the API server ({world.server_version()}): that is not supported", rank=LIKELY,
            evidence=[field(node, "status.nodeInfo.kubeletVersion", text)], commands=["kubectl version", "kubectl get nodes"],
        )  # fmt: skip
