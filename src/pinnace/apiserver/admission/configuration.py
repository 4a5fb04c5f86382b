"""`--admission-control-config-file`: what plugins are told, inline or in files of their own.

Format: https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ (AdmissionConfiguration)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Document = dict[str, Any]


def load(path: Path) -> Mapping[str, Document]:
    """Plugin name -> its document; raises ValueError, which says what is wrong and where."""
    document = _read(path)
    if document.get("kind") != "AdmissionConfiguration":
        raise ValueError(f"{path}: no kind {document.get('kind')!r} is known, only 'AdmissionConfiguration'")
    if unknown := set(document) - {"apiVersion", "kind", "plugins"}:
        raise ValueError(f"{path}: unknown field {min(unknown)!r}")
    found: dict[str, Document] = {}
    for entry in document.get("plugins") or ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if not name:
            raise ValueError(f"{path}: plugins: every entry must be a mapping with a name")
        if name in found:
            raise ValueError(f"{path}: plugins: {name} is there twice")
        if (inline := entry.get("configuration")) is not None:
            if not isinstance(inline, dict):
                raise ValueError(f"{path}: plugins: the configuration of {name} must be a mapping")
            found[name] = inline
        elif entry.get("path"):
            found[name] = _read(path.parent / entry["path"])
    return found


def _read(path: Path) -> Document:
    import yaml  # only where there is such a file: it costs start-up time

    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path}: must be a mapping")  # noqa: TRY004 - one kind of error for bad files
    return document
