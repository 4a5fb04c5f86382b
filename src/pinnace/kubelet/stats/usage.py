"""What was measured (data only). Bytes, core nanoseconds, and times on the wall clock."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Memory:
    usage: int = 0
    working_set: int = 0
    rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_nanos` is cumulative; `cpu_nanocores` the rate since the sample before, None when there is none."""

    cpu_nanos: int
    memory: Memory
    cpu_nanocores: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Bytes and errors of one interface."""

    name: str
    rx_bytes: int
    rx_errors: int
    tx_bytes: int
    tx_errors: int


@dataclass(frozen=True, slots=True)
class Filesystem:
    capacity: int
    available: int
    used: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    id: str
    name: str
    started_at: datetime
    usage: Usage
    image: str = ""


@dataclass(frozen=True, slots=True)
class PodUsage:
    uid: str
    namespace: str
    name: str
    started_at: datetime
    usage: Usage
    containers: tuple[ContainerUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything cheap, at one moment."""

    time: datetime
    monotonic: float
    node: Usage
    memory_capacity: int
    pods: tuple[PodUsage, ...] = field(default=())

    @property
    def memory_available(self) -> int:
        return max(0, self.memory_capacity - self.node.memory.working_set)
