"""The numbers that every Prometheus client tells about its own process, read from `/proc` at each scrape."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from pinnace.component.metrics import Family

_PROC = Path("/proc")


def families() -> Iterator[Family]:
    """Nothing where there is no `/proc`."""
    try:
        fields = (_PROC / "self/stat").read_text().rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in (_PROC / "stat").read_text().splitlines()
            if line.startswith("btime ")
        )
        descriptors = len(os.listdir(_PROC / "self/fd"))  # noqa: PTH208 - a list of names is all it takes
    except (OSError, StopIteration):
        return
    ticks, limit = os.sysconf("SC_CLK_TCK"), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    seconds = (int(fields[11]) + int(fields[12])) / ticks
    found = (
        ("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter", seconds),
        ("process_max_fds", "Maximum number of open file descriptors.", "gauge", float(limit)),
        ("process_open_fds", "Number of open file descriptors.", "gauge", float(descriptors)),
        ("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge",
         float(int(fields[21]) * resource.getpagesize())),
        ("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", "gauge",
         boot + int(fields[19]) / ticks),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge", float(fields[20])),
    )  # fmt: skip
    for name, text, kind, value in found:
        yield Family(name, text, kind, (), [((), value)])
