"""RuntimeClass: a pod gets the overhead, node selector and tolerations of its class, and no others' overhead."""

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.registry.catalog import Registries

_DIFFERS = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_UNFOUNDED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(BasePlugin):
    name = "RuntimeClass"
    subresources = ()

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_create_of("pods"):
            return
        spec = admission.object.setdefault("spec", {})
        runtime_class = await self._class_of(admission, spec)
        if runtime_class is None:
            return
        if fixed := _overhead(runtime_class):
            if spec.get("overhead") is not None and not _same(spec["overhead"], fixed):
                raise refused(admission, _DIFFERS)
            spec["overhead"] = dict(fixed)
        if scheduling := runtime_class.get("scheduling"):
            _place(admission, spec, scheduling)

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_create_of("pods"):
            return
        spec = admission.object.get("spec") or {}
        runtime_class = await self._class_of(admission, spec)
        fixed = _overhead(runtime_class) if runtime_class is not None else None
        if fixed:
            if not _same(spec.get("overhead"), fixed):
                raise refused(admission, _DIFFERS)
        elif spec.get("overhead"):
            raise refused(admission, _UNFOUNDED)

    async def _class_of(self, admission: Admission, spec: Object) -> Object | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        try:
            return (await self._registries.of(r.RUNTIME_CLASSES).storage.get(name)).obj
        except errors.NotFound:
            raise refused(admission, f'pod rejected: RuntimeClass "{name}" not found') from None


def _overhead(runtime_class: Object) -> dict[str, str] | None:
    return (runtime_class.get("overhead") or {}).get("podFixed")


def _same(one: dict[str, str] | None, other: dict[str, str]) -> bool:
    from pinnace.api.quota.amounts import parsed

    return parsed(one) == parsed(other)


def _place(admission: Admission, spec: Object, scheduling: Object) -> None:
    from pinnace.api.core.tolerations import merged

    selector = dict(spec.get("nodeSelector") or {})
    for key, value in sorted((scheduling.get("nodeSelector") or {}).items()):
        if selector.get(key, value) != value:
            why = f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {selector[key]}"
            raise refused(admission, why)
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    if tolerations := merged(spec.get("tolerations") or (), scheduling.get("tolerations") or ()):
        spec["tolerations"] = [dict(one) for one in tolerations]
