"""`DATA/config.json`: what a cluster decided at its first start and keeps for life, with the version of its data's format."""

import json
from pathlib import Path
from typing import Any

from pinnace.cluster.errors import UsageError

FORMAT_VERSION = 1
FILE = "config.json"


def load(directory: Path) -> dict[str, Any]:
    """{} for a new directory; raises UsageError for one that is unreadable or of a newer Pinnace."""
    path = directory / FILE
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        raise UsageError(
            f"{directory} belongs to another user: run this as the user that started the cluster, or choose another place with --data-dir DIR"
        ) from None
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged ({error}): restore it, or delete the cluster with `pinnace down --purge`"
        ) from None
    version = content.get("formatVersion", 1) if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise UsageError(
            f"{path} is not the configuration of a Pinnace cluster: choose another place with --data-dir DIR"
        )
    if version > FORMAT_VERSION:
        raise UsageError(
            f"{directory} was written by a newer Pinnace (format {version}; this one knows {FORMAT_VERSION}): "
            "upgrade with `pip install --upgrade pinnace`, or choose another place with --data-dir DIR"
        )
    return {key: value for key, value in content.items() if key != "formatVersion"}


def save(directory: Path, values: dict[str, Any]) -> None:
    """In one step, so that a kill or a full disk leaves the old file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"formatVersion": FORMAT_VERSION, **values}, indent=1) + "\n")
    temporary.replace(path)
