"""Whether a container of the runtime runs again, and whether its end starts the whole pod anew. Pure."""

from typing import Any

from pinnace.api.core import pods
from pinnace.api.core.restarts import ALL, matching_rule, may_restart_all, policy_of, restarts_after
from pinnace.api.meta import Object
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus
from pinnace.kubelet.pod_runtime import PodRuntime

__all__ = ["may_restart_all", "policy_of", "restarts_after", "should_restart", "trigger_of_all"]


def should_restart(pod: Object, container: dict[str, Any], status: ContainerStatus | None) -> bool:
    """For app containers; also true for one that never started. `status` is the newest attempt."""
    if status is None or status.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    if status.state == ContainerState.RUNNING:
        return False
    return restarts_after(pod, container, status.exit_code)


def trigger_of_all(pod: Object, runtime: PodRuntime) -> ContainerStatus | None:
    """The ended container because of which all shall start anew; once they have been removed there is none."""
    for container in (*pods.init_containers(pod), *pods.containers(pod)):
        if not container.get("restartPolicyRules"):
            continue
        status = runtime.newest(container["name"])
        if status is not None and status.state == ContainerState.EXITED:
            rule = matching_rule(container, status.exit_code)
            if rule and rule.get("action") == ALL:
                return status
    return None
