"""A YAML file that a flag names: every way in which it cannot be used is told with that flag."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pinnace.cluster.errors import UsageError

T = TypeVar("T")


def load(flag: str, path: str, read: Callable[[Any], T]) -> T:
    """`read` gets the content and raises ValueError; raises UsageError."""
    import yaml  # only where a file is given: it costs start-up time

    try:
        return read(yaml.safe_load(Path(path).read_text()))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    except (yaml.YAMLError, ValueError) as error:
        why = str(error)
    raise UsageError(f"{flag} {path}: {why}")
