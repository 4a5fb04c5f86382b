"""The official JavaScript client, from npm, unmodified."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e_support import IMAGE, Space

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
SCRIPT = Path(__file__).resolve().parents[1] / "clients" / "everything.mjs"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm has installed `@kubernetes/client-node`: of version 1.3 for a node that is too old for version 2."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    package = f"@kubernetes/client-node@{'2' if int(node[1:].split('.')[0]) >= 22 else '1.3'}"
    folder = tmp_path_factory.mktemp("javascript")
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        pytest.skip(f"npm cannot install the client: {done.stderr.strip()[-200:]}")
    return folder


def test_lists_creates_watches_and_executes(space: Space, modules: Path) -> None:
    done = subprocess.run(
        ["node", str(SCRIPT), str(modules), space.name, IMAGE],
        env={**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["nodes"] == 1
    assert (found["created"], found["patched"], found["conflict"]) == ("1", "2", 409)
    assert found["events"] == [["ADDED", "1"], ["MODIFIED", "2"], ["DELETED", "2"]]
    assert (found["phase"], found["output"], found["log"]) == ("Running", "hello\n", "from the log\n")
    assert found["status"]["reason"] == "NonZeroExitCode"
    assert found["status"]["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
