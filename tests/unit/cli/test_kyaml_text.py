"""KYAML as kubectl 1.34 and later write it."""

from typing import Any

import pytest
import yaml

from pinnace.cli.printers.kyaml_text import dump

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "x", "no": "y"}, "annotations": {}},
    "spec": {"containers": [{"name": "c", "args": ["a", "b"], "ports": []}, {"name": "d"}], "priority": 0},
}
TEXT = """---
{
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    annotations: {},
    labels: {
      app.kubernetes.io/name: "x",
      "no": "y",
    },
    name: "web",
  },
  spec: {
    containers: [{
      args: [
        "a",
        "b",
      ],
      name: "c",
      ports: [],
    }, {
      name: "d",
    }],
    priority: 0,
  },
}
"""


def test_braces_quotes_and_lists_that_hug() -> None:
    assert dump(POD) == TEXT


def test_lines_of_a_text_stand_below_each_other() -> None:
    assert dump({"data": {"a": "one\n  two\nthree"}}) == (
        '---\n{\n  data: {\n    a: "\\\n       one\\n\\\n      \\  two\\n\\\n       three\\\n      ",\n  },\n}\n'
    )


@pytest.mark.parametrize(
    "value",
    [
        POD,
        {"a": "x\ny\n", "b": "\n\n", "c": ' "quoted" \\ \t', "d": "  lead\n\n  more", "e": "\x1b[0m\x7fä\u2028"},
        {"1": "number", "0x1f": "", "on": "", "2001-01-01": "", "1:30": "", "": "", "a b": "", "-x": "", "a-b": "", "t": ""},
        {"list": [1, True, None, 1.5, "x", {"a": [[1], [2]]}], "empty": [[], {}]},
    ],
)  # fmt: skip
def test_any_reader_of_yaml_gets_the_same_value_back(value: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(value)) == value
