"""Completion as bash does it, with names from the live cluster."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess

pytestmark = pytest.mark.slow
ASK = """
source <(pinnace completion bash)
complete_line() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _pinnace_complete
    echo "${COMPREPLY[*]}"
}
complete_line pinnace explai
complete_line pinnace rollout ""
complete_line pinnace get configm
complete_line pinnace get cm own-
complete_line pinnace get cm/own-
complete_line pinnace get pods --output k
complete_line pinnace get pods --show-l
complete_line pinnace get cm -n kube-s
complete_line pinnace config use-context ""
complete_line pinnace nope ""
"""
WANTED = """explain
history pause restart resume status undo
configmaps
own-one own-two
cm/own-one cm/own-two
kyaml
--show-labels
kube-system
pinnace-test

"""


async def test_bash_completes_commands_flags_types_and_names(
    api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    client = api_server.local_client()
    for name in ("own-one", "own-two", "other"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        await client.create(r.CONFIG_MAPS, body, "default")
    program = tmp_path / "pinnace"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pinnace "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "HOME": str(tmp_path),
                   "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path)}  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", ASK, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (out.decode(), err.decode()) == (WANTED, "")
