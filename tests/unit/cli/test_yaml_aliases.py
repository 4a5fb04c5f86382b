"""Aliases: those that people write pass, those that unfold without end are refused before anything is built."""

import pytest
import yaml

from pinnace.cli.errors import CliError
from pinnace.cli.manifests import documents
from pinnace.cli.yaml_aliases import ExcessiveAliasing, check

LAUGHS = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
        for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
    ]
)


def test_a_billion_laughs_are_refused() -> None:
    with pytest.raises(
        CliError, match=r"error parsing bomb\.yaml: .*yaml: document contains excessive aliasing"
    ):
        list(documents(LAUGHS, "bomb.yaml"))


def test_aliases_that_share_a_little_pass() -> None:
    text = "base: &base {cpu: 1}\n" + "\n".join(f"c{number}: *base" for number in range(50))
    (found,) = documents(text, "x")
    assert found["c49"] == {"cpu": 1}


def test_a_long_document_without_aliases_passes() -> None:
    check(yaml.compose("[" + ", ".join(["x"] * 5000) + "]"))


def test_the_share_of_aliases_that_is_allowed_falls_with_the_size() -> None:
    shared = "s: &s [" + ", ".join(["x"] * 2000) + "]\n"
    check(yaml.compose(shared + "r: [" + ", ".join(["*s"] * 90) + "]"))
    with pytest.raises(ExcessiveAliasing):
        check(yaml.compose(shared + "r: [" + ", ".join(["*s"] * 3000) + "]"))


def test_keys_become_text() -> None:
    (found,) = documents("{2: a, true: b, n: c, x: d}", "x.yaml")
    assert found == {"2": "a", "true": "b", "false": "c", "x": "d"}
