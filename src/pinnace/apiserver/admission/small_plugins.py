"""Plugins that need nothing but the object: off by default, as upstream."""

from collections.abc import Iterator

from pinnace.api.core import resource_names
from pinnace.api.core.tolerations import merged
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import EVERY_OPERATION, BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.registry.catalog import Registries

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_HOST = "kubernetes.io/hostname"


class _Stateless(BasePlugin):
    def __init__(self, registries: Registries) -> None:
        pass


class AlwaysAdmit(_Stateless):
    """Only so that the name is known; there is nothing it could do."""

    name = "AlwaysAdmit"


class AlwaysDeny(_Stateless):
    name = "AlwaysDeny"
    admits = validates = EVERY_OPERATION

    async def admit(self, admission: Admission) -> None:
        raise refused(admission, "admission control is denying all modifications")

    async def validate(self, admission: Admission) -> None:
        raise refused(admission, "admission control is denying all modifications")


class AlwaysPullImages(_Stateless):
    """Whoever may use a node's images must be able to pull them."""

    name = "AlwaysPullImages"

    async def admit(self, admission: Admission) -> None:
        for _, container in _new_containers(admission):
            container["imagePullPolicy"] = "Always"

    async def validate(self, admission: Admission) -> None:
        for path, container in _new_containers(admission):
            policy = container.get("imagePullPolicy", "")
            if policy != "Always":
                why = f'Unsupported value: "{policy}": supported values: "Always"'
                raise refused(admission, f"{path}.imagePullPolicy: {why}")


def _new_containers(admission: Admission) -> Iterator[tuple[str, Object]]:
    """Of pods that are created, or whose images change."""
    if admission.object is None or admission.resource.gvr.resource != "pods" or admission.resource.gvr.group:
        return
    if admission.subresource not in ("", "ephemeralcontainers"):
        return
    spec = admission.object.get("spec") or {}
    containers = [
        (f"spec.{field}[{index}]", container)
        for field in _CONTAINERS
        for index, container in enumerate(spec.get(field) or ())
    ]
    if admission.operation == "UPDATE":
        before = (admission.old or {}).get("spec") or {}
        known = {container.get("image") for field in _CONTAINERS for container in before.get(field) or ()}
        if all(container.get("image") in known for _, container in containers):
            return
    elif admission.operation != "CREATE":
        return
    yield from containers


class LimitPodHardAntiAffinityTopology(_Stateless):
    name = "LimitPodHardAntiAffinityTopology"

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("pods"):
            return
        affinity = (admission.object.get("spec") or {}).get("affinity") or {}
        terms = (affinity.get("podAntiAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
        for term in terms or ():
            if term.get("topologyKey") != _HOST:
                why = f"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {term.get('topologyKey', '')} but only key {_HOST} is allowed"
                raise refused(admission, why)


class ExtendedResourceToleration(_Stateless):
    """Nodes with a rare resource are tainted with its name: pods that ask for it tolerate that."""

    name = "ExtendedResourceToleration"

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("pods"):
            return
        if admission.operation not in ("CREATE", "UPDATE"):
            return
        spec = admission.object.setdefault("spec", {})
        asked = {
            name
            for field in ("containers", "initContainers")
            for container in spec.get(field) or ()
            for name in (container.get("resources") or {}).get("requests") or ()
            if resource_names.is_extended(name)
        }
        if asked:
            added = [{"key": name, "operator": "Exists", "effect": "NoSchedule"} for name in sorted(asked)]
            spec["tolerations"] = [dict(one) for one in merged(spec.get("tolerations") or (), added)]


class DenyServiceExternalIPs(_Stateless):
    name = "DenyServiceExternalIPs"

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("services"):
            return
        new = set((admission.object.get("spec") or {}).get("externalIPs") or ())
        old = set(((admission.old or {}).get("spec") or {}).get("externalIPs") or ())
        if new - old:
            raise refused(admission, "Use of external IPs is denied by admission control.")
