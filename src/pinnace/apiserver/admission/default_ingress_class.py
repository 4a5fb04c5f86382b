"""DefaultIngressClass: an ingress that names no class gets the one that is marked as default."""

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

MARK = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass(BasePlugin):
    name = "DefaultIngressClass"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        ingress = admission.object
        if ingress is None or not admission.is_create_of("ingresses", "networking.k8s.io"):
            return
        annotations = ingress["metadata"].get("annotations") or {}
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD_CLASS in annotations:
            return
        try:
            stored = await self._registries.of(r.INGRESS_CLASSES).storage.list()
        except errors.StatusError as error:
            raise errors.forbidden("ingresses", admission.name, str(error), "networking.k8s.io") from error
        marked = [
            item.obj["metadata"]
            for item in stored.items
            if (item.obj["metadata"].get("annotations") or {}).get(MARK) == "true"
        ]
        if marked:  # of several, the newest; of those, the first by name
            marked.sort(key=lambda m: (-parse_time(m["creationTimestamp"]).timestamp(), m["name"]))
            spec["ingressClassName"] = marked[0]["name"]
