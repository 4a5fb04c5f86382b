"""Static checks: every name is declared, every field exists, every call fits an overload. Sets `type` on each node."""

from collections.abc import Callable, Mapping
from itertools import count

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.ast import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from pinnace.apimachinery.cel.errors import EvaluationError, Issue
from pinnace.apimachinery.cel.functions import Functions, Overload
from pinnace.apimachinery.cel.parser import qualified_name
from pinnace.apimachinery.cel.types import Type, format_type
from pinnace.apimachinery.cel.values import UInt, parse_duration, parse_timestamp

_LITERALS: dict[type, Type] = {
    bool: t.BOOL, int: t.INT, UInt: t.UINT, float: t.DOUBLE, str: t.STRING, bytes: t.BYTES, type(None): t.NULL,
}  # fmt: skip
TYPE_NAMES: Mapping[str, Type] = {
    "bool": t.BOOL, "int": t.INT, "uint": t.UINT, "double": t.DOUBLE, "string": t.STRING, "bytes": t.BYTES,
    "list": t.list_of(t.DYN), "map": t.map_of(t.DYN, t.DYN), "null_type": t.NULL, "type": t.TYPE, "dyn": t.DYN,
    "google.protobuf.Timestamp": t.TIMESTAMP, "google.protobuf.Duration": t.DURATION,
    "optional_type": t.optional_of(t.DYN), "net.IP": t.opaque("net.IP"), "net.CIDR": t.opaque("net.CIDR"),
    **{f"kubernetes.{name}": t.opaque(f"kubernetes.{name}") for name in ("URL", "Quantity", "Semver", "NamedFormat")},
}  # fmt: skip
_KEYS = frozenset(["bool", "int", "uint", "string", "dyn", "param", "error"])
FindType = Callable[[str], Type | None]


