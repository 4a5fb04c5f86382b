"""Structured configuration files of the API server: YAML or JSON with kind and apiVersion, read once at the start."""

from pathlib import Path
from typing import Any


class ConfigFileError(ValueError):
    """A configuration file that cannot be used; the text names file and field."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")


def load_config_file(path: Path, kind: str, api_versions: tuple[str, ...]) -> dict[str, Any]:
    import yaml  # only where a file is given: it costs start-up time

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigFileError(path, (error.strerror or str(error)).lower()) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigFileError(path, str(error)) from None
    if not isinstance(content, dict):
        raise ConfigFileError(path, f"must be a {kind}")
    if content.get("kind") != kind or content.get("apiVersion") not in api_versions:
        found = f'kind "{content.get("kind")}" of "{content.get("apiVersion")}"'
        raise ConfigFileError(
            path, f"{found} is not supported: {kind} of {' or '.join(api_versions)} is expected"
        )
    return content


def reject_unknown(path: Path, where: str, body: dict[str, Any], known: tuple[str, ...]) -> None:
    """A field that nobody reads must not be accepted in silence."""
    for name in body:
        if name not in known:
            raise ConfigFileError(path, f'{where}: unknown field "{name}"')
