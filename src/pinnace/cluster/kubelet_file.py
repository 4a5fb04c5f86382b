"""The file of `--kubelet-config`."""

from pathlib import Path
from typing import Any

from pinnace.cluster.errors import UsageError


def load(path: str) -> dict[str, Any]:
    """Values for KubeletConfig; raises UsageError."""
    import yaml  # only where a file is given: it costs start-up time

    from pinnace.kubelet.configuration import ConfigurationError, read

    try:
        return read(yaml.safe_load(Path(path).read_text()))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    except (yaml.YAMLError, UnicodeDecodeError, ConfigurationError) as error:
        why = str(error)
    raise UsageError(f"--kubelet-config {path}: {why}")
