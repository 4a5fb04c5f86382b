"""NodePorts: a host port is held by one pod of a node at a time."""

from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import Demand, Mask, PodInfo, Refusal, Usage
from pinnace.scheduler.pod_info import HostPort

ANY = "0.0.0.0"
REJECTION = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    name: ClassVar[str] = "NodePorts"
    reads: ClassVar[Literal["usage"]] = "usage"
    requeue_on: ClassVar[tuple[str, ...]] = ("Node/Add", "Pod/Delete")

    def applies(self, demand: Demand) -> bool:
        return bool(demand.host_ports)

    def filter(self, pod: PodInfo, usage: Usage) -> Mask:
        taken = np.zeros(usage.nonzero.shape[1], np.bool_)
        for port, holders in usage.ports.items():
            if any(_conflict(port, wanted) for wanted in pod.demand.host_ports):
                taken |= holders > 0
        return ~taken

    def fits_row(self, pod: PodInfo, usage: Usage, row: int) -> bool:
        return not any(
            holders[row] > 0 and any(_conflict(port, wanted) for wanted in pod.demand.host_ports)
            for port, holders in usage.ports.items()
        )

    def refusals(self, pod: PodInfo, usage: Usage) -> list[Refusal]:
        return [Refusal((REJECTION,), preemption_may_help=True)] * usage.nonzero.shape[1]


def _conflict(one: HostPort, other: HostPort) -> bool:
    same_address = one.ip == other.ip or ANY in (one.ip, other.ip)
    return same_address and one.port == other.port and one.protocol == other.protocol
