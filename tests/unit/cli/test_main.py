"""The entrance: dispatch, help, unknown commands; and that it starts without what it does not need."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pinnace.cli.main import COMMANDS, main, program_name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"pinnace {name}" in capsys.readouterr().out


def test_the_name_it_is_called_by() -> None:
    assert program_name("/usr/local/bin/kubectl") == "kubectl"
    assert program_name("/x/pinnace/__main__.py") == "pinnace"


# Each of these takes from 2 to 200 ms to import, which every call would pay.
HEAVY = (
    "aiohttp", "argparse", "asyncio", "concurrent.futures", "cryptography", "ctypes", "dataclasses", "datetime", "email", "encodings.idna",
    "grpc", "http", "importlib.metadata", "inspect", "logging", "numpy", "orjson", "pathlib", "pinnace.api", "pinnace.apimachinery",
    "pinnace.component", "random", "shutil", "subprocess", "tempfile", "threading", "typing_extensions", "urllib", "uvloop", "yaml",
    "zoneinfo",
)  # fmt: skip
ONLY_WITH_A_SERVER = (
    "json",
    "socket",
    "ssl",
    "pinnace.cli.mapper",
    "pinnace.cli.transport",
    "pinnace.client",
    "pinnace.net",
)
# What the interpreter's own start brings along (an editable installation uses pathlib, for one) is not counted.
PROBE = """
import sys
before = set(sys.modules)
from pinnace.cli.main import main
code = main(sys.argv[1:])
print(code, *sorted(set(sys.modules) - before))
"""


def imported_by(*arguments: str, kubeconfig: str = "/nonexistent") -> set[str]:
    """The modules that a successful call has imported."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE, *arguments], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path), "KUBECONFIG": kubeconfig},
    )  # fmt: skip
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0", done
    return set(modules)


def below(names: "tuple[str, ...]", modules: set[str]) -> list[str]:
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{heavy}.") for heavy in names))


def test_version_imports_nothing_that_takes_long() -> None:
    modules = imported_by("version", "--client")
    assert "pinnace.cli.commands.version" in modules
    assert below((*HEAVY, *ONLY_WITH_A_SERVER), modules) == []


TABLE = {
    "kind": "Table",
    "columnDefinitions": [{"name": "Name"}],
    "rows": [{"cells": ["node-1"], "object": {"metadata": {"name": "node-1"}}}],
}
NODES = ["", "v1", "nodes", "Node", False, "node", ["no"], ["get", "list"], []]


KUBECONFIG = """apiVersion: v1
kind: Config
clusters:
- name: one
  cluster:
    server: http://{place}
users:
- name: one
  user: {{}}
contexts:
- name: one
  context:
    cluster: one
    user: one
current-context: one
"""


def test_get_nodes_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    """Against a server that only knows how to answer this, with discovery in the cache as after any call before."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            body = json.dumps(TABLE).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            host, port = server.server_address[:2]
            place = f"{host if isinstance(host, str) else host.decode()}:{port}"
            cache = tmp_path / "pinnace" / f"{place.replace(':', '_')}.json"
            cache.parent.mkdir()
            cache.write_text(json.dumps([NODES]))
            config = tmp_path / "config"
            config.write_text(KUBECONFIG.format(place=place))
            modules = imported_by("get", "nodes", f"--cache-dir={tmp_path}", kubeconfig=str(config))
        finally:
            server.shutdown()
            thread.join()
    assert requests == ["/api/v1/nodes?limit=500"]
    assert "pinnace.cli.transport" in modules
    assert below(HEAVY, modules) == []


def test_no_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert main(["get", "pods", "-s", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    )
