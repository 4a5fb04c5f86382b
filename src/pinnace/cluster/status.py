"""`pinnace status`: what runs of a cluster, from its record, its lock and /proc."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pinnace.cluster.state import RunState


def current(name: str, directory: Path) -> dict[str, Any]:
    """name, server, dataDirectory, kubeconfig, processes (name and pid), version, ready, notes."""
    state = RunState(directory)
    record = state.read()
    running = state.is_running()
    processes = [
        {"name": p["name"], "pid": p["pid"]}
        for p in record.get("processes", [])
        if Path(f"/proc/{p['pid']}").exists()
    ]
    if not running:
        processes = [process for process in processes if process["name"] != "pinnace"]
    return {
        "name": name,
        "server": record.get("server", ""),
        "dataDirectory": str(directory),
        "kubeconfig": record.get("kubeconfig", ""),
        "processes": processes if running else [],
        "version": record.get("version", ""),
        "ready": running and _is_ready(record, directory),
        "notes": record.get("notes", []),
    }


def _is_ready(record: dict[str, Any], directory: Path) -> bool:
    """The API server says so, and the embedded node (if any) was seen Ready."""
    try:
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.check_hostname = False
        with urllib.request.urlopen(f"{record['server']}/readyz", context=context, timeout=5) as answer:
            return answer.status == 200 and bool(record.get("ready"))
    except (OSError, KeyError, urllib.error.URLError):
        return False
