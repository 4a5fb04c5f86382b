"""The kubeconfig of a cluster: merged into the user's file as kind does it, or written alone."""

import base64
import os
from pathlib import Path
from typing import Any

import yaml


def target(explicit: str) -> Path:
    """`--kubeconfig`, else the first entry of $KUBECONFIG, else ~/.kube/config."""
    if explicit:
        return Path(explicit)
    entries = [entry for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    return Path(entries[0]) if entries else Path.home() / ".kube" / "config"


def context_name(cluster: str) -> str:
    return cluster if cluster == "pinnace" else f"pinnace-{cluster}"


def entries(cluster: str, server: str, ca: bytes, cert: bytes, key: bytes) -> dict[str, Any]:
    """A complete kubeconfig with this one cluster."""
    name = context_name(cluster)

    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    user = {"client-certificate-data": b64(cert), "client-key-data": b64(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": b64(ca)}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "preferences": {},
    }


def merge(path: Path, new: dict[str, Any]) -> None:
    """Put the entries of `new` into the file, replacing entries of the same names, and make its context current."""
    merged = _read(path)
    for section in ("clusters", "users", "contexts"):
        names = {entry["name"] for entry in new[section]}
        kept = [entry for entry in merged.get(section) or () if entry.get("name") not in names]
        merged[section] = kept + new[section]
    merged["current-context"] = new["current-context"]
    merged.setdefault("apiVersion", "v1")
    merged.setdefault("kind", "Config")
    merged.setdefault("preferences", {})
    write(path, merged)


def remove(path: Path, cluster: str) -> None:
    """Take the cluster's entries out of the file; a file that is not there stays so."""
    if not path.exists():
        return
    name, content = context_name(cluster), _read(path)
    for section in ("clusters", "users", "contexts"):
        content[section] = [entry for entry in content.get(section) or () if entry.get("name") != name]
    if content.get("current-context") == name:
        content["current-context"] = ""
    write(path, content)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    if content is not None and not isinstance(content, dict):
        raise ValueError(f"{path} is not a kubeconfig: a mapping was expected")
    return content or {}


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner only."""
    path = path.resolve()  # through a link, not over it
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".pinnace-new")
    temporary.touch(mode=0o600)
    temporary.write_text(yaml.safe_dump(content, sort_keys=False))
    temporary.replace(path)
