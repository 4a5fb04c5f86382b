"""Our command line beside kubectl's answers to the same command lines, to the byte.

`tests/side_by_side` holds `*.cases` (one command line per line), the objects that they find (`objects.yaml`), the files that
they name, and what kubectl answered (`golden/*.txt`), so that machines without kubectl compare as well. Every file of cases has an API
server of its own, whose clock stands still; its lines run in order. A line may begin with `NAME=value` for the environment and `~` (below),
and end with `< file` for standard input.

What may differ, and nothing else:
- uids, resource versions, address and port of the server, the directory of the test, times of the day of the run, ages in years,
  the name of a pod's volume with its token, the address of the name server, which version of itself a program tells;
- `~`: order of lines (kubectl walks a Go map, in an order that is another each time);
- `as_of_1_33` and `as_of_1_36`: what kubectl 1.34 to 1.36 say otherwise than 1.33, which gave the answers here, and we as they do;
- the words of help texts, and the lines that Go's log adds to an error;
- the lines of `differences.tsv`, each with its reason. A line that has become equal must leave it.

`python tests/side_by_side.py [NAME...]` asks kubectl anew and writes the golden files.
"""

import asyncio
import contextlib
import difflib
import io
import os
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from pinnace.cli.main import main
from pinnace.component.clock import RealClock

if TYPE_CHECKING:
    from pinnace.testing.api_server import ApiServerInProcess

HERE = Path(__file__).resolve().parent / "side_by_side"
GOLDEN = HERE / "golden"
VERSION = "1.33"  # of the kubectl whose answers are kept


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Case:
    line: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: str
    any_order: bool


class StillClock(RealClock):
    """Objects are born at the same moment whenever the test runs, so that ages in years are as wide as they were."""

    def now(self) -> datetime:
        return datetime(2001, 1, 1, tzinfo=UTC)


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.cases"))


def cases(name: str) -> list[Case]:
    lines = (HERE / f"{name}.cases").read_text().splitlines()
    return [_case(line) for line in lines if line and not line.startswith("#")]


def _case(line: str) -> Case:
    text = line.removeprefix("~ ")
    words = shlex.split(text)
    stdin = ""
    if len(words) > 1 and words[-2] == "<":
        stdin = (HERE / words[-1]).read_text()
        words = words[:-2]
    environment = {}
    while words and re.match(r"[A-Z]+=", words[0]):
        key, _, environment[key] = words.pop(0).partition("=")
    return Case(line, tuple(words), environment, stdin, line.startswith("~ "))


# --- the cluster


@contextlib.asynccontextmanager
async def cluster(directory: Path) -> Any:
    """(the server, the environment of the commands)."""
    from pinnace.testing.api_server import ApiServerInProcess

    async with ApiServerInProcess(directory / "pki", clock=StillClock()) as api:
        await fill(api)
        home = directory / "home"
        home.mkdir(exist_ok=True)
        yield (
            api,
            {"KUBECONFIG": str(api.kubeconfig()), "HOME": str(home), "PATH": "/usr/bin:/bin", "TZ": "UTC"},
        )


SERVERS = (
    "kubeconfig",
    "servers",
)  # the files of cases that talk to servers that are none: tests/bad_servers.py


@contextlib.asynccontextmanager
async def no_cluster(directory: Path) -> Any:
    """(name -> address, the environment): a context for each behaviour and certificate of `bad_servers`."""
    import bad_servers

    with bad_servers.running(directory / "pki") as addresses:
        home = directory / "home"
        home.mkdir(exist_ok=True)
        authority = str(directory / "pki" / "ca.crt")
        clusters = {name: {"server": f"{addresses['plain']}/{name}"} for name in bad_servers.BEHAVIOURS}
        for name, address in addresses.items():
            clusters[name] = {"server": f"{address}/get-pod", "certificate-authority": authority}
        other = str(directory / "pki" / "other-ca.crt")
        secure, plain = addresses["good"], addresses["plain"].removeprefix("http:")
        clusters["other-ca"] = {"server": f"{secure}/get-pod", "certificate-authority": other}
        clusters["no-ca"] = {"server": f"{secure}/get-pod"}
        clusters["insecure"] = {"server": f"{secure}/get-pod", "insecure-skip-tls-verify": True}
        clusters["named"] = {**clusters["good"], "tls-server-name": "elsewhere.example"}
        clusters["tls-to-plain"] = {"server": f"https:{plain}/get-pod", "certificate-authority": authority}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "get-pod",
            "clusters": [{"name": name, "cluster": cluster} for name, cluster in clusters.items()],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in clusters],
        }  # fmt: skip
        path = directory / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        yield addresses, {"KUBECONFIG": str(path), "HOME": str(home), "PATH": "/usr/bin:/bin", "TZ": "UTC"}


