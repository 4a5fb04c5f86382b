"""Both command lines, on one server."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from beside_kubectl import MANIFEST, NODE, Program
from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess
from side_by_side import in_process


def newest_kubectl() -> str | None:
    """The newest that lies beside the one on the PATH, which may be a script that chooses by the server's version."""
    found = shutil.which("kubectl")
    if found is None:
        return None
    versions = [
        path for path in Path(found).resolve().parent.glob("kubectl.1.*") if path.suffix[1:].isdigit()
    ]
    return str(max(versions, key=lambda path: int(path.suffix[1:]), default=found))


@pytest_asyncio.fixture
async def programs(api_server: ApiServerInProcess, tmp_path: Path) -> tuple[Program, Program]:
    """(kubectl, pinnace)."""
    return await side_by_side(api_server, tmp_path, shutil.which("kubectl"))


@pytest_asyncio.fixture
async def newest_programs(api_server: ApiServerInProcess, tmp_path: Path) -> tuple[Program, Program]:
    return await side_by_side(api_server, tmp_path, newest_kubectl())


async def side_by_side(
    api_server: ApiServerInProcess, tmp_path: Path, kubectl: str | None
) -> tuple[Program, Program]:
    if kubectl is None:
        pytest.skip("no kubectl on this machine")
    environment = {
        **os.environ,
        "KUBECONFIG": str(api_server.kubeconfig()),
        "HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
    }
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    client = api_server.local_client()
    for namespace in ("default", "a", "b"):
        if namespace != "default":
            await client.create(
                r.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            )
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        await client.create(r.SERVICE_ACCOUNTS, account, namespace)
    await client.create(r.NODES, NODE)

    def program(*command: str) -> Program:
        async def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
            process = await asyncio.create_subprocess_exec(
                *command, *arguments, env=environment, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await process.communicate(stdin.encode())
            return process.returncode or 0, out.decode(), err.decode()

        return run

    main = "import sys; from pinnace.cli.main import main; sys.exit(main(sys.argv[1:], 'kubectl'))"
    own_process = program(sys.executable, "-c", main)

    async def ours(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        if "diff" in arguments:  # the program `diff` writes to its output
            return await own_process(*arguments, stdin=stdin)
        return await in_process(arguments, environment, stdin)

    return program(kubectl), ours
