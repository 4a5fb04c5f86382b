"""Networks that servers on this machine have chosen, known from the moment of the choice on: routes show them only when a bridge is up.

A claim is a lock on a file. The kernel frees it with the process, however that ends; by then the bridge's route tells.
"""

import fcntl
import os
from pathlib import Path

DIRECTORY = Path("/run/pinnace/networks")


def claim(network: str, directory: Path | None = None) -> bool:
    """For the life of this process; False when another process has it. Where no file can be made, nobody is kept out."""
    path = (directory or DIRECTORY) / network.replace("/", "-")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True  # the descriptor stays open: it is the claim