async def fill(api: "ApiServerInProcess") -> None:
    from pinnace.api import resources

    client = api.local_client()
    rows = {(row.gvr.group, row.gvr.version, row.kind): row for row in resources.TABLE}
    for body in yaml.safe_load_all((HERE / "objects.yaml").read_text()):
        group, _, version = body["apiVersion"].rpartition("/")
        row = rows[group, version, body["kind"]]
        namespace = body["metadata"].get("namespace", "default") if row.namespaced else ""
        status = body.get("status")
        await client.create(row.gvr, body, namespace)
        if status and any(sub.name == "status" for sub in row.subresources):
            await client.patch(
                row.gvr, body["metadata"]["name"], {"status": status}, namespace, subresource="status"
            )


# --- the two programs


def find_kubectl() -> str | None:
    """The kubectl of `VERSION`, if this machine has it; several may lie where the one of PATH is."""
    found = shutil.which("kubectl")
    candidate = Path(os.path.realpath(found)).parent / f"kubectl.{VERSION}" if found else None
    return str(candidate) if candidate and candidate.exists() else None


async def kubectl(program: str, case: Case, environment: Mapping[str, str]) -> Answer:
    process = await asyncio.create_subprocess_exec(
        program, *case.words, env={**environment, **case.environment}, cwd=HERE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(case.stdin.encode()), 60)
    except TimeoutError:
        process.kill()
        raise RuntimeError(f"kubectl did not end: {case.line}") from None
    return Answer(process.returncode or 0, out.decode(), err.decode())


async def ours(case: Case, environment: Mapping[str, str]) -> Answer:
    return await in_process(case.words, {**environment, **case.environment}, case.stdin, HERE)


async def in_process(
    words: Sequence[str], environment: Mapping[str, str], stdin: str = "", directory: Path | None = None
) -> Answer:
    """Our command in a thread of this process: no interpreter is started, and the server of the test answers meanwhile."""
    return await asyncio.to_thread(_in_process, words, environment, stdin, directory)


def _in_process(
    words: Sequence[str], environment: Mapping[str, str], stdin: str, directory: Path | None
) -> Answer:
    streams = io.BytesIO(stdin.encode()), io.BytesIO(), io.BytesIO()
    given, out, err = (io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in streams)
    before, was = dict(os.environ), Path.cwd()
    standard, sys.stdin = sys.stdin, given
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory or was)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(words), "kubectl")
    except Exception:
        code = 255
        err.write(traceback.format_exc())
    finally:
        sys.stdin = standard
        os.chdir(was)
        os.environ.clear()
        os.environ.update(before)
    return Answer(code, streams[1].getvalue().decode(), streams[2].getvalue().decode())


# --- what counts as the same

_STEADY = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r'("?resourceVersion"?: )"\d+"'), r'\1"N"'),
    (re.compile(r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"(?m)^[EWI]\d{4} \d\d:\d\d:\d\d.*\n"), ""),
    (re.compile(r"\bkube-api-access-[a-z0-9]{5}\b"), "kube-api-access-xxxxx"),
    (re.compile(r"\b(2[5-9]|3\d)y(?=\s|$|\()"), "25y"),
    (re.compile(r"(lookup \S+) on \S+:53"), r"\1"),
    (re.compile(r"(?m)^(Client|Kustomize) Version: v.*\n"), ""),
    (re.compile(r"tcp 127\.0\.0\.1:\d+->"), "tcp 127.0.0.1:44444->"),
)


def steady(text: str, servers: Mapping[str, str], directory: str) -> str:
    text = text.replace(directory, "DIR").replace(str(HERE), "HERE")
    for name, server in servers.items():
        address = server.partition("://")[2]
        text = text.replace(address, f"{name}-SERVER" if name else "SERVER")
        text = re.sub(rf"\b{address.rpartition(':')[2]}\b", "55555", text)
    text = text.replace(f"kubectl.{VERSION}", "kubectl")
    for pattern, instead in _STEADY:
        text = pattern.sub(instead, text)
    return text


def as_of_1_36(answer: Answer) -> Answer:
    """kubectl's answer as 1.34 and later give it: no `creationTimestamp: null`."""
    out = re.sub(r"(?m)^( *)metadata:\n +creationTimestamp: null\n(?!\1 )", r"\1metadata: {}\n", answer.out)
    return answer._replace(out=re.sub(r"(?m)^ +creationTimestamp: null\n", "", out))


