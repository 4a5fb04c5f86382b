"""The shaper's kernel module is asked for without links of its own, and only for pods whose sending is limited."""

from pathlib import Path

import pytest

from pinnace.kubelet.cri import shaper

LIMITED = {shaper.EGRESS: "10M"}


@pytest.mark.parametrize(
    ("annotations", "is_loaded", "asked"),
    [(LIMITED, False, True), (LIMITED, True, False), ({"kubernetes.io/ingress-bandwidth": "1M"}, False, False), ({}, False, False)],
)  # fmt: skip
async def test_the_module_is_loaded_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotations: dict[str, str], is_loaded: bool, asked: bool
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "modprobe"
    program.write_text(f'#!/bin/sh\necho "$@" > {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if is_loaded:
        (tmp_path / "ifb").mkdir()
    await shaper.prepare(annotations, tmp_path)
    assert (told.read_text() if told.exists() else "") == ("ifb numifbs=0\n" if asked else "")


async def test_a_machine_without_modules_is_left_to_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    await shaper.prepare(LIMITED, tmp_path)
