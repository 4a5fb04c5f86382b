"""Tokens to a tree, by precedence climbing; the words of errors are those of upstream's parser."""

from pinnace.apimachinery.cel import macros
from pinnace.apimachinery.cel.ast import Call, Ident, ListNode, Literal, MapNode, Node, Select, StructNode
from pinnace.apimachinery.cel.errors import CompileError, Issue
from pinnace.apimachinery.cel.lexer import RESERVED, Token, tokenize
from pinnace.apimachinery.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

_BINARY = {
    "||": (1, "_||_"), "&&": (2, "_&&_"),
    "==": (3, "_==_"), "!=": (3, "_!=_"), "<": (3, "_<_"), "<=": (3, "_<=_"), ">": (3, "_>_"), ">=": (3, "_>=_"),
    "in": (3, "@in"), "+": (4, "_+_"), "-": (4, "_-_"), "*": (5, "_*_"), "/": (5, "_/_"), "%": (5, "_%_"),
}  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
_STARTS = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
MAX_DEPTH = 80  # nested brackets; upstream allows 250, which Python's stack does not bear
MAX_LENGTH = 100_000  # characters, as upstream


def parse(source: str) -> Node:
    """Raises CompileError."""
    if len(source) > MAX_LENGTH:
        raise CompileError(
            [Issue(f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_LENGTH}")],
            source[:0],
        )
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.at = 0
        self.depth = 0
        self.hidden = 0

    def whole(self) -> Node:
        node = self.expression()
        if self.token.kind != "end":
            raise self.error(f"Syntax error: extraneous input '{self.token.text}' expecting <EOF>")
        return node

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def error(self, message: str, offset: int | None = None) -> CompileError:
        return CompileError([Issue(message, self.token.offset if offset is None else offset)], self.source)

    def unexpected(self, expected: str) -> CompileError:
        verb = "mismatched" if self.token.kind == "end" else "extraneous"
        return self.error(f"Syntax error: {verb} input '{self.token.text}' expecting {expected}")

    def take(self, text: str) -> Token | None:
        token = self.token
        if token.kind == "op" and token.text == text:
            self.at += 1
            return token
        return None

    def expect(self, text: str) -> Token:
        token = self.take(text)
        if token is None:
            raise self.unexpected(f"'{text}'")
        return token

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"expression recursion limit exceeded: {MAX_DEPTH}")
        node = self.binary(1)
        if token := self.take("?"):
            yes = self.binary(1)
            self.expect(":")
            node = Call(token.offset, "_?_:_", [node, yes, self.expression()])
        self.depth -= 1
        return node

    def binary(self, lowest: int) -> Node:
        left = self.unary()
        while True:
            token = self.token
            precedence, function = (
                _BINARY.get(token.text, (0, "")) if token.kind in ("op", "ident") else (0, "")
            )
            if precedence < lowest or not precedence:
                return left
            if precedence <= 2:
                left = self.logical(left, precedence, function)
                continue
            self.at += 1
            left = Call(token.offset, function, [left, self.binary(precedence + 1)])

    def logical(self, left: Node, precedence: int, function: str) -> Node:
        """`a && b && c` becomes a balanced tree, so that long chains stay shallow."""
        terms, offsets = [left], []
        while self.token.kind == "op" and _BINARY.get(self.token.text, (0, ""))[1] == function:
            offsets.append(self.token.offset)
            self.at += 1
            terms.append(self.binary(precedence + 1))

        def balance(low: int, high: int) -> Node:
            if low == high:
                return terms[low]
            middle = (low + high) // 2
            return Call(offsets[middle], function, [balance(low, middle), balance(middle + 1, high)])

        return balance(0, len(terms) - 1)

    def unary(self) -> Node:
        token = self.token
        if token.kind == "op" and token.text in ("!", "-"):
            following = self.tokens[self.at + 1]
            if token.text == "-" and following.kind == "literal" and type(following.value) in (int, float):
                return self.member()
            count = 0
            while self.take(token.text):
                count += 1
                if (
                    token.text == "-"
                    and self.token.kind == "literal"
                    and type(self.token.value) in (int, float)
                ):
                    break
            node = self.member()
            function = "!_" if token.text == "!" else "-_"
            return Call(token.offset, function, [node]) if count % 2 else node
        return self.member()

    def member(self) -> Node:
        node = self.primary()
        while True:
            if token := self.take("."):
                optional = self.take("?") is not None
                node = self.selection(node, token.offset, optional)
            elif token := self.take("["):
                function = "_[?_]" if self.take("?") else "_[_]"
                node = Call(token.offset, function, [node, self.expression()])
                self.expect("]")
            elif (self.token.text == "{" and self.token.kind == "op") and (name := qualified_name(node)):
                node = self.struct(name)
            else:
                return node

    def selection(self, operand: Node, offset: int, optional: bool) -> Node:
        token = self.token
        if token.kind not in ("ident", "quoted"):
            raise self.unexpected("IDENTIFIER")
        if token.text in _WORDS or token.text == "in":
            raise self.error(f"Syntax error: no viable alternative at input '.{token.text}'")
        self.at += 1
        name = token.value if token.kind == "quoted" else token.text
        if not optional and token.kind == "ident" and (paren := self.take("(")):
            arguments = self.arguments(")")
            return macros.expand_member(self, paren.offset, operand, name, arguments) or Call(
                paren.offset, name, arguments, operand
            )
        return Select(offset, operand, name, optional=optional)

    def arguments(self, end: str) -> list[Node]:
        found: list[Node] = []
        while not self.take(end):
            if found:
                self.expect(",")
            found.append(self.expression())
        return found

    def primary(self) -> Node:
        token = self.token
        if token.kind == "literal":
            self.at += 1
            return self.literal(token, token.value)
        if token.kind == "ident":
            return self.identifier("")
        match token.text if token.kind == "op" else "":
            case "-":  # only as the sign of a number: `!-1`, but not `!-x`
                number = self.tokens[self.at + 1]
                if number.kind != "literal" or type(number.value) not in (int, float):
                    raise self.unexpected(_STARTS)
                self.at += 2
                return self.literal(token, -number.value)
            case ".":
                self.at += 1
                return self.identifier(".")
            case "(":
                self.at += 1
                node = self.expression()
                self.expect(")")
                return node
            case "[":
                return self.list()
            case "{":
                return self.map()
        raise self.unexpected(_STARTS)

    def literal(self, token: Token, value: object) -> Node:
        if type(value) is int and not INT_MIN <= value <= INT_MAX:
            raise self.error("invalid int literal", token.offset)
        if type(value) is UInt and value > UINT_MAX:
            raise self.error("invalid uint literal", token.offset)
        if type(value) is float and value in (float("inf"), float("-inf")):
            raise self.error("invalid double literal", token.offset)
        return Literal(token.offset, value)

    def identifier(self, prefix: str) -> Node:
        token = self.token
        if token.kind != "ident" or token.text == "in":
            raise self.unexpected("IDENTIFIER")
        self.at += 1
        if not prefix and token.text in _WORDS:
            return Literal(token.offset, _WORDS[token.text])
        if token.text in RESERVED:
            raise self.error(f"reserved identifier: {token.text}", token.offset)
        if paren := self.take("("):
            arguments = self.arguments(")")
            return macros.expand_global(self, paren.offset, token.text, arguments) or Call(
                paren.offset, token.text, arguments
            )
        return Ident(token.offset, prefix + token.text)

    def list(self) -> Node:
        offset = self.expect("[").offset
        elements: list[Node] = []
        optional: set[int] = set()
        while not self.take("]"):
            if elements:
                self.expect(",")
                if self.take("]"):
                    break
            if self.take("?"):
                optional.add(len(elements))
            elements.append(self.expression())
        return ListNode(offset, elements, frozenset(optional))

    def map(self) -> Node:
        offset = self.expect("{").offset
        entries: list[tuple[Node, Node, bool]] = []
        while not self.take("}"):
            if entries:
                self.expect(",")
                if self.take("}"):
                    break
            optional = self.take("?") is not None
            key = self.expression()
            self.expect(":")
            entries.append((key, self.expression(), optional))
        return MapNode(offset, entries)

    def struct(self, name: str) -> Node:
        offset = self.expect("{").offset
        entries: list[tuple[str, Node, bool, int]] = []
        while not self.take("}"):
            if entries:
                self.expect(",")
                if self.take("}"):
                    break
            optional = self.take("?") is not None
            token = self.token
            if token.kind not in ("ident", "quoted"):
                raise self.unexpected("IDENTIFIER")
            self.at += 1
            field = token.value if token.kind == "quoted" else token.text
            colon = self.expect(":")
            entries.append((field, self.expression(), optional, colon.offset))
        return StructNode(offset, name, entries)


def qualified_name(node: Node) -> str:
    """`a.b.c` for a chain of plain names, else ``."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test_only and not node.optional:
        parts.append(node.name)
        node = node.operand
    if not isinstance(node, Ident):
        return ""
    return ".".join([node.name, *reversed(parts)])
