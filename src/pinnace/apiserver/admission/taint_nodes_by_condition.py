"""TaintNodesByCondition: a new node takes no pods until the node lifecycle controller has found it ready."""

from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(BasePlugin):
    name = "TaintNodesByCondition"

    def __init__(self, registries: Registries) -> None:
        pass

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_create_of("nodes"):
            return
        spec = admission.object.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(
            t.get("key") == NOT_READY["key"] and t.get("effect") == NOT_READY["effect"] for t in taints
        ):
            spec["taints"] = [*taints, dict(NOT_READY)]
