"""Which checks a level and version ask for, and what a pod violates of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pinnace.api.meta import Object
from pinnace.api.pod_security import baseline, restricted
from pinnace.api.pod_security.levels import PRIVILEGED, RESTRICTED, LevelVersion
from pinnace.api.pod_security.subject import Check, Subject, Versions, Violation


@dataclass(frozen=True, slots=True)
class Result:
    violations: tuple[Violation, ...] = ()

    @property
    def allowed(self) -> bool:
        return not self.violations

    @property
    def reasons(self) -> str:
        return ", ".join(one.reason for one in self.violations)

    @property
    def details(self) -> str:
        return ", ".join(
            f"{one.reason} ({one.detail})" if one.detail else one.reason for one in self.violations
        )


def evaluate(policy: LevelVersion, metadata: Object, spec: Object) -> Result:
    if policy.level == PRIVILEGED:
        return Result()
    subject = Subject(metadata, spec)
    found = (check(subject) for check in _checks(policy.level, policy.version))
    return Result(tuple(one for one in found if one is not None))


def _checks(level: str, version: int) -> Sequence[Check]:
    """Baseline first, each group by name. A restricted check may stand in for a laxer one of the baseline."""
    strict: dict[str, Check] = {}
    replaced: set[str] = set()
    if level == RESTRICTED:
        for name, (versions, replaces) in restricted.CHECKS.items():
            if (check := _as_of(versions, version)) is not None:
                strict[name] = check
                replaced |= replaces
    basic = [
        check
        for name, versions in baseline.CHECKS.items()
        if name not in replaced and (check := _as_of(versions, version)) is not None
    ]
    return [*basic, *strict.values()]


def _as_of(versions: Versions, version: int) -> Check | None:
    """The newest edition of a check that is not younger than the version."""
    known = [check for since, check in versions if since <= version]
    return known[-1] if known else None
