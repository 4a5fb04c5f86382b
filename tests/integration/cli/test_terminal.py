"""At a real terminal: Ctrl-C ends as kubectl ends and leaves the terminal as it was, `edit`, and what only a terminal sees."""

import asyncio
import json
import os
import pty
import re
import socket
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from e2e_support import KUBECTLS, OURS, leftovers
from pinnace.api import resources as r
from pinnace.apimachinery.errors import NotFound
from pinnace.cluster.state import RunState
from pinnace.testing.api_server import ApiServerInProcess

pytestmark = pytest.mark.slow
VERSIONS = [version for version in (OURS, "1.33") if version == OURS or version in KUBECTLS]
PROGRAMS = {
    OURS: [sys.executable, "-m", "pinnace"],
    **{version: [path] for version, path in KUBECTLS.items()},
}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        },
    },
}
ERASED = "\r\x1b[K"
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "said"},
    "involvedObject": {"kind": "ConfigMap", "name": "one", "namespace": "default", "apiVersion": "v1"},
    "reason": "Something",
    "message": "happened",
    "type": "Normal",
}


class Terminal:
    """One command at a terminal of its own."""

    def __init__(self, environment: dict[str, str], program: list[str], *arguments: str) -> None:
        command, *words = [*program, *arguments]
        self.process = pexpect.spawn(
            command, words, env=environment, timeout=60, encoding="utf-8", dimensions=(30, 120)
        )

    async def until(self, text: str) -> str:
        """What was shown before `text`."""
        await asyncio.to_thread(self.process.expect_exact, text)
        return str(self.process.before)

    def press(self, key: str) -> None:
        self.process.sendcontrol(key)

    async def end(self) -> tuple[str, int]:
        """(the rest of what it shows, its exit code, less than 0 for a signal); the terminal must be as it was."""
        rest = await asyncio.to_thread(self.process.read)
        after = termios.tcgetattr(self.process.child_fd)
        await asyncio.to_thread(self.process.close)
        assert after == untouched()
        signalled = self.process.signalstatus
        return rest, -signalled if signalled else self.process.exitstatus or 0


def untouched() -> list[Any]:
    """The modes of a terminal that nobody has changed."""
    ends = pty.openpty()
    modes = termios.tcgetattr(ends[0])
    for end in ends:
        os.close(end)
    return modes


Typed = Callable[..., Terminal]


@pytest.fixture
def typed(api_server: ApiServerInProcess, tmp_path: Path) -> Typed:
    environment = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "HOME": str(tmp_path), "TERM": "xterm",
                   "PYTHONPATH": ":".join(sys.path)}  # fmt: skip
    environment.pop("NO_COLOR", None)

    def start(*arguments: str, version: str = OURS, **more: str) -> Terminal:
        return Terminal({**environment, **more}, PROGRAMS[version], *arguments)

    return start


