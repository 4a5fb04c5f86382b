"""The README's tour, typed as it is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from e2e_support import SOURCE, TestCluster, pinnace

README = Path(__file__).resolve().parents[2] / "README.md"


def tour() -> list[str]:
    """The commands between the marks, in order."""
    text = README.read_text()
    part = text.partition("<!-- tour: begin -->")[2].partition("<!-- tour: end -->")[0]
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


OURS = 'kubectl() { "$PYTHON" -m pinnace "$@"; }'
THEIRS = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


@pytest.mark.parametrize("program", [OURS, pytest.param("", marks=THEIRS)], ids=["pinnace", "kubectl"])
def test_every_command_of_the_tour_succeeds(cluster: TestCluster, program: str) -> None:
    pinnace("demo", *cluster.arguments())
    commands = tour()
    assert len(commands) > 25
    text = "\n".join(commands).replace("http://127.0.0.1/", f"http://127.0.0.1:{cluster.http_port()}/")
    script = f"set -euo pipefail\n{program}\nset -x\n{text}\n"
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(SOURCE),
    }
    try:
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment, timeout=400
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Hello from Pinnace" in done.stdout
        assert "\nkept\n" in done.stdout
    finally:
        cluster.kubectl("delete", "sts/db", "pvc/data-db-0", "cronjob/tick", "hpa/demo", check=False)
        cluster.kubectl("delete", "job/hello", "job/now", "cm/settings", "secret/password", check=False)
        cluster.kubectl("delete", "deploy,svc,ingress", "demo", check=False)
        cluster.kubectl("uncordon", "--all", check=False)
