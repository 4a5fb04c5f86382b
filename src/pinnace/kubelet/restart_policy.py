"""Whether an ended container runs again: the pod's policy, a container's own, and its rules by exit code. Pure."""

from typing import Any

from pinnace.api.meta import Object
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus


def policy_of(pod: Object, container: dict[str, Any]) -> str:
    return container.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"


def should_restart(pod: Object, container: dict[str, Any], status: ContainerStatus | None) -> bool:
    """For app containers; also true for one that never started. `status` is the newest attempt."""
    if status is None or status.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    if status.state == ContainerState.RUNNING:
        return False
    return restarts_after(pod, container, status.exit_code)


def restarts_after(pod: Object, container: dict[str, Any], exit_code: int) -> bool:
    for rule in container.get("restartPolicyRules") or ():
        if _matches(rule.get("exitCodes") or {}, exit_code):
            return rule.get("action") == "Restart"
    policy = policy_of(pod, container)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _matches(exit_codes: dict[str, Any], code: int) -> bool:
    listed = code in (exit_codes.get("values") or ())
    return listed if exit_codes.get("operator") == "In" else not listed
