"""The cluster of the environment variable KUBECONFIG, with the interface of pytest-kind's `KindCluster`."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any


class KindCluster:
    def __init__(self, name: str, **_: Any) -> None:
        self.name = name
        self.kubeconfig_path = Path(os.environ["PINNACE_CLIENTS_KUBECONFIG"])
        self.kubectl_path = Path(str(shutil.which("kubectl")))

    def create(self) -> None:
        """It runs already."""

    def delete(self) -> None:
        """Whoever started it ends it."""

    def kubectl(self, *arguments: str) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig_path)}
        return subprocess.check_output([self.kubectl_path, *arguments], env=environment, encoding="utf-8")
