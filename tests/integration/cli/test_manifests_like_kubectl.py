"""Commands that read manifests, beside the real kubectl, which works in namespace a, ours in b, at the same time."""

import asyncio
import re
from pathlib import Path

import pytest

from beside_kubectl import Program, difference, same

pytestmark = pytest.mark.slow
Programs = tuple[Program, Program]
Answer = tuple[int, str, str]

TWO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a1, labels: {app: x}}
data: {a: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: s1, labels: {app: x, other: z}}
"""
ONE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a1, labels: {app: x}}
data: {a: "2"}
"""
BAD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ok1}
---
apiVersion: v1
kind: Foo
metadata: {name: none}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: Bad_Name}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ok2}
"""
FILES = {
    "two.yaml": TWO, "one.yaml": ONE, "bad.yaml": BAD, "folder/a.yaml": ONE, "folder/z.yaml": "a: [\n", "folder/x.txt": "-",
    "k/kustomization.yaml": "namePrefix: x-\nresources: [p.yaml]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\n",
    "k/p.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: q}\n", "none/a": "",
}  # fmt: skip
PRUNE = [
    "apply -f two.yaml -o yaml --dry-run=client", "apply -f two.yaml", "apply -f one.yaml --prune",
    "apply -f one.yaml --prune -l app=x --all", "apply -f one.yaml --prune -l app=x --dry-run=client",
    "apply -f one.yaml --prune -l app=x --dry-run=server --prune-allowlist=core/v1/Secret",
    "apply -f one.yaml --prune -l app=x --prune-allowlist=foo", "apply -f one.yaml --prune -l app=x --prune-allowlist=core/v1/Foo",
    "apply -f one.yaml --prune -l app=x --server-side", "apply -f two.yaml -l none=z", "apply -f two.yaml -o name -l other=z",
    "apply -f one.yaml --prune -l app=x", "get cm,secret -o name", "apply -f two.yaml -o name",
    "apply -f one.yaml --prune --all -o name --prune-allowlist=/v1/Secret", "get cm,secret -o name",
]  # fmt: skip
LAST_APPLIED = [
    "create -f two.yaml -o name", "apply set-last-applied -f one.yaml", "apply view-last-applied cm a1",
    "apply set-last-applied -f one.yaml --create-annotation", "apply set-last-applied -f one.yaml -o name",
    "apply view-last-applied cm a1", "apply view-last-applied cm a1 -o json", "apply view-last-applied cm a1 -o xml",
    "apply view-last-applied cm nope", "apply set-last-applied -f two.yaml --dry-run=client --create-annotation",
    "apply set-last-applied",
]  # fmt: skip
RAW_AND_BAD = [
    "create -f bad.yaml", "create -f folder", "create -f folder -R --dry-run=client", "replace -f bad.yaml -o name",
    "create --raw /api/v1/namespaces/NS/configmaps", "create --raw /api/v1/namespaces/NS/configmaps -f one.yaml -o yaml",
    "create --raw api/v1 -f one.yaml", "create --raw /api/v1/namespaces/NS/configmaps -f one.yaml -f one.yaml",
    "delete --raw /api/v1/namespaces/NS/configmaps/nope", "get cm -o name", "create -k k -f one.yaml", "apply -k k -R",
    "apply -k none", "apply -k k", "get -k k -o name", "get cm,secret -o name",
]  # fmt: skip


async def differences(programs: Programs, folder: Path, commands: list[str]) -> str:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = []
    for command in commands:
        words = [
            str(folder / word) if word in FILES or word in ("folder", "k", "none") else word
            for word in command.split()
        ]
        theirs, mine = await asyncio.gather(
            *(
                program("-n", namespace, *(word.replace("NS", namespace) for word in words))
                for program, namespace in zip(programs, ("a", "b"), strict=True)
            )
        )
        theirs, mine = _steady(theirs, "a"), _steady(mine, "b")
        if not same(theirs, mine):
            found.append(difference(command, theirs, mine))
    return "\n".join(found)


def _steady(answer: Answer, namespace: str) -> Answer:
    """Without what may differ: namespaces, uids, versions, times, and kubectl's own log."""

    def without(text: str) -> str:
        text = re.sub(r"^W\d{4} .*?\] ", "W ", text, flags=re.MULTILINE)
        text = re.sub(rf'(namespace(?:\\"|")?: ?(?:\\"|")?){namespace}\b', r"\1NS", text)
        text = text.replace(f"/{namespace}/", "/NS/").replace(
            f'\\"namespace\\":\\"{namespace}\\"', '\\"namespace\\":\\"NS\\"'
        )
        return text.replace(f'"namespace":"{namespace}"', '"namespace":"NS"').replace(
            f'namespace "{namespace}"', 'namespace "NS"'
        )

    return answer[0], without(answer[1]), without(answer[2])


async def test_pruning(programs: Programs, tmp_path: Path) -> None:
    assert not await differences(programs, tmp_path, PRUNE)


async def test_what_was_applied_last(programs: Programs, tmp_path: Path) -> None:
    assert not await differences(programs, tmp_path, LAST_APPLIED)


async def test_raw_requests_bad_documents_and_kustomizations(programs: Programs, tmp_path: Path) -> None:
    assert not await differences(programs, tmp_path, RAW_AND_BAD)
