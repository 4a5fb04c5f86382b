"""Template text to tree."""

from collections.abc import Container

from pinnace.apimachinery.gotemplate.errors import TemplateError
from pinnace.apimachinery.gotemplate.lexer import Token, pieces, tokens
from pinnace.apimachinery.gotemplate.tree import (
    Branch,
    Chain,
    Command,
    Constant,
    Dot,
    Function,
    Invoke,
    Jump,
    Node,
    Operand,
    Output,
    Pipeline,
    Text,
    Variable,
)

MAIN = ""


class Parser:
    """`functions` are the names that may be called."""

    def __init__(self, source: str, functions: Container[str]) -> None:
        self._pieces, self._at, self._functions = pieces(source), 0, functions
        self.definitions: dict[str, tuple[Node, ...]] = {}
        self._ranges = 0  # around what is read now

    def parse(self) -> dict[str, tuple[Node, ...]]:
        """Every named template; the main one is named ""."""
        body, ended_by = self._body()
        if ended_by:
            raise TemplateError(f"unexpected {{{{{ended_by}}}}}")
        self.definitions[MAIN] = body
        return self.definitions

    def _body(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to `end`, `else` or the end of the text, and the action that ended them."""
        found: list[Node] = []
        while self._at < len(self._pieces):
            kind, text = self._pieces[self._at]
            self._at += 1
            if kind == "text":
                found.append(Text(text))
                continue
            keyword, _, rest = text.partition(" ")
            if keyword in ("end", "else"):
                return tuple(found), text
            node = self._action(keyword, rest.strip(), text)
            if node is not None:
                found.append(node)
        return tuple(found), ""

    def _action(self, keyword: str, rest: str, text: str) -> Node | None:
        if keyword in ("if", "with", "range"):
            return self._branch(keyword, rest)
        if keyword == "define":
            self._define(rest)
            return None
        if keyword in ("template", "block"):
            name, pipeline = self._name_and_pipeline(rest)
            if keyword == "block":
                self._define_as(name)
            return Invoke(name, pipeline)
        if keyword in ("break", "continue") and not rest:
            if not self._ranges:
                raise TemplateError(f"{{{{{keyword}}}}} outside {{{{range}}}}")
            return Jump(keyword)
        return Output(self._pipeline(text))

    def _branch(self, keyword: str, rest: str) -> Branch:
        pipeline = self._pipeline(rest)
        self._ranges += keyword == "range"
        body, ended_by = self._body()
        self._ranges -= keyword == "range"
        if ended_by == "end":
            return Branch(keyword, pipeline, body)
        if ended_by == "else":
            otherwise, end = self._body()
            if end != "end":
                raise TemplateError(
                    f"unexpected {{{{{end}}}}} after {{{{else}}}}" if end else "unexpected EOF"
                )
            return Branch(keyword, pipeline, body, otherwise)
        again, _, condition = ended_by.removeprefix("else").strip().partition(" ")
        if again not in ("if", "with"):
            raise TemplateError(f"unexpected {{{{{ended_by}}}}}" if ended_by else "unexpected EOF")
        return Branch(keyword, pipeline, body, (self._branch(again, condition),))

    def _define(self, rest: str) -> None:
        name, pipeline = self._name_and_pipeline(rest)
        if pipeline is not None:
            raise TemplateError(f"unexpected {rest!r} in define clause")
        self._define_as(name)

    def _define_as(self, name: str) -> None:
        body, ended_by = self._body()
        if ended_by != "end":
            raise TemplateError(f"unexpected {{{{{ended_by}}}}} in the template {name!r}")
        self.definitions[name] = body

    def _name_and_pipeline(self, rest: str) -> tuple[str, Pipeline | None]:
        found = tokens(rest)
        if not found or found[0].kind != "constant" or not isinstance(found[0].value, str):
            raise TemplateError(f"a template needs a name: {rest}")
        return found[0].value, self._pipeline_of(found[1:], rest) if len(found) > 1 else None

    def _pipeline(self, text: str) -> Pipeline:
        return self._pipeline_of(tokens(text), text)

    def _pipeline_of(self, found: list[Token], text: str) -> Pipeline:
        reader = _Reader(found, text, self._functions)
        pipeline = reader.pipeline()
        reader.expect_end()
        return pipeline


class _Reader:
    """Reads the tokens of one action."""

    def __init__(self, found: list[Token], text: str, functions: Container[str]) -> None:
        self._tokens, self._text, self._functions, self._at = found, text, functions, 0

    def _peek(self, offset: int = 0) -> Token:
        index = self._at + offset
        return self._tokens[index] if index < len(self._tokens) else Token("end", "")

    def _unexpected(self) -> TemplateError:
        return TemplateError(f"unexpected {self._peek().text or 'end'!r} in {{{{{self._text}}}}}")

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected()

    def pipeline(self) -> Pipeline:
        variables, declares = self._variables()
        commands = [self._command()]
        while self._peek().text == "|" and self._peek().kind == "mark":
            self._at += 1
            commands.append(self._command())
        return Pipeline(tuple(commands), variables, declares)

    def _variables(self) -> tuple[tuple[str, ...], bool]:
        if self._peek().kind != "variable":
            return (), True
        names, offset = [self._peek().text], 1
        if self._peek(1).text == "," and self._peek(2).kind == "variable":
            names.append(self._peek(2).text)
            offset = 3
        mark = self._peek(offset)
        if mark.kind != "mark" or mark.text not in (":=", "="):
            return (), True
        self._at += offset + 1
        return tuple(names), mark.text == ":="

    def _command(self) -> Command:
        operands = [self._operand()]
        while self._peek().kind != "end" and self._peek().text not in ("|", ")"):
            operands.append(self._operand())
        if len(operands) > 1 and not isinstance(operands[0], Function):
            raise TemplateError(f"can't give argument to non-function in {{{{{self._text}}}}}")
        return Command(tuple(operands))

    def _operand(self) -> Operand:
        token = self._peek()
        self._at += 1
        base: Operand
        if token.kind == "constant":
            return Constant(token.value)
        if token.kind == "word":
            if token.text not in self._functions:
                raise TemplateError(f'function "{token.text}" not defined')
            base = Function(token.text)
        elif token.kind == "variable":
            base = Variable(token.text)
        elif token.kind == "field":
            base = Chain(Dot(), (token.text[1:],))
        elif token.text == ".":
            base = Dot()
        elif token.text == "(":
            base = self.pipeline()
            if self._peek().text != ")":
                raise TemplateError(f"unclosed left paren in {{{{{self._text}}}}}")
            self._at += 1
        else:
            self._at -= 1
            raise self._unexpected()
        fields = []
        while self._peek().kind == "field" and not self._peek().spaced:
            fields.append(self._peek().text[1:])
            self._at += 1
        if isinstance(base, Chain):
            return Chain(base.base, (*base.fields, *fields))
        return Chain(base, tuple(fields)) if fields else base
