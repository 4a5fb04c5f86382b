"""Credential plugins of a kubeconfig's `exec` section: run the program, read the token of its ExecCredential."""

import json
import os
import subprocess
from typing import Any

from pinnace.cli.errors import PlainError


def token_of(plugin: dict[str, Any]) -> str:
    environment = {**os.environ, **{pair["name"]: pair["value"] for pair in plugin.get("env") or ()}}
    request = {
        "kind": "ExecCredential",
        "apiVersion": plugin.get("apiVersion"),
        "spec": {"interactive": False},
    }
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(request)
    command = [plugin["command"], *(plugin.get("args") or ())]
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        raise PlainError(
            f"Unable to connect to the server: getting credentials: exec: executable {command[0]} not found\n\n"
            f"{plugin.get('installHint', '')}".rstrip()
        ) from None
    except subprocess.CalledProcessError as error:
        raise PlainError(
            f"Unable to connect to the server: getting credentials: exec: executable {command[0]} failed with "
            f"exit code {error.returncode}"
        ) from None
    token: str = (json.loads(done.stdout).get("status") or {}).get("token", "")
    return token
