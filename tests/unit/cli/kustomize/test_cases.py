"""Kustomizations and what kubectl's `kustomize` makes of them: golden files, and the real one where there is one.

`PYTHONPATH=tests python tests/unit/cli/kustomize/test_cases.py` writes the golden files anew with the newest kubectl on the machine.
"""

import re
import tempfile
from pathlib import Path

import pytest

from kustomizations import CASES, golden, kubectl, report, run_main, theirs, unpack

NAMES = sorted(case.stem for case in CASES.glob("*.txt"))


def _steady(text: str) -> str:
    return re.sub(r"&\{0x[0-9a-f]+ <nil>\}", "&{POINTER}", text)


@pytest.mark.parametrize("name", NAMES)
def test_builds_what_kubectl_builds(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / f"{name}.txt"
    folder = unpack(case, tmp_path)
    code = run_main(["kustomize", str(folder)])
    out, err = capsys.readouterr()
    assert _steady(report(code, out, err, folder)) == _steady(golden(case).read_text())


@pytest.mark.slow
def test_the_golden_files_are_what_the_kubectl_of_this_machine_writes(tmp_path: Path) -> None:
    program = kubectl()
    if program is None or not program.endswith("kubectl.1.33"):
        pytest.skip("no kubectl of the version that wrote them")
    for name in NAMES[:: max(1, len(NAMES) // 12)]:  # each start of a kubectl costs a tenth of a second
        case = CASES / f"{name}.txt"
        folder = unpack(case, tmp_path / name)
        assert _steady(theirs(program, folder)) == _steady(golden(case).read_text()), name


if __name__ == "__main__":
    newest = kubectl()
    assert newest is not None
    for one in CASES.glob("*.txt"):
        with tempfile.TemporaryDirectory() as scratch:
            golden(one).write_text(theirs(newest, unpack(one, Path(scratch))))
