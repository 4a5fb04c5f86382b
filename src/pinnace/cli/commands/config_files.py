"""Changing kubeconfig files: which file an entry stands in, reading it, and writing it at once or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.printers import to_text
from pinnace.cli.session import Session
from pinnace.client import kubeconfig

Object = dict[str, Any]
INNER = {"clusters": "cluster", "contexts": "context", "users": "user"}


def file_of(session: Session, section: str = "", name: str = "") -> Path:
    """The first file that has the entry (or, without one, a current context), else the first of all."""
    paths = [Path(path) for path in kubeconfig.default_paths(session.flags["kubeconfig"])]
    for path in paths:
        if section and path.exists() and kubeconfig.entry(read(path), section, name) is not None:
            return path
    if not section:
        for path in paths:
            if path.exists() and read(path).get("current-context"):
                return path
    return paths[0]


def read(path: Path) -> Object:
    try:
        return kubeconfig.parse(path.read_text(), str(path))
    except FileNotFoundError:
        return {"apiVersion": "v1", "kind": "Config"}


def write(path: Path, config: Object) -> None:
    """At once or not at all, readable by the owner only, entries in the order of their names."""
    for section in INNER:
        config[section] = sorted(config.get(section) or (), key=lambda entry: str(entry["name"])) or None
    for entry in config["contexts"] or ():
        entry["context"] = {"cluster": "", "user": "", **(entry.get("context") or {})}
    config = {"current-context": "", "preferences": {}, **config}
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_text(to_text(config, "yaml"))
    scratch.replace(path)


def change_entry(session: Session, section: str, name: str, change: Callable[[Object], None]) -> bool:
    """Alter an entry, or make it; True when it was there before."""
    path = file_of(session, section, name)
    config = read(path)
    inner = INNER[section]
    entries = config.get(section) or []
    config[section] = entries
    entry = next((one for one in entries if one["name"] == name), None)
    was_there = entry is not None
    if entry is None:
        entry = {"name": name, inner: {}}
        entries.append(entry)
    entry[inner] = entry.get(inner) or {}
    change(entry[inner])
    write(path, config)
    return was_there


def delete_entry(session: Session, section: str, name: str) -> Path:
    kind = INNER[section]
    path = file_of(session, section, name)
    config = read(path)
    left = [entry for entry in config.get(section) or () if entry["name"] != name]
    if len(left) == len(config.get(section) or ()):
        raise CliError(f"cannot delete {kind} {name}, not in {path}")
    config[section] = left
    write(path, config)
    return path
