"""Our command line answers as kubectl does: several hundred command lines beside kubectl's own answers. See `side_by_side`."""

from pathlib import Path

import pytest

import side_by_side as beside
from pinnace.cli import clock

NAMES = beside.names()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_answers_are_kubectls(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in beside.SERVERS:  # they answer the tenth time as they do the first
        monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    mine = await beside.asked(name, tmp_path)
    known = {line for file, line in beside.reasons() if file == name}
    found = list(beside.compare(name, beside.read_golden(name), mine))
    unexpected = [told for case, equal, told in found if not equal and case.line not in known]
    assert not unexpected, "\n".join(unexpected)
    equal_by_now = known - {case.line for case, equal, _ in found if not equal}
    assert not equal_by_now, "these are equal by now: take them out of differences.tsv"
    print(f"{name}: {sum(equal for _, equal, _ in found)} of {len(found)} equal to the byte")


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
async def test_kubectl_still_answers_so(name: str, tmp_path: Path) -> None:
    program = beside.find_kubectl()
    if program is None:
        pytest.skip(f"no kubectl {beside.VERSION} on this machine")
    theirs = [beside.as_of_1_36(answer) for answer in await beside.asked(name, tmp_path, program)]
    kept = beside.read_golden(name)
    changed = [told for _, equal, told in beside.compare(name, kept, theirs) if not equal]
    assert not changed, "\n".join(changed)


def test_every_difference_is_about_a_case_and_has_a_reason() -> None:
    lines = {(name, case.line) for name in NAMES for case in beside.cases(name)}
    assert beside.reasons().keys() <= lines
    assert all(beside.reasons().values())
