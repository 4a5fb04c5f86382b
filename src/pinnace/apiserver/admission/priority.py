"""Priority: a pod's number from its priority class.

Knows the two built-in classes; the PriorityClass kind comes with a later issue.
"""

from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_DEFAULT, _POLICY = 0, "PreemptLowerPriority"


class Priority(BasePlugin):
    name = "Priority"

    def __init__(self, registries: Registries) -> None:
        pass

    async def admit(self, admission: Admission) -> None:
        pod = admission.object
        if pod is None or not admission.is_for("pods"):
            return
        spec = pod.setdefault("spec", {})
        if admission.operation == "UPDATE":
            for field in ("priority", "preemptionPolicy"):
                old = ((admission.old or {}).get("spec") or {}).get(field)
                if spec.get(field) is None and old is not None:
                    spec[field] = old
            return
        if admission.operation != "CREATE":
            return
        name = spec.get("priorityClassName") or ""
        if name and name not in BUILT_IN:
            raise errors.forbidden("pods", admission.name, f"no PriorityClass with name {name} was found")
        value = BUILT_IN.get(name, _DEFAULT)
        if spec.get("priority") not in (None, value):
            why = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
            raise errors.forbidden("pods", admission.name, why)
        if spec.get("preemptionPolicy") not in (None, _POLICY):
            why = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; priority admission controller computed {_POLICY} from the given PriorityClass name"
            raise errors.forbidden("pods", admission.name, why)
        spec["priority"], spec["preemptionPolicy"] = value, _POLICY