async def create(api_server: ApiServerInProcess, *objects: dict[str, Any]) -> None:
    rows = {"ConfigMap": r.CONFIG_MAPS, "Deployment": r.DEPLOYMENTS, "Event": r.EVENTS}
    for obj in objects:
        await api_server.local_client().create(rows[obj["kind"]], obj, "default")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("arguments", "shown", "code"),
    [
        (["get", "cm", "-w"], "one", 1),
        (["get", "cm", "-w", "-o", "name"], "configmap/one", 1),
        (["events", "--watch"], "Something", 1),
        (["rollout", "status", "deploy/web"], "Waiting for deployment", 1),
        (["proxy", "--port=0"], "Starting to serve", -2),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
async def test_ctrl_c_ends_as_kubectl_ends(
    typed: Typed, api_server: ApiServerInProcess, arguments: list[str], shown: str, code: int, version: str
) -> None:
    await create(api_server, CONFIG_MAP, DEPLOYMENT, EVENT)
    terminal = typed(*arguments, version=version)
    await terminal.until(shown)
    await terminal.until("\n")
    if (
        arguments[0] == "get"
    ):  # kubectl's handler is there when it watches, not yet when it has shown the list
        await create(api_server, {**CONFIG_MAP, "metadata": {"name": "later"}})
        await terminal.until("later")
    terminal.press("c")
    rest, ended = await terminal.end()
    assert (ended, "Traceback" in rest) == (code, False)


@pytest.mark.parametrize(
    ("wish", "code"), [("jsonpath={.data.a}=2", 1), ("condition=Ready", 1), ("delete", 1), ("create", -2)]
)
async def test_ctrl_c_while_waiting_ends_as_kubectl_ends(
    typed: Typed, api_server: ApiServerInProcess, wish: str, code: int
) -> None:
    """What it waits for stands there as long as it waits (kubectl shows nothing), and is gone afterwards."""
    await create(api_server, CONFIG_MAP)
    name = "none" if wish == "create" else "one"
    terminal = typed("wait", f"cm/{name}", f"--for={wish}")
    await terminal.until(f"waiting for configmap/{name}")
    terminal.press("c")
    rest, ended = await terminal.end()
    assert (ended, "Traceback" in rest) == (code, False)
    assert rest.endswith(ERASED)


async def test_what_is_waited_for_is_shown_at_a_terminal_only_and_erased(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    terminal = typed("wait", "cm/one", "--for=jsonpath={.data.a}=2")
    await terminal.until("waiting for configmap/one")
    await api_server.local_client().patch(r.CONFIG_MAPS, "one", {"data": {"a": "2"}}, "default")
    rest, code = await terminal.end()
    assert code == 0
    assert rest.endswith(f"{ERASED}configmap/one condition met\r\n")
    await api_server.local_client().patch(r.CONFIG_MAPS, "one", {"data": {"a": "1"}}, "default")
    waiting = ["wait", "cm/one", "--for=jsonpath={.data.a}=2", "--timeout=1s"]
    error = "error: timed out waiting for the condition on configmaps/one"
    assert await typed(*waiting, TERM="dumb").end() == (f"{error}\r\n", 1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pinnace", *waiting, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert (await process.communicate())[1].decode() == f"{error}\n"


async def test_ctrl_c_while_an_object_goes_leaves_it_going(
    typed: Typed, api_server: ApiServerInProcess
) -> None:
    held = {**CONFIG_MAP, "metadata": {"name": "held", "finalizers": ["example.org/held"]}}
    await create(api_server, held)
    terminal = typed("delete", "cm", "held")
    await terminal.until('configmap "held" deleted')
    terminal.press("c")
    assert (await terminal.end())[1] == 1
    found = await api_server.local_client().get(r.CONFIG_MAPS, "held", "default")
    assert "deletionTimestamp" in found["metadata"]


def editor(folder: Path, *scripts: str) -> str:
    """The command of an editor that runs the first script on the file the first time, the second the second time, and keeps what it was given."""
    for number, script in enumerate(scripts):
        (folder / f"script-{number}").write_text(script)
    program = folder / "editor"
    program.write_text(
        f"""#!/bin/sh
n=$(cat {folder}/count 2>/dev/null || echo 0)
echo $((n + 1)) > {folder}/count
cp "$1" {folder}/seen-$n
. {folder}/script-$n
"""
    )
    program.chmod(0o755)
    return str(program)


CHANGE = 'sed -i "s/a: .1./a: \\"2\\"/" "$1"'
BREAK = 'sed -i "s/a: .1./a: [/" "$1"'
MEND = 'sed -i "s/a: \\[/a: \\"3\\"/" "$1"'


async def value(api_server: ApiServerInProcess) -> str:
    found = await api_server.local_client().get(r.CONFIG_MAPS, "one", "default")
    return str(found["data"]["a"])


async def test_edit_sends_what_was_changed(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    terminal = typed("edit", "cm", "one", EDITOR=editor(tmp_path, CHANGE))
    rest, code = await terminal.end()
    assert (rest, code) == ("configmap/one edited\r\n", 0)
    assert await value(api_server) == "2"


async def test_edit_without_a_change_says_so(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    terminal = typed("edit", "cm", "one", EDITOR=editor(tmp_path, "true"))
    assert await terminal.end() == ("Edit cancelled, no changes made.\r\n", 0)


async def test_edit_opens_what_is_no_yaml_again_and_says_why(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    terminal = typed("edit", "cm", "one", EDITOR=editor(tmp_path, BREAK, MEND))
    rest, code = await terminal.end()
    assert (rest, code) == ('error: configmaps "one" is invalid\r\nconfigmap/one edited\r\n', 0)
    assert await value(api_server) == "3"
    again = (tmp_path / "seen-1").read_text()
    assert "a: [" in again
    head = [line for line in again.splitlines() if line.startswith("#")]
    assert head[0].startswith("# Please edit the object below.")
    assert head[4:6] == [
        '# configmaps "one" was not valid:',
        head[5],
    ]
    assert head[5].startswith('# * <nil>: Invalid value: "The edited file failed validation": yaml: line ')


async def test_edit_opens_what_the_server_refuses_again_and_keeps_the_text(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    """Saved twice without a change in between, it is given up, and the text is not lost."""
    await create(api_server, CONFIG_MAP)
    terminal = typed(
        "edit",
        "cm",
        "one",
        EDITOR=editor(tmp_path, 'sed -i "s/^  a:/  b c:/" "$1"', "true"),
        TMPDIR=str(tmp_path),
    )
    rest, code = await terminal.end()
    first, second, third = rest.splitlines()
    assert (first, code) == ('error: configmaps "one" is invalid', 1)
    assert third == "error: Edit cancelled, no valid changes were saved."
    kept = second.removeprefix('A copy of your changes has been stored to "').removesuffix('"')
    assert "b c:" in Path(kept).read_text()
    assert "\n# * data[b c]: Invalid value:" in (tmp_path / "seen-1").read_text()


async def test_edit_refuses_another_name(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    renamed = editor(tmp_path, 'sed -i "s/name: one/name: two/" "$1"')
    rest, code = await typed("edit", "cm", "one", EDITOR=renamed, TMPDIR=str(tmp_path)).end()
    assert rest.splitlines()[1:] == ["error: At least one of apiVersion, kind and name was changed"]
    assert code == 1


async def test_edit_keeps_what_others_changed_meanwhile(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    """The difference is sent, not the object; with another resource version in it, the server says that it conflicts."""
    await create(api_server, CONFIG_MAP)
    waiting = editor(
        tmp_path, f"touch {tmp_path}/open; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; {CHANGE}"
    )
    terminal = typed("edit", "cm", "one", EDITOR=waiting)
    while not (tmp_path / "open").exists():
        await asyncio.sleep(0.01)
    body = {"data": {"other": "x"}}
    await api_server.local_client().patch(r.CONFIG_MAPS, "one", body, "default")
    (tmp_path / "go").touch()
    assert await terminal.end() == ("configmap/one edited\r\n", 0)
    found = await api_server.local_client().get(r.CONFIG_MAPS, "one", "default")
    assert found["data"] == {"a": "2", "other": "x"}
    (tmp_path / "count").unlink()
    stale = editor(
        tmp_path,
        """sed -i 's/resourceVersion: .*/resourceVersion: "1"/' "$1"; """ + MEND.replace("\\[", ".2."),
    )
    rest, code = await typed("edit", "cm", "one", EDITOR=stale, TMPDIR=str(tmp_path)).end()
    assert (
        'error: configmaps "one" could not be patched: Operation cannot be fulfilled on configmaps "one"'
        in rest
    )
    assert "replace -f" in rest
    assert code == 1


async def test_what_is_to_be_created_can_be_edited_before(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    """Each object in a file of its own; of two, one is left as it was and therefore not created."""
    file = tmp_path / "objects.json"
    two = {**CONFIG_MAP, "metadata": {"name": "two"}}
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [CONFIG_MAP, two]}))
    terminal = typed("create", "--edit", "-f", str(file), EDITOR=editor(tmp_path, CHANGE, "true"))
    assert await terminal.end() == ("configmap/one created\r\nEdit cancelled, no changes made.\r\n", 0)
    assert await value(api_server) == "2"
    seen = (tmp_path / "seen-0").read_text()
    assert seen.startswith("# Please edit the object below.")
    assert seen.endswith("kind: ConfigMap\nmetadata:\n  name: one\n  namespace: default\n")


async def test_an_edited_object_is_opened_again_until_it_can_be_read_and_may_be_in_windows_lines(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    file = tmp_path / "object.json"
    file.write_text(json.dumps(CONFIG_MAP))
    scripts = editor(tmp_path, BREAK, MEND)
    terminal = typed("create", "--edit", "--windows-line-endings", "-f", str(file), EDITOR=scripts)
    assert await terminal.end() == ('error: configmaps "one" is invalid\r\nconfigmap/one created\r\n', 0)
    assert await value(api_server) == "3"
    again = (tmp_path / "seen-1").read_bytes()
    assert again.count(b"\r\n") == again.count(b"\n") > 5
    assert b'# * <nil>: Invalid value: "The edited file failed validation": yaml: line ' in again


async def test_what_the_server_refuses_to_create_is_kept(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    await create(api_server, CONFIG_MAP)
    file = tmp_path / "object.json"
    file.write_text(json.dumps(CONFIG_MAP))
    terminal = typed(
        "create",
        "--edit",
        "-ojson",
        "-f",
        str(file),
        EDITOR=editor(tmp_path, 'sed -i "s/: .1./: \\"7\\"/" "$1"'),
        TMPDIR=str(tmp_path),
    )
    first, second = (rest := await terminal.end())[0].splitlines()
    assert rest[1] == 1
    assert second == 'Error from server (AlreadyExists): configmaps "one" already exists'
    kept = first.removeprefix('A copy of your changes has been stored to "').removesuffix('"')
    assert json.loads(Path(kept).read_text())["data"] == {"a": "7"}
    assert json.loads((tmp_path / "seen-0").read_text())["data"] == {"a": "1"}


async def test_a_dry_run_of_an_edited_object_creates_nothing(
    typed: Typed, api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    """Here upstream forgets the flag and creates."""
    file = tmp_path / "object.json"
    file.write_text(json.dumps(CONFIG_MAP))
    terminal = typed("create", "--edit", "--dry-run=client", "-f", str(file), EDITOR=editor(tmp_path, CHANGE))
    assert await terminal.end() == ("configmap/one created (dry run)\r\n", 0)
    with pytest.raises(NotFound):
        await value(api_server)


def _ageless(table: str) -> list[str]:
    return [word for word in table.split() if not re.fullmatch(r"\d+s", word)]


async def test_states_have_colours_at_a_terminal_only(typed: Typed, api_server: ApiServerInProcess) -> None:
    node: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    await api_server.local_client().create(r.NODES, node)
    coloured, _ = await typed("get", "nodes").end()
    assert "\x1b[1mSTATUS\x1b[0m" in coloured
    assert "\x1b[32mReady\x1b[0m" in coloured
    plain, _ = await typed("get", "nodes", NO_COLOR="1").end()
    assert "\x1b" not in plain
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pinnace", "get", "nodes", stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "PYTHONPATH": ":".join(sys.path), "TERM": "xterm"},
    )  # fmt: skip
    piped, _ = await process.communicate()
    assert _ageless(piped.decode()) == _ageless(plain)
    assert b"\x1b" not in piped


async def test_a_type_of_nearly_that_name_is_offered_at_a_terminal_only(
    typed: Typed, api_server: ApiServerInProcess
) -> None:
    rest, code = await typed("get", "deploymets").end()
    assert (rest, code) == (
        'error: the server doesn\'t have a resource type "deploymets"\r\n\r\nDid you mean this?\r\n\tdeployments\r\n',
        1,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pinnace", "get", "deploymets", stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    _, err = await process.communicate()
    assert err == b'error: the server doesn\'t have a resource type "deploymets"\n'


async def test_an_interrupted_up_leaves_no_process_and_no_lock(typed: Typed, tmp_path: Path) -> None:
    """While it waits for a store that takes connections and never answers."""
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = f"--etcd-servers=http://127.0.0.1:{silent.getsockname()[1]}"
        terminal = typed(
            "up", "--name=cut", f"--data-dir={data}", f"--kubeconfig={tmp_path}/config", "--nodes=none", "--port=0", "--store=etcd", store,
        )  # fmt: skip
        await terminal.until("certificates")
        terminal.press("c")
        rest, code = await terminal.end()
    assert "Traceback" not in rest
    assert "interrupted: the server is being stopped\r\n" in rest
    assert f"`pinnace down --name cut --data-dir {data}` ends what it had started\r\n" in rest
    assert code == 130
    assert not RunState(data).is_running()
    assert [one for one in leftovers("cut", data) if one.startswith("process")] == []
