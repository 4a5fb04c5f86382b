"""podFailurePolicy: what a failed pod means for its Job, by exit codes of its containers and conditions of the pod."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """`action` is that of the first rule that matches; without one the failure counts."""

    action: str = ""
    message: str = ""  # why the Job fails, for FailJob

    @property
    def counts(self) -> bool:
        """Towards backoffLimit and backoffLimitPerIndex."""
        return self.action != "Ignore"


def match(policy: Mapping[str, Any] | None, pod: Object) -> Match:
    for at, rule in enumerate((policy or {}).get("rules") or ()):
        why = _exit_code(rule, pod) if rule.get("onExitCodes") else _condition(rule, pod)
        if why:
            action = rule["action"]
            return Match(action, f"{why} matching {action} rule at index {at}" if action == "FailJob" else "")
    return Match()


def _exit_code(rule: Rule, pod: Object) -> str:
    status, wanted = pod.get("status") or {}, rule["onExitCodes"]
    for statuses in (status.get("containerStatuses"), status.get("initContainerStatuses")):
        for name, code in _exits(statuses or ()):
            named = wanted.get("containerName")
            if code and named in (None, name) and (code in wanted["values"]) == (wanted["operator"] == "In"):
                return f"Container {name} for pod {meta.key_text(pod)} failed with exit code {code}"
    return ""


def _exits(statuses: Iterable[Object]) -> Iterable[tuple[str, int]]:
    for status in statuses:
        ended = (status.get("state") or {}).get("terminated")
        if ended is not None:
            yield status["name"], ended.get("exitCode", 0)


def _condition(rule: Rule, pod: Object) -> str:
    patterns = {(one.get("type"), one.get("status")) for one in rule.get("onPodConditions") or ()}
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if (condition.get("type"), condition.get("status")) in patterns:
            return f"Pod {meta.key_text(pod)} has condition {condition['type']}"
    return ""
