"""The table of upstream's conformance behaviours: `docs/conformance/suite.md` is made from `suite.tsv` and the tests' markers.

A row of `suite.tsv` names the file of upstream's suite, the behaviour, and a note. Its state follows from the tests:

- pass: a test carries `@pytest.mark.conformance("the behaviour")`, or a row of its table does, and the note is empty;
- partial: such a test exists, and the note says what of the behaviour it does not show;
- missing: no test carries it; the note says why (empty: nobody has looked at it yet).

Run as a program (`./dev conformance`) it writes the page; `tests/docs/test_conformance_table.py` checks that the page is current.
"""

import ast
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs" / "conformance"
TABLE, PAGE = DOCS / "suite.tsv", DOCS / "suite.md"


@dataclass(frozen=True)
class Row:
    file: str
    behaviour: str
    note: str
    tests: tuple[str, ...]

    @property
    def state(self) -> str:
        if not self.tests:
            return "missing"
        return "partial" if self.note else "pass"


def rows() -> list[Row]:
    marked = markers()
    with TABLE.open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Row(e["file"], e["behaviour"], e["note"] or "", tuple(marked.get(e["behaviour"], ()))) for e in table
    ]


def markers() -> dict[str, list[str]]:
    """behaviour -> the tests that state it, as pytest names them without parameters."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text()
        if "mark.conformance" not in text:
            continue
        for name, behaviour in _marked_functions(ast.parse(text)):
            found[behaviour].append(f"{path.relative_to(TESTS.parent)}::{name}")
    return found


def _marked_functions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Markers stand on functions, or inside the tables that a function's `parametrize` names."""
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                places = [decorator, *_tables(decorator, constants)]
                for behaviour in (text for place in places for text in _markers_in(place, constants)):
                    yield node.name, behaviour


def _tables(decorator: ast.expr, constants: dict[str, ast.expr]) -> list[ast.expr]:
    if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parametrize"):
        return []
    return [constants[n.id] for n in ast.walk(decorator) if isinstance(n, ast.Name) and n.id in constants]


def _markers_in(place: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    for node in ast.walk(place):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.conformance":
            yield from (_text(argument, constants) for argument in node.args)


def _text(node: ast.AST, constants: dict[str, ast.expr]) -> str:
    """A literal, or one put together from the module's constants."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return _text(constants[name], constants)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, constants) + _text(right, constants)
        case ast.JoinedStr(values=parts):
            return "".join(
                _text(p.value if isinstance(p, ast.FormattedValue) else p, constants) for p in parts
            )
    raise ValueError(f"not a text: {ast.unparse(node)}")


def page() -> str:
    table = rows()
    states = Counter(row.state for row in table)
    lines = [
        "# Upstream's conformance suite, behaviour by behaviour",
        "",
        'Made by `./dev conformance` from `suite.tsv` and the tests\' markers; do not edit. "pass": a test of ours states the behaviour and',
        'runs in `./dev test`. "partial": the note says what that test leaves out. "missing": no test of ours yet, whatever the code does.',
        "Upstream's own test programs need Go and images from a registry; they have not been run here.",
        "",
        f"**{len(table)} behaviours: {states['pass']} pass, {states['partial']} partial, {states['missing']} missing.**",
        "",
        "| area | pass | partial | missing |",
        "|---|---|---|---|",
    ]
    areas: dict[str, Counter[str]] = defaultdict(Counter)
    for row in table:
        areas[_area(row)][row.state] += 1
    lines += [f"| {a} | {n['pass']} | {n['partial']} | {n['missing']} |" for a, n in sorted(areas.items())]
    for file in sorted({row.file for row in table}):
        lines += ["", f"## {file}", "", "| behaviour | state | test, or what is missing |", "|---|---|---|"]
        lines += [_line(row) for row in table if row.file == file]
    return "\n".join(lines) + "\n"


def _area(row: Row) -> str:
    return row.behaviour[1 : row.behaviour.index("]")]


def _line(row: Row) -> str:
    where = ", ".join(f"`{test.removeprefix('tests/')}`" for test in row.tests)
    told = "; ".join(part for part in (where, row.note) if part)
    behaviour = row.behaviour.removesuffix(" [Conformance]").replace("|", "\\|")
    return f"| {behaviour} | {row.state} | {told.replace('|', '/')} |"


if __name__ == "__main__":
    PAGE.write_text(page())
