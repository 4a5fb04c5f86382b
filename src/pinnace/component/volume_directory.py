"""The directory of a local volume, made and taken away by whoever is on its machine: the provisioner, or an agent's kubelet."""

import shutil
from pathlib import Path


def make(directory: Path) -> None:
    """Containers write to it as any user."""
    directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)


def remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
