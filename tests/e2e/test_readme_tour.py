"""The README's tour, typed as it is written."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from e2e_support import KUBECTLS, TestCluster, pinnace

README = Path(__file__).resolve().parents[2] / "README.md"


def tour() -> list[str]:
    """The commands between the marks, in order."""
    text = README.read_text()
    part = text.partition("<!-- tour: begin -->")[2].partition("<!-- tour: end -->")[0]
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.mark.skipif(not KUBECTLS, reason="kubectl is not installed")
def test_every_command_of_the_tour_succeeds(cluster: TestCluster) -> None:
    pinnace("demo", *cluster.arguments())
    commands = tour()
    assert len(commands) > 25
    text = "\n".join(commands).replace("http://127.0.0.1/", f"http://127.0.0.1:{cluster.http_port()}/")
    script = f"set -euo pipefail\nset -x\n{text}\n"
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    try:
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment, timeout=400
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Hello from Pinnace" in done.stdout
        assert "\nkept\n" in done.stdout
    finally:
        cluster.kubectl("delete", "sts/db", "pvc/data-db-0", "cronjob/tick", "hpa/demo", check=False)
        cluster.kubectl("delete", "job", "hello", check=False)
        cluster.kubectl("delete", "deploy,svc,ingress", "demo", check=False)
        cluster.kubectl("uncordon", "--all", check=False)
