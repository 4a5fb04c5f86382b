"""ValidatingAdmissionPolicy: judges requests by the CEL expressions of bound policies.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/validating/dispatcher.go
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import EVERY_OPERATION, BasePlugin
from pinnace.apiserver.admission.policies.matching import Matcher, is_exempt
from pinnace.apiserver.admission.policies.params import Misconfigured, collect, row_of
from pinnace.apiserver.admission.policies.source import Binding, Policies, Policy
from pinnace.apiserver.registry.catalog import Registries

if TYPE_CHECKING:
    from pinnace.apiserver.admission.policies.judging import Verdict

_FAILURE = "validation.policy.admission.k8s.io/validation_failure"
_LONGEST_ANNOTATION = 10 * 1024
_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}


class Denial(NamedTuple):
    policy: Policy
    binding: Binding | None
    message: str
    reason: str = ""


class ValidatingAdmissionPolicy(BasePlugin):
    name = "ValidatingAdmissionPolicy"
    validates = EVERY_OPERATION

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._policies = Policies(
            registries,
            r.VALIDATING_ADMISSION_POLICIES,
            r.VALIDATING_ADMISSION_POLICY_BINDINGS,
            is_mutation=False,
        )
        self._matcher = Matcher(registries)

    async def validate(self, admission: Admission) -> None:
        policies = await self._policies.bound()
        if not policies or is_exempt(admission):
            return
        denials: list[Denial] = []
        for policy in policies:
            await self._apply(policy, admission, denials)
        if denials:
            raise _refusal(admission, denials[0])

    async def _apply(self, policy: Policy, admission: Admission, denials: list[Denial]) -> None:
        try:
            seen_as = await self._matcher.match(policy.resources, admission)
            if seen_as is None:
                return
            param_row = row_of(self._registries, policy)
        except (Misconfigured, errors.StatusError) as error:
            _misconfigured(policy, None, error, denials)
            return
        from pinnace.apiserver.admission.policies.evaluation import Inputs
        from pinnace.apiserver.admission.policies.judging import judge

        inputs, notes = Inputs(self._registries, admission), dict[str, list[str]]()
        for binding in policy.bindings:
            try:
                if await self._matcher.match(binding.resources, admission) is None:
                    continue
                params = await collect(self._registries, param_row, binding, admission.namespace)
            except (Misconfigured, errors.StatusError) as error:
                _misconfigured(policy, binding, error, denials)
                continue
            await inputs.load()
            for param in params:
                verdict = await judge(inputs, policy, await inputs.values(seen_as, param))
                self._act(policy, binding, verdict, admission, denials)
                for key, value in verdict.annotations:
                    if value not in notes.setdefault(key, []):
                        notes[key].append(value[:_LONGEST_ANNOTATION])
        for key, values in notes.items():
            admission.annotate(f"{policy.name}/{key}", ", ".join(values))

    def _act(
        self,
        policy: Policy,
        binding: Binding,
        verdict: "Verdict",
        admission: Admission,
        denials: list[Denial],
    ) -> None:
        actions = binding.spec.get("validationActions") or ()
        for finding in verdict.findings:
            failed = "no_error" if finding.reason else "invalid_error"
            for action in actions:
                self._registries.policy_checks[policy.name, binding.name, action.lower(), failed] += 1
                if action == "Deny":
                    denials.append(Denial(policy, binding, finding.message, finding.reason))
                elif action == "Warn":
                    admission.warn(
                        f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding "
                        f"'{binding.name}': {finding.message}"
                    )
                elif action == "Audit":
                    note: dict[str, Any] = {
                        "message": finding.message, "policy": policy.name, "binding": binding.name,
                        "expressionIndex": finding.index, "validationActions": list(actions),
                    }  # fmt: skip
                    admission.annotate(_FAILURE, orjson.dumps([note]).decode())
        denials += [Denial(policy, binding, problem) for problem in verdict.annotation_problems]


def _misconfigured(policy: Policy, binding: Binding | None, error: Exception, denials: list[Denial]) -> None:
    if policy.ignores_failure:
        return
    what = "policy" if binding is None else "binding"
    denials.append(Denial(policy, binding, f"failed to configure {what}: {error}"))


def _refusal(admission: Admission, denial: Denial) -> errors.StatusError:
    from pinnace.apiserver.admission.policies.evaluation import refused

    bound = f" with binding '{denial.binding.name}'" if denial.binding else ""
    message = f"ValidatingAdmissionPolicy '{denial.policy.name}'{bound} denied request: {denial.message}"
    error = refused(admission, message)
    error.causes = (*error.causes, Cause("", message))
    error.reason = denial.reason or "Invalid"
    error.code = _CODES.get(error.reason, 422)
    return error
