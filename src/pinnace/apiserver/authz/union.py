"""Several authorizers, asked in the order of `--authorization-mode`: the first that allows or denies decides."""

from collections import Counter
from collections.abc import Sequence

from pinnace.apiserver.authn.user import MASTERS, User
from pinnace.apiserver.authz.attributes import NO_OPINION, Attributes, Decision
from pinnace.apiserver.authz.rbac import Authorizer
from pinnace.apiserver.authz.rules import Rule

_ALLOW = Decision(True)


class Union:
    """`system:masters` may do everything, whatever the modes are, as upstream."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)
        self.decisions: Counter[tuple[str, str]] = Counter()  # kind of the authorizer that decided, decision

    async def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return _ALLOW
        reasons, problems = [], []
        for authorizer in self._authorizers:
            decision = await authorizer.authorize(attributes)
            if decision.allowed or decision.denied:
                self.decisions[type(authorizer).__name__, "allowed" if decision.allowed else "denied"] += 1
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                problems.append(decision.error)
        if not reasons and not problems:
            return NO_OPINION
        return Decision(False, "\n".join(reasons), error=", ".join(problems))

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return [rule for each in self._authorizers for rule in await each.rules_of(user, namespace)]

    def unresolved(self, user: User) -> str:
        return ", ".join(filter(None, (each.unresolved(user) for each in self._authorizers)))


class AlwaysDeny:
    """`--authorization-mode=AlwaysDeny`: for tests of clients."""

    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(False, "Everything is forbidden.")

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return []

    def unresolved(self, user: User) -> str:
        return ""