def as_of_1_33(answer: Answer) -> Answer:
    """Our answer with what came after kubectl 1.33 taken back."""
    out = re.sub(r'(?m)^(\S+ ".*" (?:force )?deleted) from \S+ namespace', r"\1", answer.out)
    return Answer(
        answer.code,
        out,
        answer.err.replace("jsonpath-file,kyaml,name", "jsonpath-file,name").replace(
            "json,kyaml,yaml", "json,yaml"
        ),
    )


def without_help(answer: Answer) -> Answer:
    """Help texts are our own: only that there is one, and where, is compared."""
    return Answer(
        answer.code, *("HELP" if re.search(r"(?m)^Usage:\n  kubectl", text) else text for text in answer[1:])
    )


def same(case: Case, theirs: Answer, mine: Answer) -> bool:
    theirs, mine = without_help(as_of_1_36(theirs)), without_help(as_of_1_33(mine))
    if case.any_order:
        theirs, mine = _sorted(theirs), _sorted(mine)
    return theirs == mine


def _sorted(answer: Answer) -> Answer:
    return Answer(answer.code, *("\n".join(sorted(text.split("\n"))) for text in answer[1:]))


def difference(case: Case, theirs: Answer, mine: Answer) -> str:
    """kubectl's lines begin with -, ours with +."""
    theirs, mine = without_help(as_of_1_36(theirs)), without_help(as_of_1_33(mine))
    lines = [] if theirs.code == mine.code else [f"exit code {theirs.code} and {mine.code}"]
    for before, after in zip(theirs[1:], mine[1:], strict=True):
        lines += list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    return "\n   ".join([f"$ {case.line}", *lines])


def reasons() -> dict[tuple[str, str], str]:
    """(file of cases, line) -> why we answer otherwise."""
    lines = (HERE / "differences.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {(name, line): why for name, line, why in rows}


def shares() -> list[tuple[str, int, int]]:
    """(file of cases, command lines, those that are answered alike to the byte): what the test holds to."""
    known = reasons()
    found = [(name, [case.line for case in cases(name)]) for name in names()]
    return [(name, len(lines), sum((name, line) not in known for line in lines)) for name, lines in found]


# --- golden files: `$ command`, `| line` of standard output, `! line` of standard error, `= exit code` unless it is 0


def read_golden(name: str) -> list[Answer]:
    found = []
    for block in re.split(r"(?m)^\$ .*\n", (GOLDEN / f"{name}.txt").read_text())[1:]:
        texts, code = {"|": "", "!": ""}, 0
        for line in block.splitlines():
            if line[0] == "=":
                code = int(line[2:])
            elif line[0] == "\\":
                texts[line[1]] = texts[line[1]][:-1]  # the text ends without a line feed
            else:
                texts[line[0]] += line[2:] + "\n"
        found.append(Answer(code, texts["|"], texts["!"]))
    return found


def golden_text(name: str, answers: list[Answer]) -> str:
    return "".join(_block(case, answer) for case, answer in zip(cases(name), answers, strict=True))


def _block(case: Case, answer: Answer) -> str:
    lines = [f"$ {case.line}"]
    for mark, text in (("|", answer.out), ("!", answer.err)):
        if text:
            lines += [f"{mark} {line}" for line in text.removesuffix("\n").split("\n")]
            lines += [] if text.endswith("\n") else [f"\\{mark}"]
    if answer.code:
        lines.append(f"= {answer.code}")
    return "\n".join(lines) + "\n"


async def asked(name: str, directory: Path, program: str | None = None) -> list[Answer]:
    """The answers of kubectl (`program`) or, without one, of ours."""
    if name in SERVERS:
        async with no_cluster(directory) as (addresses, environment):
            found = await _answers(name, environment, program)
    else:
        async with cluster(directory) as (api, environment):
            addresses, found = {"": api.url}, await _answers(name, environment, program)
    return [
        Answer(code, *(steady(text, addresses, str(directory)) for text in (out, err)))
        for code, out, err in found
    ]


async def _answers(name: str, environment: Mapping[str, str], program: str | None) -> list[Answer]:
    return [
        await (kubectl(program, case, environment) if program else ours(case, environment))
        for case in cases(name)
    ]


def compare(name: str, theirs: list[Answer], mine: list[Answer]) -> Iterator[tuple[Case, bool, str]]:
    for case, their, my in zip(cases(name), theirs, mine, strict=True):
        equal = same(case, their, my)
        yield case, equal, "" if equal else difference(case, their, my)


if __name__ == "__main__":
    import tempfile

    found = find_kubectl()
    if found is None:
        sys.exit(f"error: no kubectl.{VERSION} beside the kubectl of PATH")
    for chosen in sys.argv[1:] or names():
        with tempfile.TemporaryDirectory() as made:
            told = asyncio.run(asked(chosen, Path(made), found))
        (GOLDEN / f"{chosen}.txt").write_text(golden_text(chosen, told))
