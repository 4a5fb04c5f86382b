"""A checked tree to closures: each node becomes one function of a `Frame`, and nothing about the tree is asked again."""

from collections.abc import Callable, Mapping
from typing import Any

from pinnace.apimachinery.cel import constants
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
from pinnace.apimachinery.cel.attributes import is_attribute
from pinnace.apimachinery.cel.calls import plan_call
from pinnace.apimachinery.cel.conversion import converter
from pinnace.apimachinery.cel.costs import LIST_COST, MAP_COST, STRUCT_COST
from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.frame import Frame, Run
from pinnace.apimachinery.cel.loops import LOOPS
from pinnace.apimachinery.cel.values import NONE, Extension, Optional, Struct, no_such_overload

_MAP_KEYS = (str, int, bool)


class Planner:
    """Plans one tree. Local variables of folds get numbered slots in the frame."""

    def __init__(self, variables: Mapping[str, t.Type]) -> None:
        self.variables = variables
        self.slots = 0
        self._scopes: list[dict[str, int]] = []
        self._planned: dict[Node, Run] = {}  # macros use some nodes twice

    def plan(self, node: Node) -> Run:
        if node not in self._planned:
            self._planned[node] = self._plan(node)
        return self._planned[node]

    def _plan(self, node: Node) -> Run:
        match node:
            case Literal():
                value = node.value
                return lambda _: value
            case _ if (constant := constants.value_of(node)) is not constants.VARIABLE:
                return lambda _: constant
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return plan_call(self, node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case StructNode():
                return self._struct(node)
            case Comprehension():
                return self._comprehension(node)
        raise TypeError(node)

    def _ident(self, node: Ident) -> Run:
        if node.constant is not None:
            constant = node.constant
            return lambda _: constant
        if not node.name.startswith("."):
            for scope in reversed(self._scopes):
                if (slot := scope.get(node.name)) is not None:
                    return _local(slot)
        name = node.name.lstrip(".")
        return _global(name, converter(self.variables[name]))

    def _select(self, node: Select) -> Run:
        if node.qualified is not None:
            return self._ident(node.qualified)
        if node.test_only or node.optional or t.is_optional(node.operand.type):
            return self._careful_select(node)
        steps: list[Step] = []
        base: Node = node
        while (
            isinstance(base, Select)
            and not (base.test_only or base.optional or base.qualified)
            and not t.is_optional(base.operand.type)
        ):
            holder = base.operand.type
            convert = converter(base.type) if holder.kind in ("object", "map") else None
            steps.append((base.key or base.name, convert, holder.null_is_absent))
            base = base.operand
        steps.reverse()
        operand = self.plan(base)
        extra = 0 if is_attribute(base) else 1
        if any(convert or null_is_absent for _, convert, null_is_absent in steps):
            return _converted_chain(operand, tuple(steps), extra)
        return _chain(operand, tuple(key for key, _, _ in steps), extra)

    def _careful_select(self, node: Select) -> Run:
        operand, key = self.plan(node.operand), node.key or node.name
        if node.test_only:
            if node.operand.type.null_is_absent:
                return lambda f: has_field(value := operand(f), key) and field_of(value, key) is not None
            return lambda f: has_field(operand(f), key)
        found = node.type.elem if t.is_optional(node.type) else node.type
        convert = converter(found)

        null_is_absent = node.operand.type.null_is_absent

        def run(f: Frame) -> Optional:
            selected = optional_field(operand(f), key)
            if not selected.present or (null_is_absent and selected.value is None):
                return NONE
            f.cost += 1
            return Optional(convert(selected.value), True) if convert and selected.present else selected

        return run

    def _list(self, node: ListNode) -> Run:
        elements = [self.plan(element) for element in node.elements]
        if not node.optional:

            def run(f: Frame) -> list[Any]:
                f.cost += LIST_COST
                return [element(f) for element in elements]

            return run
        optional = node.optional

        def run_optional(f: Frame) -> list[Any]:
            f.cost += LIST_COST
            found = []
            for at, element in enumerate(elements):
                value = element(f)
                if at not in optional:
                    found.append(value)
                elif _optional(value).present:
                    found.append(value.value)
            return found

        return run_optional

    def _map(self, node: MapNode) -> Run:
        entries = [(self.plan(key), self.plan(value), optional) for key, value, optional in node.entries]

        def run(f: Frame) -> dict[Any, Any]:
            f.cost += MAP_COST
            made: dict[Any, Any] = {}
            for key, value, optional in entries:
                name, one = key(f), value(f)
                if not isinstance(name, _MAP_KEYS):
                    raise EvaluationError("unsupported key type")
                if name in made:
                    raise EvaluationError(f"Failed with repeated key: {name}")
                if not optional:
                    made[name] = one
                elif _optional(one).present:
                    made[name] = one.value
            return made

        return run

    def _struct(self, node: StructNode) -> Run:
        entries = [(name, self.plan(value), optional) for name, value, optional, _ in node.entries]
        keys = {name: (field.key if (field := node.type.field(name)) else name) for name, _, _ in entries}
        name = node.name.lstrip(".")

        def run(f: Frame) -> Struct:
            f.cost += STRUCT_COST
            made = Struct(name, {})
            for field, value, optional in entries:
                one = value(f)
                if not optional:
                    made[keys[field]] = one
                elif _optional(one).present:
                    made[keys[field]] = one.value
            return made

        return run

    def _comprehension(self, node: Comprehension) -> Run:
        range_run = self.plan(node.range)
        names = {node.var: self._slot()}
        if node.macro == "bind":
            slot = self._slot()
            init = self.plan(node.init)
            return self._bind(init, slot, {node.accu: slot}, node.parts[0])
        if node.var2:
            names[node.var2] = self._slot()
        self._scopes.append(names)
        parts = [self.plan(part) for part in node.parts]
        self._scopes.pop()
        return LOOPS[node.macro](range_run, list(names.values()), parts)

    def _bind(self, init: Run, slot: int, scope: dict[str, int], body: Node) -> Run:
        self._scopes.append(scope)
        inner = self.plan(body)
        self._scopes.pop()

        def run(f: Frame) -> Any:
            f.slots[slot] = init(f)
            return inner(f)

        return run

    def _slot(self) -> int:
        self.slots += 1
        return self.slots - 1


def _local(slot: int) -> Run:
    def run(f: Frame) -> Any:
        f.cost += 1
        return f.slots[slot]

    return run


def _global(name: str, convert: Callable[[Any], Any] | None) -> Run:
    def run(f: Frame) -> Any:
        f.cost += 1
        try:
            value = f.variables[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        return convert(value) if convert else value

    return run


def _chain(operand: Run, keys: tuple[str, ...], extra: int) -> Run:
    cost = len(keys) + extra

    def run(f: Frame) -> Any:
        value = operand(f)
        f.cost += cost
        for key in keys:
            if type(value) is dict:
                try:
                    value = value[key]
                except KeyError:
                    raise EvaluationError(f"no such key: {key}") from None
            else:
                value = field_of(value, key)
        return value

    return run


Step = tuple[str, Any, bool]  # the key, how its value is converted, whether null means absent


def _converted_chain(operand: Run, steps: tuple[Step, ...], extra: int) -> Run:
    cost = len(steps) + extra

    def run(f: Frame) -> Any:
        value = operand(f)
        f.cost += cost
        for key, convert, null_is_absent in steps:
            value = field_of(value, key)
            if value is None and null_is_absent:
                raise EvaluationError(f"no such key: {key}")
            if convert:
                value = convert(value)
        return value

    return run


def field_of(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        if key in value:
            return value[key]
        raise EvaluationError(f"no such key: {key}")
    if isinstance(value, LazyObject):
        return value.get(key)
    if isinstance(value, Optional):
        return optional_field(value, key)
    raise no_such_overload()


def has_field(value: Any, key: str) -> bool:
    if isinstance(value, Optional):
        return value.present and has_field(value.value, key)
    if isinstance(value, dict):
        return key in value
    if isinstance(value, LazyObject):
        return key in value.names
    raise no_such_overload()


def optional_field(value: Any, key: str) -> Optional:
    if isinstance(value, Optional):
        return optional_field(value.value, key) if value.present else NONE
    return Optional(field_of(value, key), True) if has_field(value, key) else NONE


def _optional(value: Any) -> Optional:
    if isinstance(value, Optional):
        return value
    raise EvaluationError("cannot initialize optional entry from non-optional value")


class LazyObject(Extension):
    """An object whose fields are computed when an expression asks for them: `variables` of a policy."""

    cel_type = t.Type("object", (), "kubernetes.variables")
    __slots__ = ("_get", "names")

    def __init__(self, names: frozenset[str], get: Callable[[str], Any]) -> None:
        self.names, self._get = names, get

    def get(self, name: str) -> Any:
        if name in self.names:
            return self._get(name)
        raise EvaluationError(f"no such key: {name}")
