"""Priority: a pod's number and preemption policy from its priority class; at most one class is the default."""

from pinnace.api import resources as r
from pinnace.api.scheduling.priorityclasses import PREEMPT
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.admission.stored import objects_in
from pinnace.apiserver.registry.catalog import Registries

_DEFAULT = 0
_KEPT = ("priority", "preemptionPolicy")


class Priority(BasePlugin):
    name = "Priority"
    subresources = ()

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._known: tuple[tuple[int, int], Object | None] | None = None  # the default, and of which classes

    async def admit(self, admission: Admission) -> None:
        pod = admission.object
        if pod is None or not admission.is_for("pods"):
            return
        spec = pod.setdefault("spec", {})
        if admission.operation == "UPDATE":
            before = (admission.old or {}).get("spec") or {}
            for field in _KEPT:
                if spec.get(field) is None and before.get(field) is not None:
                    spec[field] = before[field]
        elif admission.operation == "CREATE":
            await self._resolve(admission, spec)

    async def _resolve(self, admission: Admission, spec: Object) -> None:
        name = spec.get("priorityClassName") or ""
        found = await (self._named(admission, name) if name else self._default())
        value, policy = _DEFAULT, PREEMPT
        if found is not None:
            spec["priorityClassName"] = found["metadata"]["name"]
            value, policy = found.get("value", 0), found.get("preemptionPolicy") or PREEMPT
        if spec.get("priority") not in (None, value):
            why = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
            raise refused(admission, why)
        if spec.get("preemptionPolicy") not in (None, policy):
            why = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            raise refused(admission, why)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    async def _named(self, admission: Admission, name: str) -> Object:
        try:
            return (await self._registries.of(r.PRIORITY_CLASSES).storage.get(name)).obj
        except errors.NotFound:
            raise refused(admission, f"no PriorityClass with name {name} was found") from None

    async def _default(self) -> Object | None:
        """Several defaults can only come from a race: then the least important counts."""
        cache = self._registries.of(r.PRIORITY_CLASSES).storage.cache
        version = (cache.changed_at, len(cache.contents))
        if self._known is None or self._known[0] != version or not cache.revision:
            classes = await objects_in(self._registries, r.PRIORITY_CLASSES)
            version = (cache.changed_at, len(cache.contents))
            marked = (one for one in classes if one.get("globalDefault"))
            self._known = (version, min(marked, key=lambda one: one.get("value", 0), default=None))
        return self._known[1]

    async def validate(self, admission: Admission) -> None:
        new = admission.object
        if new is None or not admission.is_for("priorityclasses", "scheduling.k8s.io"):
            return
        if not new.get("globalDefault"):
            return
        marked = await self._default()
        if marked is not None and marked["metadata"]["name"] != new["metadata"].get("name"):
            why = f"PriorityClass {marked['metadata']['name']} is already marked as default. Only one default can exist"
            raise refused(admission, why)
