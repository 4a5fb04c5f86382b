"""kubectl's JSONPath templates: `{.items[*].metadata.name}`, `{range .items[*]}...{end}`, filters, slices, unions, `..`.

Text outside braces is printed as it is; several results of one expression are joined by a space.
https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
import re
from typing import Any

_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_FIELD = re.compile(r"(?:\\.|[^\s.\[\]{}(),'\"=!<>&|@$\\])+")


class JsonPathError(ValueError):
    """The template cannot be read, or a field it names is missing where that is not allowed."""


Step = tuple[str, Any]
# ("text", str) ("path", [Step]) ("range", ([Step], [Node])) ("wrong", str): what is only said when it is come to
Node = tuple[str, Any]


class JsonPath:
    def __init__(self, template: str, *, allow_missing: bool = True) -> None:
        self._allow_missing = allow_missing
        self._nodes = _Parser(template).parse()

    def render(self, obj: Any) -> str:
        return self._render(self._nodes, obj, obj)

    def find(self, obj: Any) -> list[Any]:
        """All results of all expressions."""
        for kind, what in self._nodes:
            if kind == "wrong":
                raise JsonPathError(what)
        return [value for kind, what in self._nodes if kind == "path" for value in self._walk(what, obj, obj)]

    def _render(self, nodes: list[Node], current: Any, root: Any) -> str:
        out = []
        for kind, what in nodes:
            if kind == "text":
                out.append(what)
            elif kind == "wrong":
                raise JsonPathError(what)
            elif kind == "path":
                out.append(" ".join(_shown(value) for value in self._walk(what, current, root)))
            else:
                steps, inner = what
                out += [self._render(inner, value, root) for value in self._walk(steps, current, root)]
        return "".join(out)

    def _walk(self, steps: list[Step], current: Any, root: Any) -> list[Any]:
        values = [current]
        for kind, what in steps:
            if kind == "root":
                values = [root]
            elif kind != "current":
                values = [found for value in values for found in self._step(kind, what, value, root)]
        return values

    def _step(self, kind: str, what: Any, value: Any, root: Any) -> list[Any]:
        match kind:
            case "field":
                return self._field(what, value)
            case "wildcard":
                return _children(value)
            case "index":
                return self._index(what, value)
            case "slice":
                return _slice(what, value)
            case "union":
                return [found for name in what for found in self._union_member(name, value)]
            case "recursive":
                return list(_descend(value))
            case "filter":
                return [item for item in _children(value) if self._holds(what, item, root)]
        raise JsonPathError(f"unknown step {kind}")

    def _field(self, name: str, value: Any) -> list[Any]:
        if isinstance(value, dict) and name in value:
            return [value[name]]
        if self._allow_missing or not isinstance(value, dict):
            return []
        raise JsonPathError(f"{name} is not found")

    def _union_member(self, name: Any, value: Any) -> list[Any]:
        return self._index(name, value) if isinstance(name, int) else self._field(name, value)

    def _index(self, at: int, value: Any) -> list[Any]:
        if not isinstance(value, list):
            return []
        if -len(value) <= at < len(value):
            return [value[at]]
        raise JsonPathError(f"array index out of bounds: index {at}, length {len(value)}")

    def _holds(self, test: Any, item: Any, root: Any) -> bool:
        left, operator, right = test
        found = self._operand(left, item, root)
        if not operator:
            return bool(found)
        other = self._operand(right, item, root)
        return bool(found) and bool(other) and _compare(found[0], operator, other[0])

    def _operand(self, operand: Any, item: Any, root: Any) -> list[Any]:
        kind, what = operand
        if kind == "literal":
            return [what]
        previous, self._allow_missing = self._allow_missing, True
        try:
            return self._walk(what, item, root)
        finally:
            self._allow_missing = previous


def _children(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value[key] for key in sorted(value)] if isinstance(value, dict) else []


def _descend(value: Any) -> Any:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _slice(bounds: tuple[int | None, int | None, int | None], value: Any) -> list[Any]:
    return value[slice(*bounds)] if isinstance(value, list) else []


def _compare(left: Any, operator: str, right: Any) -> bool:
    try:
        match operator:
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
    except TypeError:
        return False
    return bool(left >= right)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return str(value)


class _Parser:
    def __init__(self, template: str) -> None:
        self._text, self._at = template, 0

    def parse(self) -> list[Node]:
        nodes, ended = self._nodes()
        while ended:
            more, ended = self._nodes()
            nodes += [("wrong", "not in range, nothing to end"), *more]
        return nodes

    def _nodes(self) -> tuple[list[Node], bool]:
        nodes: list[Node] = []
        while self._at < len(self._text):
            open_at = self._text.find("{", self._at)
            if open_at < 0:
                nodes.append(("text", self._text[self._at :]))
                self._at = len(self._text)
                break
            if open_at > self._at:
                nodes.append(("text", self._text[self._at : open_at]))
            self._at = open_at + 1
            self._space()
            if self._word("end"):
                self._close()
                return nodes, True
            if self._word("range"):
                steps = self._path()
                self._close()
                inner, ended = self._nodes()
                if not ended:
                    raise JsonPathError("unterminated range")
                nodes.append(("range", (steps, inner)))
                continue
            nodes += self._action()
            self._close()
        return nodes, False

    def _action(self) -> list[Node]:
        """What stands between braces: a quoted text or paths, separated by spaces."""
        nodes: list[Node] = []
        while self._at < len(self._text) and self._peek() != "}":
            if self._peek() in "'\"":
                nodes.append(("text", self._quoted()))
            elif word := _IDENTIFIER.match(self._text, self._at):
                self._at = word.end()
                nodes.append(("wrong", f"unrecognized identifier {word[0]}"))
            else:
                nodes.append(("path", self._path()))
            self._space()
        return nodes

    def _path(self) -> list[Step]:
        self._space()
        steps: list[Step] = []
        if self._peek() == "$":
            self._at += 1
            steps.append(("root", None))
        elif self._peek() == "@":
            self._at += 1
            steps.append(("current", None))
        while self._at < len(self._text):
            char = self._peek()
            if self._text.startswith("..", self._at):
                self._at += 2
                steps.append(("recursive", None))
                if self._peek() not in ("[", "*", ""):
                    steps.append(("field", self._name()))
            elif char == ".":
                self._at += 1
                if self._peek() == "*":
                    self._at += 1
                    steps.append(("wildcard", None))
                elif self._peek() not in ("", "}", "[", " ", ")"):
                    steps.append(("field", self._name()))
            elif char == "*":
                self._at += 1
                steps.append(("wildcard", None))
            elif char == "[":
                steps.append(self._bracket())
            elif not steps and _FIELD.match(self._text, self._at):
                steps.append(("field", self._name()))
            else:
                break
        if not steps:
            raise JsonPathError(f"unrecognized character in action: U+{ord(self._peek() or ' '):04X}")
        return steps

    def _bracket(self) -> Step:
        self._at += 1
        self._space()
        if self._text.startswith("?(", self._at):
            return self._filter()
        end = self._text.find("]", self._at)
        if end < 0:
            raise JsonPathError("unterminated array")
        if self._peek() in "'\"":
            names = [self._quoted()]
            while self._skip(","):
                self._space()
                names.append(self._quoted())
            self._expect("]")
            return ("field", names[0]) if len(names) == 1 else ("union", names)
        inner, self._at = self._text[self._at : end].strip(), end + 1
        if inner == "*":
            return ("wildcard", None)
        try:
            if ":" in inner:
                bounds = [int(part) if part.strip() else None for part in inner.split(":")]
                return ("slice", (*bounds, None)[:3] if len(bounds) < 3 else tuple(bounds))
            numbers = [int(part) for part in inner.split(",")]
        except ValueError:
            raise JsonPathError(f"invalid array index {inner}") from None
        return ("index", numbers[0]) if len(numbers) == 1 else ("union", numbers)

    def _filter(self) -> Step:
        self._at += 2
        left = self._operand()
        self._space()
        operator = next(
            (o for o in ("==", "!=", "<=", ">=", "<", ">") if self._text.startswith(o, self._at)), ""
        )
        self._at += len(operator)
        right = self._operand() if operator else None
        self._space()
        self._expect(")")
        self._expect("]")
        return ("filter", (left, operator, right))

    def _operand(self) -> tuple[str, Any]:
        self._space()
        if self._peek() in "'\"":
            return "literal", self._quoted()
        word = re.compile(r"[-+]?\d+(\.\d+)?|true\b|false\b").match(self._text, self._at)
        if word:
            self._at = word.end()
            return "literal", json.loads(word[0])
        return "path", self._path()

    def _quoted(self) -> str:
        match = _QUOTED.match(self._text, self._at)
        if not match:
            raise JsonPathError("unterminated quoted string")
        self._at = match.end()
        body = match[1] if match[1] is not None else match[2]
        escapes = {"n": "\n", "t": "\t", "r": "\r"}
        return re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), body)

    def _name(self) -> str:
        match = _FIELD.match(self._text, self._at)
        if not match:
            raise JsonPathError(f"unrecognized character in action: U+{ord(self._peek() or ' '):04X}")
        self._at = match.end()
        return re.sub(r"\\(.)", r"\1", match[0])

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _space(self) -> None:
        while self._peek() in (" ", "\t", "\n") and self._at < len(self._text):
            self._at += 1

    def _skip(self, text: str) -> bool:
        self._space()
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _word(self, text: str) -> bool:
        match = re.compile(rf"{text}\b").match(self._text, self._at)
        if match:
            self._at = match.end()
        return match is not None

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise JsonPathError(f"expected {text!r}")

    def _close(self) -> None:
        if not self._skip("}"):
            raise JsonPathError("unclosed action")


def relaxed(expression: str) -> str:
    """`metadata.name`, `.metadata.name`, `{.metadata.name}`: all mean the same in --sort-by and custom columns."""
    text = expression.strip()
    if text.startswith("{"):
        text = text[1:-1]
    return "{" + (text if text.startswith((".", "[", "$")) else f".{text}") + "}"
