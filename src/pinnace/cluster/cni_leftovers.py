"""What CNI plugins leave on the machine when containers are killed without them: cached results, and links of the shaper."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

RESULTS = Path("/var/lib/cni/results")  # containerd has no setting for this place


def remove(network: str, results: Path = RESULTS) -> Iterator[str]:
    """Delete the cached results of this network's pods; yields the links that the plugin `bandwidth` may have made for them."""
    pattern = re.compile(rf"{re.escape(network)}-([0-9a-f]{{64}})-eth0")
    for entry in list(results.iterdir()) if results.is_dir() else ():
        if found := pattern.fullmatch(entry.name):
            entry.unlink(missing_ok=True)
            (results / f"cni-loopback-{found[1]}-lo").unlink(missing_ok=True)
            yield shaper_link(network, found[1])


def shaper_link(network: str, container_id: str) -> str:
    """https://github.com/containernetworking/plugins/blob/main/plugins/meta/bandwidth/main.go"""
    return f"bwp{hashlib.sha512((network + container_id).encode()).hexdigest()}"[:15]
