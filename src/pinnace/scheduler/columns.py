"""Columns of the node table that are not plain numbers: distinct values with one id per node, and resource usage.

A cluster of 5,000 nodes has a handful of taint sets and zones: a plugin thinks once per distinct value and gathers by id.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pinnace.scheduler.pod_info import CPU, MEMORY, PODS, STORAGE, HostPort, PodInfo

V = TypeVar("V", bound=Hashable)
Ints = NDArray[np.int64]
Ids = NDArray[np.int32]
Rows = NDArray[np.intp]

ABSENT = -1  # the id of a row without a value
SPARE = 64  # values without a row that are kept, at least


class Distinct(Generic[V]):
    """`values[ids[row]]` is the row's value; `ids[row] == ABSENT` when it has none."""

    def __init__(self, capacity: int) -> None:
        self.values: list[V] = []
        self.ids: Rows = np.full(capacity, ABSENT, np.intp)  # of the type that NumPy gathers by fastest
        self._id_of: dict[V, int] = {}
        self._enough = SPARE  # so many values may be there before they are looked at

    def get(self, row: int) -> V | None:
        return self.values[self.ids[row]] if self.ids[row] != ABSENT else None

    def set(self, row: int, value: V | None) -> bool:
        """True when this changed the row."""
        if value is None:
            identity = ABSENT
        elif (known := self._id_of.get(value)) is not None:
            identity = known
        else:
            identity = self._id_of[value] = len(self.values)
            self.values.append(value)
        changed = bool(self.ids[row] != identity)
        self.ids[row] = identity
        return changed

    def find(self, value: V) -> int:
        """The id of a value, ABSENT when no row ever had it."""
        return self._id_of.get(value, ABSENT)

    def grow(self, capacity: int) -> None:
        self.ids = grown(self.ids, capacity, ABSENT)

    def tidy(self) -> None:
        """Drop values that no row has any more, once they are the most: images and names of nodes come and go for ever.

        Ids change: only to be called when nothing that was computed from them is kept.
        """
        if len(self.values) <= self._enough:
            return
        used = np.unique(self.ids[self.ids != ABSENT])
        self._enough = 2 * len(used) + SPARE
        if len(self.values) <= self._enough:
            return
        number = np.full(len(self.values) + 1, ABSENT, np.intp)  # the last entry answers for ABSENT
        number[used] = np.arange(len(used))
        self.ids = number[self.ids]
        self.values = [self.values[identity] for identity in used.tolist()]
        self._id_of = {value: identity for identity, value in enumerate(self.values)}


def grown(column: NDArray, capacity: int, fill: int = 0) -> NDArray:
    wider = np.full((*column.shape[:-1], capacity), fill, column.dtype)
    wider[..., : column.shape[-1]] = column
    return wider


@dataclass(slots=True)
class Usage:
    """What each node has and what its pods ask for; shape (resources, nodes). Row-local: a plugin that reads nothing
    else may be asked for a few rows only (`at`)."""

    resources: dict[str, int]  # resource -> first index of the matrices
    allocatable: Ints
    requested: Ints
    nonzero: Ints  # (2, nodes): cpu and memory, where containers without a request count with a default
    ports: dict[HostPort, Ids] = field(default_factory=dict)  # how many pods of the node hold the port

    @classmethod
    def empty(cls, capacity: int) -> "Usage":
        resources = {CPU: 0, MEMORY: 1, STORAGE: 2, PODS: 3}
        shape = (len(resources), capacity)
        return cls(
            resources, np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros((2, capacity), np.int64)
        )

    def at(self, rows: Rows) -> "Usage":
        """A copy of these rows only."""
        ports = {port: counts[rows] for port, counts in self.ports.items()}
        return Usage(
            self.resources, self.allocatable[:, rows], self.requested[:, rows], self.nonzero[:, rows], ports
        )

    def view(self, row: int) -> "Usage":
        """One row, without copying: only to be read."""
        one = slice(row, row + 1)
        ports = {port: counts[one] for port, counts in self.ports.items()}
        return Usage(
            self.resources, self.allocatable[:, one], self.requested[:, one], self.nonzero[:, one], ports
        )

    def index(self, resource: str) -> int:
        """The resource's position in the matrices; a new extended resource gets a row of zeros."""
        if resource not in self.resources:
            self.resources[resource] = len(self.resources)
            zeros = np.zeros((1, self.allocatable.shape[1]), np.int64)
            self.allocatable = np.concatenate((self.allocatable, zeros))
            self.requested = np.concatenate((self.requested, zeros))
        return self.resources[resource]

    def charge(self, row: int, pod: PodInfo, sign: int) -> None:
        """Add (sign 1) or remove (-1) what a pod uses."""
        demand, requested = pod.demand, self.requested
        for resource, amount in demand.requests.items():
            position = self.resources.get(resource)
            if position is None:
                position = self.index(resource)
                requested = self.requested
            requested[position, row] += sign * amount
        requested[3, row] += sign
        self.nonzero[0, row] += sign * demand.nonzero_cpu_millis
        self.nonzero[1, row] += sign * demand.nonzero_memory_bytes
        for port in demand.host_ports:
            if port not in self.ports:
                self.ports[port] = np.zeros(self.nonzero.shape[1], np.int32)
            self.ports[port][row] += sign
            if sign < 0 and not self.ports[port].any():
                del self.ports[port]

    def grow(self, capacity: int) -> None:
        self.allocatable = grown(self.allocatable, capacity)
        self.requested = grown(self.requested, capacity)
        self.nonzero = grown(self.nonzero, capacity)
        self.ports = {port: grown(counts, capacity) for port, counts in self.ports.items()}
