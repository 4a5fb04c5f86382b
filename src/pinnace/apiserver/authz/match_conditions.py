"""Match conditions of a webhook authorizer: CEL over the SubjectAccessReview's spec decides whether it is asked at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinnace.apimachinery import cel
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authz.attributes import NO_OPINION, Attributes, Decision
from pinnace.apiserver.authz.rbac import Authorizer
from pinnace.apiserver.authz.rules import Rule
from pinnace.apiserver.authz.webhook import review_spec
from pinnace.apiserver.config_files import ConfigFileError, reject_unknown

_MOST = 64
_TEXTS = cel.list_of(cel.STRING)
_RESOURCE_FIELDS = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def _object(name: str, /, **fields: cel.Type) -> cel.Type:
    return cel.object_type(f"kubernetes.{name}", {key: cel.Field(kind, key) for key, kind in fields.items()})


_REQUIREMENT = _object("SelectorRequirement", key=cel.STRING, operator=cel.STRING, values=_TEXTS)
_SELECTOR = _object("SelectorAttributes", rawSelector=cel.STRING, requirements=cel.list_of(_REQUIREMENT))
_REQUEST = _object(
    "SubjectAccessReviewSpec",
    resourceAttributes=_object(
        "ResourceAttributes", **dict.fromkeys(_RESOURCE_FIELDS, cel.STRING), fieldSelector=_SELECTOR,
        labelSelector=_SELECTOR,
    ),
    nonResourceAttributes=_object("NonResourceAttributes", path=cel.STRING, verb=cel.STRING),
    user=cel.STRING, groups=_TEXTS, extra=cel.map_of(cel.STRING, _TEXTS), uid=cel.STRING,
)  # fmt: skip


class Conditional:
    """Asks the authorizer behind it when every condition is true; one that is false means no opinion."""

    def __init__(self, inner: Authorizer, conditions: list[cel.Program], *, deny_on_failure: bool) -> None:
        self._inner, self._conditions, self._deny_on_failure = inner, conditions, deny_on_failure

    async def authorize(self, attributes: Attributes) -> Decision:
        budget = cel.Budget(cel.MATCH_CONDITIONS_COST_BUDGET)
        variables, problems = {"request": _complete(review_spec(attributes))}, []
        for condition in self._conditions:
            try:
                if not condition.evaluate(variables, budget):
                    return NO_OPINION
            except cel.EvaluationError as error:
                problems.append(f"expression {condition.source!r}: {error}")
        if problems:
            return Decision(False, denied=self._deny_on_failure, error="; ".join(problems))
        return await self._inner.authorize(attributes)

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return await self._inner.rules_of(user, namespace)

    def unresolved(self, user: User) -> str:
        return self._inner.unresolved(user)


def _complete(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Texts that are not there read as empty, as those of upstream's typed request."""
    made = {"uid": "", "extra": {}, **spec}
    if "resourceAttributes" in spec:
        made["resourceAttributes"] = {**dict.fromkeys(_RESOURCE_FIELDS, ""), **spec["resourceAttributes"]}
    return made


def conditional(
    path: Path, where: str, entries: Any, inner: Authorizer, *, deny_on_failure: bool
) -> Authorizer:
    """Raises ConfigFileError."""
    if len(entries) > _MOST:
        raise ConfigFileError(path, f"{where}: Too many: {len(entries)}: must have at most {_MOST} items")
    environment, programs = cel.Environment({"request": _REQUEST}), []
    for number, entry in enumerate(entries):
        at, source = f"{where}[{number}].expression", str(entry.get("expression") or "")
        reject_unknown(path, f"{where}[{number}]", entry, ("expression",))
        if not source.strip():
            raise ConfigFileError(path, f"{at}: Required value")
        try:
            programs.append(environment.compile(source, cel.BOOL))
        except cel.CompileError as error:
            raise ConfigFileError(
                path, f'{at}: Invalid value: "{source}": compilation failed: {error}'
            ) from None
    return Conditional(inner, programs, deny_on_failure=deny_on_failure)
