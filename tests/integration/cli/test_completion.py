"""Completion: what `__complete` answers beside kubectl, and what shells make of it, with names from the live cluster."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess

pytestmark = pytest.mark.slow
Run = Callable[..., Awaitable[tuple[str, str]]]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "own-pod"},
    "spec": {
        "initContainers": [{"name": "setup", "image": "x"}],
        "containers": [{"name": "main", "image": "x"}, {"name": "side", "image": "x"}],
    },
}


@pytest_asyncio.fixture
async def run(api_server: ApiServerInProcess, tmp_path: Path) -> AsyncGenerator[Run, None]:
    """A program on a machine where `pinnace` is on the PATH: (standard output, standard error)."""
    client = api_server.local_client()
    for name in ("own-one", "own-two", "other"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        await client.create(r.CONFIG_MAPS, body, "default")
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, account, "default")
    await client.create(r.PODS, POD, "default")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "pinnace"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pinnace "$@"\n')
    program.chmod(0o755)
    (tmp_path / "manifest.yaml").touch()
    (tmp_path / "notes.txt").touch()
    environment = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "HOME": str(tmp_path), "TERM": "dumb",
                   "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path)}  # fmt: skip

    async def call(*command: str) -> tuple[str, str]:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )  # fmt: skip
        out, err = await process.communicate()
        return out.decode(), err.decode()

    yield call


BASH = """
source <(pinnace completion bash)
complete_line() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _pinnace_complete
    echo "${COMPREPLY[*]}"
}
complete_typed() {
    COMP_LINE="$1"; COMP_POINT=${#1}
    _pinnace_complete
    echo "${COMPREPLY[*]}"
    COMP_LINE=""
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
complete_line pinnace apply -f ""
complete_line pinnace logs own-pod -c ""
complete_typed "pinnace get pods --output=ky"
complete_typed "pinnace -n default get cm own-t"
"""
BASH_WANTED = """explain
history pause restart resume status undo
configmaps
own-one own-two
cm/own-one cm/own-two
kyaml
--show-labels
kube-system
pinnace-test

bin/ manifest.yaml
setup main side
kyaml
own-two
"""


async def test_bash_completes_commands_flags_types_and_names(run: Run) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine: apt-get install bash")
    out, err = await run("bash", "-c", BASH)
    lines = [_without_hidden(line) for line in out.splitlines()]
    assert (lines, err) == (BASH_WANTED.splitlines(), "")


def _without_hidden(line: str) -> str:
    """Files in the order of their names, without those that programs keep in a home."""
    if "manifest.yaml" not in line:
        return line
    return " ".join(sorted(word for word in line.split() if word in ("bin/", "manifest.yaml", "notes.txt")))


# zsh completes in its line editor only: here a line is completed as if Tab had been pressed, and `compadd` says what it was given.
ZSH = """
autoload -Uz compinit && compinit -u -D
source <(pinnace completion zsh)
compadd() {
    local -a given
    given=("$@")
    print -r -- "${(P)given[-1]}"
}
_files() { print -r -- "files $*" }
complete_line() { words=("$@"); CURRENT=$#; PREFIX="${@[-1]}"; _pinnace }
complete_line pinnace explai
complete_line pinnace rollout ""
complete_line pinnace get cm own-
complete_line pinnace get cm/own-
complete_line pinnace logs own-pod -c ""
complete_line pinnace apply -f ""
complete_line pinnace nope ""
"""
ZSH_WANTED = """explain
history pause restart resume status undo
own-one own-two
cm/own-one cm/own-two
setup main side
files -g *.(json|yaml|yml)
files 
"""  # noqa: W291


async def test_zsh_completes_with_the_same_answers(run: Run) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh on this machine: apt-get install zsh")
    assert await run("zsh", "-f", "-c", ZSH) == (ZSH_WANTED, "")


FISH = """
pinnace completion fish | source
for line in "pinnace rollout " "pinnace get cm own-" "pinnace get cm/own-" "pinnace logs own-pod -c " "pinnace get cm -o=ky" "pinnace get cm --output=ky" "pinnace apply -f " "pinnace nope man"
    complete -C $line | string replace -r '\\t.*' '' | string join ' '
end
"""
FISH_WANTED = [
    "history pause restart resume status undo",
    "own-one own-two",
    "cm/own-one cm/own-two",
    "main setup side",
    "-o=kyaml",
    "--output=kyaml",
    "bin/ manifest.yaml",
    "manifest.yaml",
]


async def test_fish_completes_with_the_same_answers(run: Run) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish on this machine: apt-get install fish")
    out, err = await run("fish", "--no-config", "-c", FISH)
    assert ([_without_hidden(line) for line in out.splitlines()], err) == (FISH_WANTED, "")


async def test_the_powershell_script_asks_and_obeys_the_directives(run: Run) -> None:
    """By its text only: PowerShell is no package of Debian."""
    script, _ = await run("pinnace", "completion", "powershell")
    assert "Register-ArgumentCompleter -Native -CommandName 'pinnace'" in script
    assert "pinnace __complete @words" in script
    assert "$directive -band 2" in script


async def test_candidates_say_what_they_mean(run: Run) -> None:
    out, err = await run("pinnace", "__complete", "rollout", "")
    words = dict(line.split("\t") for line in out.splitlines() if "\t" in line)
    assert set(words) == {"history", "pause", "restart", "resume", "status", "undo"}
    assert all(words.values())
    assert out.endswith("\n:4\n")
    assert err == "Completion ended with directive: ShellCompDirectiveNoFileComp\n"


def plugin(folder: Path, name: str, script: str = "true") -> None:
    file = folder / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


async def test_plugins_are_offered_and_offer_what_their_own_program_says(run: Run, tmp_path: Path) -> None:
    """`kubectl_complete-NAME` is asked with what stands behind the plugin's name."""
    plugin(tmp_path, "kubectl-own_ship")
    plugin(tmp_path, "kubectl-own_ship-sail")
    plugin(tmp_path, "kubectl_complete-own_ship", 'printf "one\\tfirst\\n"; echo "asked $#: $*"; echo ":6"')
    plugin(tmp_path, "kubectl_complete-own_ship-sail", "echo never; exit 3")
    meaning = "is a plugin installed by the user"

    async def asked(*words: str) -> list[str]:
        return (await run("pinnace", "__complete", *words))[0].splitlines()

    assert await asked("own") == [f"own-ship\tThe command own-ship {meaning}", ":4"]
    sail = f"sail\tThe command sail {meaning}"
    assert await asked("own-ship", "") == [sail, "one\tfirst", "asked 1:", ":6"]
    assert await asked("own-ship", "x", "--deep", "y") == ["one\tfirst", "asked 3: x --deep y", ":6"]
    assert await asked("own-ship", "-n", "") == ["one\tfirst", "asked 2: -n", ":6"]
    assert await asked("own-ship", "sail", "") == [":0"]
    assert await asked("nothing-such", "") == [":0"]


async def test_nothing_is_offered_where_the_cluster_does_not_answer(run: Run) -> None:
    server = "--server=http://127.0.0.1:1"
    assert (await run("pinnace", "__complete", server, "get", "cm", ""))[0] == ":4\n"
    assert (await run("pinnace", "__complete", server, "--context=nowhere", "logs", ""))[0] == ":4\n"


LINES = """
get po
get pods -n kube
get pods,no
get cm own-
get cm own-one own-
get cm/
get cm/own-one cm/o
get cm/own-one con
get nosuch ''
get -o=js
get -l ''
get --namespace=kube
get pods --subresource ''
-n kube
--context ''
--cluster ''
logs own
logs own-pod ''
exec own-pod -c ''
exec own-pod -- ls ''
config use-context ''
rollout ''
rollout status ''
rollout status deployment/
apply -f ''
set image ''
set image deploy
label cm own-one ''
cordon ''
taint ''
cp ''
cp kube
expose ''
expose pod own
top ''
completion ''
scale ''
scale --replicas 1 deployment/
run ''
run --image=x y ''
"""


@pytest.mark.full
async def test_answers_are_kubectls(run: Run) -> None:
    """At a shell's side, beside whichever kubectl is there; answers that were kept are `completion.cases` of `side_by_side`."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    different = []
    for line in LINES.split("\n")[1:-1]:
        words = ["" if word == "''" else word for word in line.split(" ")]
        theirs = await run("kubectl", "__completeNoDesc", *words)
        ours = await run("pinnace", "__completeNoDesc", *words)
        if (
            sorted(theirs[0].splitlines()) != sorted(ours[0].splitlines()) or theirs[1] != ours[1]
        ):  # some are in Go's order of a map
            different.append(f"{line}\n  kubectl {json.dumps(theirs)}\n  pinnace {json.dumps(ours)}")
    assert not different, "\n".join(different)
