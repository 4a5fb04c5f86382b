"""The kubeconfig of a cluster: merged into the user's file as kind does it, or written alone."""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from pinnace.cluster.errors import UsageError

SECTIONS = ("clusters", "users", "contexts")


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


def give_access(explicit: str, cluster: str, server: str, pki: Path) -> Path:
    """Write the administrator's way in where `up` is asked to; returns the file."""
    path = target(explicit)
    content = entries(
        cluster, server, *((pki / f).read_bytes() for f in ("ca.crt", "admin.crt", "admin.key"))
    )
    if explicit:
        write(path, content)
    else:
        merge(path, content)
    return path


def merge(path: Path, new: dict[str, Any]) -> None:
    """Put the entries of `new` into the file, replacing entries of the same names, and make its context current."""
    merged = _read(path)
    for section in SECTIONS:
        names = {entry["name"] for entry in new[section]}
        kept = [entry for entry in merged.get(section) or () if entry.get("name") not in names]
        merged[section] = kept + new[section]
    merged["current-context"] = new["current-context"]
    merged.setdefault("apiVersion", "v1")
    merged.setdefault("kind", "Config")
    merged.setdefault("preferences", {})
    write(path, merged)


def renew(path: Path, cluster: str, pki: Path) -> None:
    """The administrator's certificate was made anew: where the file has the cluster's user, it gets it. Nothing else changes."""
    content = _read(path)
    (new,) = entries(cluster, "", b"", (pki / "admin.crt").read_bytes(), (pki / "admin.key").read_bytes())[
        "users"
    ]
    users = content.get("users") or []
    if any(one.get("name") == new["name"] for one in users):
        content["users"] = [new if one.get("name") == new["name"] else one for one in users]
        write(path, content)


def remove(path: Path, cluster: str) -> None:
    """Take the cluster's entries out of the file; a file that is not there stays so."""
    if not path.exists():
        return
    name, content = context_name(cluster), _read(path)
    for section in SECTIONS:
        content[section] = [entry for entry in content.get(section) or () if entry.get("name") != name]
    if content.get("current-context") == name:
        content["current-context"] = ""
    write(path, content)


def _read(path: Path) -> dict[str, Any]:
    """{} for a file that is not there; raises UsageError for one that we must not overwrite."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _not_ours(path, str(error)) from None
    if not isinstance(content, dict):
        raise _not_ours(path, "a mapping was expected")
    for section in SECTIONS:
        entries_there = content.get(section) or []
        if not isinstance(entries_there, list) or not all(isinstance(e, dict) for e in entries_there):
            raise _not_ours(path, f"{section} must be a list of named entries")
    return content


def _not_ours(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is not a kubeconfig ({why}): mend it, or write another file with --kubeconfig FILE"
    )


def write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner only."""
    path = path.resolve()  # through a link, not over it
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".pinnace-new")
    temporary.touch(mode=0o600)
    temporary.write_text(yaml.safe_dump(content, sort_keys=False))
    temporary.replace(path)