class Checker:
    """One check of one tree."""

    def __init__(self, variables: Mapping[str, Type], functions: Functions, find_type: FindType) -> None:
        self.variables = variables
        self.functions = functions
        self.find_type = find_type
        self.issues: list[Issue] = []
        self._scopes: list[dict[str, Type]] = []
        self._mapping: t.Substitution = {}
        self._nodes: dict[Node, None] = {}  # all that are checked: macros use some nodes twice
        self._fresh = count()

    def check_whole(self, node: Node) -> None:
        self.check(node)
        for checked in self._nodes:
            checked.type = t.substitute(checked.type, self._mapping, params_to_dyn=True)

    def check(self, node: Node) -> Type:
        if node not in self._nodes:
            node.type = self._type_of(node)
            self._nodes[node] = None
        return node.type

    def _type_of(self, node: Node) -> Type:
        match node:
            case Literal():
                return _LITERALS[type(node.value)]
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case StructNode():
                return self._struct(node)
            case Comprehension():
                return self._comprehension(node)
        raise TypeError(node)

    def _report(self, node: Node, message: str) -> Type:
        self.issues.append(Issue(message, node.offset))
        return t.ERROR

    def _resolved(self, candidate: Type) -> Type:
        return t.substitute(candidate, self._mapping)

    def _shown(self, candidate: Type) -> str:
        return format_type(t.substitute(candidate, self._mapping, params_to_dyn=True))

    def _find(self, name: str, node: Ident | None = None) -> Type | None:
        if not name.startswith("."):
            for scope in reversed(self._scopes):
                if name in scope:
                    return scope[name]
        name = name.lstrip(".")
        if (found := self.variables.get(name)) is not None:
            return found
        constant = TYPE_NAMES.get(name) or self.find_type(name)
        if constant is not None:
            if node is not None:
                node.constant = constant
            return t.type_of(constant)
        return None

    def _ident(self, node: Ident) -> Type:
        found = self._find(node.name, node)
        return found or self._undeclared(node, node.name)

    def _undeclared(self, node: Node, name: str) -> Type:
        return self._report(node, f"undeclared reference to '{name.lstrip('.')}' (in container '')")

    def _select(self, node: Select) -> Type:
        if not node.test_only and not node.optional and (name := qualified_name(node)):
            root = name.partition(".")[0]
            is_local = any(root in scope for scope in self._scopes)
            if not is_local and (name in self.variables or root not in self.variables):
                whole = Ident(node.offset, name)
                if found := self._find(name, whole):
                    whole.type = found
                    node.qualified = whole
                    return found
        operand = self._resolved(self.check(node.operand))
        optional = node.optional or t.is_optional(operand)
        found = self._field(node, operand.elem if t.is_optional(operand) else operand)
        if node.test_only:
            return t.BOOL
        return t.optional_of(found) if optional and not t.is_optional(found) else found

    def _field(self, node: Select, operand: Type) -> Type:
        if operand.kind == "map":
            return operand.elem
        if operand.kind in ("dyn", "error"):
            return t.DYN
        if operand.kind == "param":
            t.assign(self._mapping, t.DYN, operand)
            return t.DYN
        if operand.kind == "object":
            field = operand.field(node.name)
            if field is None:
                return self._report(node, f"undefined field '{node.name}'")
            node.key = field.key
            return field.type
        return self._report(node, f"type '{format_type(operand)}' does not support field selection")

    def _call(self, node: Call) -> Type:
        if node.target is not None and (prefix := qualified_name(node.target)):
            name = f"{prefix.lstrip('.')}.{node.function}"
            if name in self.functions:
                node.function, node.target = name, None
        arguments = [self.check(operand) for operand in node.operands]
        overloads = self.functions.get(node.function)
        if not overloads:
            return self._undeclared(node, node.function)
        found = self._resolve(node, overloads, arguments)
        if found is None:
            return self._report(
                node,
                f"found no matching overload for '{node.function}' applied to '{self._signature(node, arguments)}'",
            )
        self._check_literals(node)
        return found

    def _resolve(self, node: Call, overloads: tuple[Overload, ...], arguments: list[Type]) -> Type | None:
        result: Type | None = None
        node.overloads = []
        is_member = node.target is not None
        for overload in overloads:
            if overload.member is not is_member or len(overload.args) != len(arguments):
                continue
            fresh: t.Substitution = {}
            declared = tuple(self._instance(arg, fresh) for arg in overload.args)
            if not t.assign_all(self._mapping, declared, arguments):
                continue
            node.overloads.append(overload)
            returned = self._resolved(self._instance(overload.result, fresh))
            if result is None:
                result = returned
            elif not t.same(result, returned):
                result = t.DYN
        return result

    def _instance(self, declared: Type, fresh: t.Substitution) -> Type:
        """The type with its parameters renamed, so that two calls do not share them."""
        if declared.kind == "param":
            if declared.name not in fresh:
                fresh[declared.name] = t.param(f"{declared.name}%{next(self._fresh)}")
            return fresh[declared.name]
        if declared.params:
            return Type(
                declared.kind, tuple(self._instance(p, fresh) for p in declared.params), declared.name
            )
        return declared

    def _signature(self, node: Call, arguments: list[Type]) -> str:
        texts = list(map(self._shown, arguments))
        if node.target is not None:
            return f"{texts[0]}.({', '.join(texts[1:])})"
        return f"({', '.join(texts)})"

    def _check_literals(self, node: Call) -> None:
        """Times and patterns that are written out are checked at once."""
        argument = node.args[-1] if node.args else None
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            return
        try:
            if node.function == "timestamp":
                parse_timestamp(argument.value)
            elif node.function == "duration":
                parse_duration(argument.value)
            elif node.function == "matches":
                from pinnace.apimachinery.cel.library.regexes import compile_pattern

                compile_pattern(argument.value)
        except EvaluationError:
            self._report(argument, f"invalid {node.function} argument")

    def _join(self, previous: Type | None, node: Node, found: Type) -> Type:
        """The common type of the elements of a literal: they must agree."""
        if previous is None or t.assign(self._mapping, previous, found):
            return found if previous is None or previous.kind == "null" else previous
        expected, actual = (self._shown(kind) for kind in (previous, found))
        self._report(node, f"expected type '{expected}' but found '{actual}'")
        return previous

    def _entry(self, node: Node, optional: bool) -> Type:
        found = self.check(node)
        if not optional:
            return found
        resolved = self._resolved(found)
        if t.is_optional(resolved):
            return resolved.elem
        if resolved.kind not in ("dyn", "error"):
            self._report(
                node,
                f"expected type 'optional_type({format_type(resolved)})' but found '{format_type(resolved)}'",
            )
        return t.DYN

    def _list(self, node: ListNode) -> Type:
        elem: Type | None = None
        for at, element in enumerate(node.elements):
            elem = self._join(elem, element, self._entry(element, at in node.optional))
        return t.list_of(elem or t.param(f"E%{next(self._fresh)}"))

    def _map(self, node: MapNode) -> Type:
        key_type: Type | None = None
        value_type: Type | None = None
        for key, value, optional in node.entries:
            key_type = self._join(key_type, key, self.check(key))
            value_type = self._join(value_type, value, self._entry(value, optional))
        if key_type is not None and self._resolved(key_type).kind not in _KEYS:
            key_type = t.DYN  # fails when it is evaluated; types stay small
        fresh = (t.param(f"{letter}%{next(self._fresh)}") for letter in "KV")
        return t.map_of(key_type or next(fresh), value_type or next(fresh))

    def _struct(self, node: StructNode) -> Type:
        declared = self.find_type(node.name.lstrip("."))
        if declared is None or not declared.creatable:
            known = declared is not None or node.name in TYPE_NAMES
            self._report(node, f"'{node.name}' is not a message type") if known else self._undeclared(
                node, node.name
            )
            declared = None
        for name, value, optional, offset in node.entries:
            found = self._entry(value, optional)
            if declared is None:
                continue
            field = declared.field(name)
            at = Literal(offset, None)
            if field is None:
                self._report(at, f"undefined field '{name}'")
            elif not t.assign(self._mapping, field.type, found):
                expected, actual = format_type(field.type), format_type(self._resolved(found))
                self._report(
                    at, f"expected type of field '{name}' is '{expected}' but provided type is '{actual}'"
                )
        return declared or t.ERROR

    def _comprehension(self, node: Comprehension) -> Type:
        range_type = self._resolved(self.check(node.range))
        accu = self.check(node.init)
        first, second = self._iteration(node, range_type)
        scope = {node.accu: accu, node.var: first}
        if node.var2:
            scope[node.var2] = second
        self._scopes.append(scope)
        condition = self.check(node.condition)
        self._must_be(node.condition, t.BOOL, condition)
        self._must_be(node.step, accu, self.check(node.step))
        self._scopes.pop()
        self._scopes.append({node.accu: accu})
        result = self.check(node.result)
        self._scopes.pop()
        return self._resolved(result)

    def _iteration(self, node: Comprehension, range_type: Type) -> tuple[Type, Type]:
        if range_type.kind == "list":
            return (t.INT, range_type.elem) if node.var2 else (range_type.elem, t.DYN)
        if range_type.kind == "map":
            return range_type.params[0], range_type.elem
        if range_type.kind == "param":
            t.assign(self._mapping, t.DYN, range_type)
        elif range_type.kind not in ("dyn", "error"):
            self._report(
                node.range,
                f"expression of type '{format_type(range_type)}' cannot be range of a comprehension "
                "(must be list, map, or dynamic)",
            )
            return t.ERROR, t.ERROR
        return t.DYN, t.DYN

    def _must_be(self, node: Node, expected: Type, found: Type) -> None:
        if not t.assign(self._mapping, expected, found):
            texts = (self._shown(kind) for kind in (expected, found))
            self._report(node, "expected type '{}' but found '{}'".format(*texts))
