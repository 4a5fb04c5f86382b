"""What processes cost: proportional memory, and CPU over a stretch of time, from /proc."""

import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def pss_mib(pid):
    """Proportional set size: shared pages count by their share, so that the sum over processes is what the machine lost."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise LookupError(pid)


def cpu_seconds(pid):
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_percent(pids, seconds):
    """Percent of one core that each named process takes during the next `seconds`."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    begun = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - begun
    return {name: round(100 * (cpu_seconds(pid) - before[name]) / passed, 2) for name, pid in pids.items()}
