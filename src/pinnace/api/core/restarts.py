"""Whether an ended container runs again: the pod's policy, a container's own, and its rules by exit code. Pure."""

from collections.abc import Mapping
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object

ALL = "RestartAllContainers"


def policy_of(pod: Object, container: Mapping[str, Any]) -> str:
    return container.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"


def restarts_after(pod: Object, container: Mapping[str, Any], exit_code: int) -> bool:
    if rule := matching_rule(container, exit_code):
        return rule.get("action") in ("Restart", ALL)
    policy = policy_of(pod, container)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def may_restart_all(pod: Object) -> bool:
    """Whether the end of some container may start the whole pod anew."""
    return any(
        rule.get("action") == ALL
        for container in (*pods.init_containers(pod), *pods.containers(pod))
        for rule in container.get("restartPolicyRules") or ()
    )


def matching_rule(container: Mapping[str, Any], exit_code: int) -> Mapping[str, Any] | None:
    """The first that matches."""
    for rule in container.get("restartPolicyRules") or ():
        if _matches(rule.get("exitCodes") or {}, exit_code):
            found: Mapping[str, Any] = rule
            return found
    return None


def _matches(exit_codes: Mapping[str, Any], code: int) -> bool:
    listed = code in (exit_codes.get("values") or ())
    return listed if exit_codes.get("operator") == "In" else not listed
