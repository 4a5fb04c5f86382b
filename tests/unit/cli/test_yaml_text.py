"""YAML as kubectl writes it: what it says can be read back, and looks as go-yaml's."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pinnace.cli.printers.yaml_text import dump


def test_lists_stand_below_their_key_and_keys_are_sorted() -> None:
    value = {"b": [{"x": 1, "a": [1, 2]}, {"y": {}}], "a": {"k": None}, "items": []}
    assert dump(value) == 'a:\n  k: null\nb:\n- a:\n  - 1\n  - 2\n  x: 1\n- "y": {}\nitems: []\n'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("plain text", "plain text"),
        ("true", '"true"'),
        ("yes", '"yes"'),
        ("123", '"123"'),
        ("0x1f", '"0x1f"'),
        ("1e3", '"1e3"'),
        ("2026-01-02T03:04:05Z", '"2026-01-02T03:04:05Z"'),
        ("12:30", '"12:30"'),
        ("1.2.3", "1.2.3"),
        ("a: b", "'a: b'"),
        ("a #b", "'a #b'"),
        ("*star", "'*star'"),
        ("- x", "'- x'"),
        ("-x", "-x"),
        ("it's", "it's"),
        ("{}", "'{}'"),
        ("tab\there", '"tab\\there"'),
        (" leading", "' leading'"),
        ("http://x:80/y", "http://x:80/y"),
        ("ends:", "'ends:'"),
        ("üñí", "üñí"),
    ],
)
def test_quotes_only_where_they_are_needed(text: str, written: str) -> None:
    assert dump({"k": text}) == f"k: {written}\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb\n", "|\n  a\n  b"),
        ("a\nb", "|-\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        ("trailing \nx", '"trailing \\nx"'),
    ],
)
def test_several_lines_are_literal_blocks(text: str, written: str) -> None:
    assert dump({"k": text}) == f"k: {written}\n"


A, B, C = "a" * 40, "b" * 45, "c" * 10


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"{A} {B} {C}", f"{A} {B}\n  {C}"),
        (f"{A}  {B}  {C} {C}", f"{A}  {B}  {C}\n  {C}"),  # plain: never at several spaces
        (f": {A} {B} {C}", f"': {A} {B}\n  {C}'"),
        (f"\t{A} {B}   {C} d", f'"\\t{A} {B}\n  \\  {C} d"'),
        (f"{A}{B}{C}", f"{A}{B}{C}"),
        (f"{A} {B} ", f"'{A} {B} '"),
    ],
)
def test_long_lines_are_folded_as_kubectl_folds_them(text: str, written: str) -> None:
    assert dump({"k": text}) == f"k: {written}\n"


def test_folded_lines_are_indented_below_what_they_belong_to() -> None:
    assert dump({"k": {"l": [f"{A} {B} {C}"]}}) == f"k:\n  l:\n  - {A} {B}\n    {C}\n"


@given(st.text("ab :'\t", min_size=70, max_size=200))
def test_what_is_folded_reads_back_the_same(text: str) -> None:
    assert yaml.safe_load(dump({"k": [text]})) == {"k": [text]}


texts = st.text("ab1 :#-'\"\n\t{}[],&*!|>%@`?é.0x~", max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab-_/.018", min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=4), json_values, max_size=4))
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    assert yaml.safe_load(dump(value)) == value
