"""docs/why.md lists the rules that there are."""

import os
from pathlib import Path

from pinnace.insight.catalog import ANY, RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "why.md"
BEGIN, END = "PINNACE_WRITE_GOLDEN=1 writes) -->\n", "<!-- rules: end -->"


def table() -> str:
    lines = ["| rule | about | tells |", "|---|---|---|"]
    for name, rule in RULES.items():
        kinds = "everything" if rule.kinds == ANY else ", ".join(rule.kinds)
        lines.append(f"| `{name}` | {kinds} | {rule.tells} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_rule() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get("PINNACE_WRITE_GOLDEN"):
        PAGE.write_text(before + BEGIN + table() + END + after)
        return
    assert shown == table()
