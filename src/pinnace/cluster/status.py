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
    processes = _processes(record, directory) if running else []
    return {
        "name": name,
        "server": record.get("server", ""),
        "dataDirectory": str(directory),
        "kubeconfig": record.get("kubeconfig", ""),
        "processes": processes,
        "version": record.get("version", ""),
        "ready": running and _is_ready(record, directory),
        "notes": record.get("notes", []),
    }


def _processes(record: dict[str, Any], directory: Path) -> list[dict[str, Any]]:
    """The server, and the programs that it supervises, by their pid files."""
    found = [("pinnace", record.get("pid", 0))]
    for name, file in (("containerd", "containerd/containerd.pid"), ("haproxy", "ingress/haproxy.pid")):
        try:
            found.append((name, int((directory / file).read_text())))
        except (FileNotFoundError, ValueError):
            continue
    return [{"name": name, "pid": pid} for name, pid in found if pid and Path(f"/proc/{pid}").exists()]


def _is_ready(record: dict[str, Any], directory: Path) -> bool:
    """The API server says so, and the embedded node (if any) was seen Ready."""
    try:
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.check_hostname = False
        with urllib.request.urlopen(f"{record['server']}/readyz", context=context, timeout=5) as answer:
            return answer.status == 200 and bool(record.get("ready"))
    except (OSError, KeyError, urllib.error.URLError):
        return False
