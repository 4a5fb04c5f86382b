"""Evaluating the expressions of policies and match conditions for one request.

Programs are synchronous, authorization is not: an expression that asks a question nobody has answered yet stops, the question
is answered, and the expression runs again. Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/cel
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery import cel, errors
from pinnace.apimachinery.cel.library.authorization import ResourceCheck
from pinnace.apimachinery.gvk import GVK, GVR
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.concerned import namespace_of
from pinnace.apiserver.admission.policies.compiled import Compiled, Expression
from pinnace.apiserver.admission.webhooks.calls import converted
from pinnace.apiserver.admission.webhooks.reviews import kind_in
from pinnace.apiserver.authn.user import AUTHENTICATED, User
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.registry.catalog import Registries

Object = Mapping[str, Any]
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_SHOWN_METADATA = (
    "name", "generateName", "namespace", "labels", "annotations", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers",
)  # fmt: skip


class _Unanswered(Exception):
    def __init__(self, question: cel.Question) -> None:
        self.question = question


class Failed(Exception):
    """An expression failed, in upstream's words."""


class OutOfBudget(Failed):
    """The request has no budget left: nothing more is evaluated."""


class Authorizations:
    """Answers of the authorizer, each asked for once per request."""

    def __init__(self, registries: Registries, user: User) -> None:
        self._registries, self._user = registries, user
        self._answers: dict[cel.Question, cel.Decision] = {}

    def decide(self, question: cel.Question) -> cel.Decision:
        if question not in self._answers:
            raise _Unanswered(question)
        return self._answers[question]

    async def answer(self, question: cel.Question) -> None:
        user = self._user
        if question.service_account is not None:
            namespace, name = question.service_account
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
            user = User(f"system:serviceaccount:{namespace}:{name}", groups)
        asked = Attributes(
            user, question.verb, not question.path, question.group, "*" if not question.path else "", question.resource,
            question.namespace, question.name, question.subresource, question.path,
        )  # fmt: skip
        decision = await self._registries.authorizer.authorize(asked)
        self._answers[question] = cel.Decision(decision.allowed, decision.reason)


class Inputs:
    """What the expressions of one request see; the object is that of the moment, since mutations change it."""

    def __init__(self, registries: Registries, admission: Admission) -> None:
        self._registries, self._admission = registries, admission
        self._authorizations = Authorizations(registries, admission.user)
        self._namespace: Object | None = None

    async def load(self) -> None:
        """Raises NotFound when the namespace is missing."""
        admission = self._admission
        namespace = "" if admission.resource.gvr == r.NAMESPACES else admission.namespace
        if namespace and self._namespace is None:
            item = await self._registries.of(r.NAMESPACES).storage.get(namespace)
            self._namespace = _shown_namespace(item.obj)

    async def run(self, program: cel.Program, values: Object, budget: cel.Budget) -> Any:
        while True:
            before = budget.remaining
            try:
                return program.evaluate(values, budget)
            except _Unanswered as stopped:
                budget.remaining = before
                await self._authorizations.answer(stopped.question)

    async def values(self, seen_as: Resource, params: Object | None) -> dict[str, Any]:
        admission, row = self._admission, self._admission.resource
        authorizer = cel.Authorizer(self._authorizations.decide)
        question = cel.Question(
            "", group=seen_as.gvr.group, resource=seen_as.gvr.resource, subresource=admission.subresource,
            namespace=admission.namespace, name=admission.name,
        )  # fmt: skip
        return {
            "object": await converted(self._registries, admission.object, row, seen_as),
            "oldObject": await converted(self._registries, admission.old, row, seen_as),
            "request": _request(admission, seen_as),
            "namespaceObject": self._namespace,
            "params": params,
            "authorizer": authorizer,
            "authorizer.requestResource": ResourceCheck(authorizer, question),
        }


