"""docs/why.md lists the rules that there are."""

import ast
import os
from pathlib import Path

from pinnace.insight.catalog import ANY, RULES

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "why.md"
BEGIN, END = "PINNACE_WRITE_GOLDEN=1 writes) -->\n", "<!-- rules: end -->"


# where faults are made: on a whole simulated cluster, or with real containers
SCENES = ("integration/cli/test_why_rules.py", "integration/cli/test_why_healthy.py", "integration/cli/test_why_scheduling.py",
          "integration/cli/test_why.py", "e2e/test_why.py", "integration/cli/test_why_commands.py")  # fmt: skip


def rules_with_tests() -> dict[str, str]:
    """Rule -> the first test that names it as a word of its own."""
    found: dict[str, str] = {}
    for scene in SCENES:
        tree = ast.parse((TESTS / scene).read_text())
        for part in tree.body:
            if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign):
                continue
            name = part.name if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            if name and not name.startswith("test_"):
                continue
            for word in ast.walk(part):
                if isinstance(word, ast.Constant) and word.value in RULES:
                    found.setdefault(str(word.value), f"{scene}{'::' if name else ''}{name}")
    return found


def table() -> str:
    lines, tests = ["| rule | about | tells | test |", "|---|---|---|---|"], rules_with_tests()
    for name, rule in RULES.items():
        kinds = "everything" if rule.kinds == ANY else ", ".join(rule.kinds)
        lines.append(f"| `{name}` | {kinds} | {rule.tells} | {tests.get(name, '')} |")
    return "\n".join(lines) + "\n"


def test_every_rule_has_a_test_that_makes_the_fault() -> None:
    tests = rules_with_tests()
    assert [name for name in RULES if name not in tests] == []


def test_the_page_lists_every_rule() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get("PINNACE_WRITE_GOLDEN"):
        PAGE.write_text(before + BEGIN + table() + END + after)
        return
    assert shown == table()
