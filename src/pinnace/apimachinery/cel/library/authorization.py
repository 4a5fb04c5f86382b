"""`authorizer`: may the user of this request, or a service account, do something else as well?

The library only collects the question; whoever evaluates passes an `Authorizer` with the function that answers it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import Extension

_NAME = "kubernetes.authorization."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `service_account` is (namespace, name), or None for the user of the request."""

    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Decision(Extension):
    cel_type: ClassVar[Type] = opaque(f"{_NAME}Decision")
    allowed: bool
    reason: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Authorizer(Extension):
    cel_type: ClassVar[Type] = opaque(f"{_NAME}Authorizer")
    decide: Callable[[Question], Decision]
    service_account: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PathCheck(Extension):
    cel_type: ClassVar[Type] = opaque(f"{_NAME}PathCheck")
    authorizer: Authorizer
    path: str


@dataclass(frozen=True, slots=True)
class GroupCheck(Extension):
    cel_type: ClassVar[Type] = opaque(f"{_NAME}GroupCheck")
    authorizer: Authorizer
    group: str


@dataclass(frozen=True, slots=True)
class ResourceCheck(Extension):
    cel_type: ClassVar[Type] = opaque(f"{_NAME}ResourceCheck")
    authorizer: Authorizer
    question: Question


def path(authorizer: Authorizer, text: str) -> PathCheck:
    if not text.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer, text)


def resource(check: GroupCheck, name: str) -> ResourceCheck:
    if not name.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(check.authorizer, Question("", group=check.group, resource=name))


def service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    from pinnace.apimachinery.cel.library.formats import named

    if named("dns1123Subdomain").value.check(name):
        raise EvaluationError("Invalid service account name")
    if named("dns1123Label").value.check(namespace):
        raise EvaluationError("Invalid service account namespace")
    return replace(authorizer, service_account=(namespace, name))


def _ask(check: ResourceCheck, verb: str) -> Decision:
    authorizer = check.authorizer
    return authorizer.decide(replace(check.question, verb=verb, service_account=authorizer.service_account))


def _ask_path(check: PathCheck, verb: str) -> Decision:
    authorizer = check.authorizer
    return authorizer.decide(Question(verb, path=check.path, service_account=authorizer.service_account))


def _with(field: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    def run(check: ResourceCheck, text: str) -> ResourceCheck:
        changed: dict[str, Any] = {field: text}
        return replace(check, question=replace(check.question, **changed))

    return run


_A, _P, _G, _R, _D = (
    f"{_NAME}{name}" for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
ROWS: tuple[Row, ...] = (
    ("path", "authorizer_path", f"{_A}.(string) -> {_P}", path),
    ("group", "authorizer_group", f"{_A}.(string) -> {_G}", GroupCheck),
    ("serviceAccount", "authorizer_serviceaccount", f"{_A}.(string, string) -> {_A}", service_account),
    ("resource", "groupcheck_resource", f"{_G}.(string) -> {_R}", resource),
    ("subresource", "resourcecheck_subresource", f"{_R}.(string) -> {_R}", _with("subresource")),
    ("namespace", "resourcecheck_namespace", f"{_R}.(string) -> {_R}", _with("namespace")),
    ("name", "resourcecheck_name", f"{_R}.(string) -> {_R}", _with("name")),
    ("fieldSelector", "authorizer_fieldselector", f"{_R}.(string) -> {_R}", _with("field_selector")),
    ("labelSelector", "authorizer_labelselector", f"{_R}.(string) -> {_R}", _with("label_selector")),
    ("check", "pathcheck_check", f"{_P}.(string) -> {_D}", _ask_path),
    ("check", "resourcecheck_check", f"{_R}.(string) -> {_D}", _ask),
    ("errored", "decision_errored", f"{_D}.() -> bool", lambda decision: decision.error is not None),
    ("error", "decision_error", f"{_D}.() -> string", lambda decision: decision.error or ""),
    ("allowed", "decision_allowed", f"{_D}.() -> bool", lambda decision: decision.allowed),
    ("reason", "decision_reason", f"{_D}.() -> string", lambda decision: decision.reason),
)
