"""MutatingAdmissionPolicy: changes objects by the CEL expressions of bound policies.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/mutating/dispatcher.go
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import orjson

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.admission.attributes import Admission, Operation
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.policies.matching import Matcher, is_exempt
from pinnace.apiserver.admission.policies.params import Misconfigured, collect, row_of
from pinnace.apiserver.admission.policies.source import Binding, Policies, Policy
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
Key = tuple[str, str, str, str]


class Invocation(NamedTuple):
    policy: Policy
    binding: Binding
    seen_as: Resource
    params: Mapping[str, Any] | None

    @property
    def key(self) -> Key:
        metadata = (self.params or {}).get("metadata") or {}
        return self.policy.name, self.binding.name, metadata.get("namespace", ""), metadata.get("name", "")


class Problem(NamedTuple):
    policy: Policy
    binding: Binding | None
    message: str
    reason: str = ""

    def __str__(self) -> str:
        if self.binding is None:
            return f"policy '{self.policy.name}' denied request: {self.message}"
        return (
            f"policy '{self.policy.name}' with binding '{self.binding.name}' denied request: {self.message}"
        )


@dataclass(slots=True)
class Rounds:
    """Which invocations may be repeated, which must be, and the object as the last of them left it."""

    invoked: set[Key] = field(default_factory=set)
    again: set[Key] = field(default_factory=set)
    left: bytes = b""

    def require_again(self) -> None:
        self.again |= self.invoked
        self.invoked.clear()


class MutatingAdmissionPolicy(BasePlugin):
    name = "MutatingAdmissionPolicy"
    admits: ClassVar[tuple[Operation, ...]] = ("CREATE", "UPDATE", "CONNECT")

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._policies = Policies(
            registries, r.MUTATING_ADMISSION_POLICIES, r.MUTATING_ADMISSION_POLICY_BINDINGS, is_mutation=True
        )
        self._matcher = Matcher(registries)

    async def admit(self, admission: Admission) -> None:
        policies = await self._policies.bound()
        if not policies or is_exempt(admission):
            return
        problems: list[Problem] = []
        invocations = [one for policy in policies for one in await self._select(policy, admission, problems)]
        if invocations:
            await self._invoke_all(invocations, admission, problems)
        fatal = [problem for problem in problems if not problem.policy.ignores_failure]
        if fatal:
            raise _refusal(admission, fatal)

    async def _select(
        self, policy: Policy, admission: Admission, problems: list[Problem]
    ) -> list[Invocation]:
        found: list[Invocation] = []
        try:
            seen_as = await self._matcher.match(policy.resources, admission)
            if seen_as is None:
                return found
            param_row = row_of(self._registries, policy)
        except (Misconfigured, errors.StatusError) as error:
            problems.append(Problem(policy, None, f"failed to configure policy: {error}"))
            return found
        for binding in policy.bindings:
            try:
                if await self._matcher.match(binding.resources, admission) is not None:
                    for params in await collect(self._registries, param_row, binding, admission.namespace):
                        found.append(Invocation(policy, binding, seen_as, params))
            except (Misconfigured, errors.StatusError) as error:
                problems.append(Problem(policy, binding, f"failed to configure binding: {error}"))
        return found

    async def _invoke_all(
        self, invocations: list[Invocation], admission: Admission, problems: list[Problem]
    ) -> None:
        from pinnace.apiserver.admission.policies.evaluation import Failed, Inputs, conditions_hold

        again = admission.again()
        rounds: Rounds = again.notes.setdefault(self.name, Rounds())
        if again.running and rounds.left != _bytes(admission.object):
            rounds.require_again()  # somebody changed the object after the policies had seen it
        inputs = Inputs(self._registries, admission)
        await inputs.load()
        for one in invocations:
            values = await inputs.values(one.seen_as, one.params)
            try:
                if not await conditions_hold(inputs, one.policy.compiled.conditions, values):
                    continue
            except Failed as error:
                problems.append(Problem(one.policy, one.binding, str(error), "Invalid"))
                continue
            if again.running and one.key not in rounds.again:
                continue
            before = _bytes(admission.object)
            await self._mutate(one, inputs, admission, problems)
            if _bytes(admission.object) != before:
                rounds.require_again()
                again.requested = True
            if one.policy.spec.get("reinvocationPolicy") == "IfNeeded":
                rounds.invoked.add(one.key)
        rounds.left = _bytes(admission.object)

    async def _mutate(
        self, one: Invocation, inputs: Any, admission: Admission, problems: list[Problem]
    ) -> None:
        """All mutations of a policy, in order, each on what the one before it made."""
        from pinnace.apiserver.admission.policies import mutating
        from pinnace.apiserver.admission.policies.evaluation import Evaluation, Failed

        for mutation, expression in zip(
            one.policy.spec["mutations"], one.policy.compiled.mutations, strict=True
        ):
            if admission.object is None:
                return
            values = await inputs.values(one.seen_as, one.params)
            try:
                result = await Evaluation(inputs, one.policy.compiled, values).evaluate(expression)
                if mutation.get("patchType") == "JSONPatch":
                    new = mutating.patched(values["object"], result)
                else:
                    schema = self._registries.of(one.seen_as.gvr).schema
                    new = mutating.apply_configuration(values["object"], result, schema)
                await self._replace(admission, new, one.seen_as)
            except Failed as error:
                problems.append(Problem(one.policy, one.binding, str(error), "Invalid"))

    async def _replace(self, admission: Admission, new: Object, seen_as: Resource) -> None:
        """The object is changed in place: whoever holds it sees the change."""
        from pinnace.apiserver.admission.webhooks.calls import converted

        obj = admission.object
        back = await converted(self._registries, new, seen_as, admission.resource)
        assert obj is not None
        assert back is not None
        if back is obj:
            return
        admission.default(back)
        content = dict(back)
        obj.clear()
        obj.update(content)


def _bytes(obj: Object | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


def _refusal(admission: Admission, problems: list[Problem]) -> errors.StatusError:
    from pinnace.apiserver.admission.policies.evaluation import refused

    error = refused(admission, "admission request denied by policy")
    error.message = str(problems[0])
    error.reason = problems[0].reason or error.reason
    error.causes = tuple(Cause("", str(problem)) for problem in problems)
    return error
