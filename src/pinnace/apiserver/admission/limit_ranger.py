"""LimitRanger: gives containers a namespace's defaults, and keeps containers, pods and claims within its limits.

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/limitranger/admission.go
"""

from pinnace.api import resources as r
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.admission.stored import objects_in
from pinnace.apiserver.registry.catalog import Registries


class LimitRanger(BasePlugin):
    name = "LimitRanger"
    subresources = ("resize",)
    validates = ("CREATE", "UPDATE")

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        if not _is_about_pods(admission) or not (ranges := await self._ranges(admission)):
            return
        from pinnace.apiserver.admission.limits import set_defaults

        for limit_range in ranges:
            set_defaults(admission.object or {}, limit_range)

    async def validate(self, admission: Admission) -> None:
        is_about_pods = _is_about_pods(admission)
        if not is_about_pods and not admission.is_create_of("persistentvolumeclaims"):
            return
        if admission.object is None or not (ranges := await self._ranges(admission)):
            return
        from pinnace.apiserver.admission.limits import claim_violations, pod_violations

        violations = pod_violations if is_about_pods else claim_violations
        for limit_range in ranges:
            found = list(dict.fromkeys(violations(admission.object, limit_range)))
            if found:
                raise refused(admission, found[0] if len(found) == 1 else f"[{', '.join(found)}]")

    async def _ranges(self, admission: Admission) -> list[Object]:
        return await objects_in(self._registries, r.LIMIT_RANGES, admission.namespace)


def _is_about_pods(admission: Admission) -> bool:
    """New pods and resized ones: nothing else can change what containers get."""
    if admission.object is None:
        return False
    if admission.operation == "UPDATE":
        return admission.is_for("pods", subresource="resize")
    return admission.is_create_of("pods")
