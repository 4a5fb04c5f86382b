"""What can go wrong with an expression: it does not compile, it fails, or it costs too much."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding of the parser or checker; `offset` counts characters from the start of the expression."""

    message: str
    offset: int = 0

    def display(self, source: str) -> str:
        """The finding with its line and a caret under the place, as cel-go prints it."""
        offset = min(self.offset, len(source))
        line = source.count("\n", 0, offset)
        start = source.rfind("\n", 0, offset) + 1
        text = source[start:].partition("\n")[0].replace("\t", " ")
        before = "".join("." if ord(char) < 128 else "\uff0e" for char in source[start:offset])
        where = f"ERROR: <input>:{line + 1}:{offset - start + 1}: {self.message}"
        return f"{where}\n | {text}\n | {before}^"


class CompileError(Exception):
    """The expression is malformed or ill-typed; the text is what upstream puts after `compilation failed: `."""

    def __init__(self, issues: Sequence[Issue], source: str = "") -> None:
        self.issues = tuple(issues)
        super().__init__("\n".join(issue.display(source) for issue in self.issues))


class ResultTypeError(CompileError):
    """The expression is sound but has another type than the place where it stands asks for."""

    def __init__(self, message: str) -> None:
        super().__init__(())
        self.args = (message,)


class EvaluationError(Exception):
    """The expression failed on these values: no such key, division by zero, invalid argument."""


class BudgetExceeded(EvaluationError):
    """The expression was stopped because it cost more than it was allowed to."""