class Evaluation:
    """One policy with one set of parameters: its budget, and its variables, each computed at most once."""

    def __init__(
        self,
        inputs: Inputs,
        compiled: Compiled,
        values: dict[str, Any],
        budget: int = cel.RUNTIME_COST_BUDGET,
    ) -> None:
        self._inputs, self._compiled = inputs, compiled
        self._computed: dict[str, Any] = {}
        self._budget = cel.Budget(budget)
        lazy = cel.LazyObject(frozenset(compiled.variables), self._variable)
        self._values = {**values, "variables": lazy}

    async def evaluate(self, expression: Expression) -> Any:
        """Raises Failed, and OutOfBudget when nothing more can be evaluated."""
        return await evaluate(self._inputs, expression, self._values, self._budget)

    def _variable(self, name: str) -> Any:
        if name not in self._computed:
            expression = self._compiled.variables[name]
            if expression.program is None:
                raise cel.EvaluationError(
                    f'composited variable "{name}" fails to compile: {expression.problem}'
                )
            try:
                self._computed[name] = expression.program.evaluate(self._values, self._budget)
            except cel.BudgetExceeded:
                raise
            except cel.EvaluationError as error:
                raise cel.EvaluationError(
                    f'composited variable "{name}" fails to evaluate: {error}'
                ) from error
        return self._computed[name]


async def evaluate(inputs: Inputs, expression: Expression, values: Object, budget: cel.Budget) -> Any:
    if expression.program is None:
        raise Failed(f"compilation error: {expression.problem}")
    try:
        return await inputs.run(expression.program, values, budget)
    except cel.EvaluationError as error:
        if budget.remaining < 0:
            raise OutOfBudget(OUT_OF_BUDGET) from error
        raise Failed(f"expression '{expression.source}' resulted in error: {error}") from error


async def conditions_hold(
    inputs: Inputs, conditions: Sequence[tuple[str, Expression]], values: Object
) -> bool:
    """Whether all match conditions are true. One that is false decides, whatever others failed with; else raises Failed."""
    if not conditions:
        return True
    budget, problems = cel.Budget(cel.MATCH_CONDITIONS_COST_BUDGET), list[str]()
    for _, expression in conditions:
        try:
            if await evaluate(inputs, expression, values, budget) is False:
                return False
        except OutOfBudget:
            raise
        except Failed as error:
            problems.append(str(error))
    if problems:
        raise Failed(problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]")
    return True


def _request(admission: Admission, seen_as: Resource) -> Object:
    row, sub = admission.resource, admission.subresource
    request: dict[str, Any] = {
        "kind": _kind(kind_in(admission, seen_as)),
        "resource": _resource(seen_as.gvr),
        "requestKind": _kind(admission.kind),
        "requestResource": _resource(row.gvr),
        "operation": admission.operation,
        "userInfo": admission.user.as_user_info(),
        "dryRun": admission.dry_run,
        "options": admission.options,
    }
    optional = {
        "subResource": sub, "requestSubResource": sub, "name": admission.name, "namespace": namespace_of(admission)
    }  # fmt: skip
    return request | {key: value for key, value in optional.items() if value}


def _kind(gvk: GVK) -> Object:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def _resource(gvr: GVR) -> Object:
    return {"group": gvr.group, "version": gvr.version, "resource": gvr.resource}


def _shown_namespace(obj: Object) -> Object:
    metadata = obj["metadata"]
    shown = {key: metadata[key] for key in _SHOWN_METADATA if key in metadata}
    return {
        "metadata": {**shown, "UID": metadata.get("uid", "")},
        "spec": obj.get("spec") or {},
        "status": {"phase": (obj.get("status") or {}).get("phase", "")},
    }


def refused(admission: Admission, why: str) -> errors.Forbidden:
    """Upstream's `NewForbidden`: named by the request, else by the object, else `Unknown`."""
    metadata = (admission.object or {}).get("metadata") or {}
    name = admission.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
    gvr = admission.resource.gvr
    return errors.forbidden(gvr.resource, name, why, gvr.group)
