"""PodTopologyLabels: a pod carries the zone and region of the node that it is bound to."""

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(BasePlugin):
    name = "PodTopologyLabels"
    subresources = ("binding",)
    admits = ("CREATE",)

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        body = admission.object
        if body is None or admission.resource.gvr.group:
            return
        if admission.is_for("pods"):
            node = (body.get("spec") or {}).get("nodeName")
        elif admission.is_for("pods", subresource="binding") or admission.is_for("bindings"):
            target = body.get("target") or {}
            node = target.get("name") if (target.get("kind") or "Node") == "Node" else None
        else:
            return
        if not node:
            return
        try:
            item = await self._registries.of(r.NODES).storage.get(node)
        except errors.NotFound:
            return
        if copied := {label: item.labels[label] for label in _LABELS if label in item.labels}:
            metadata = body["metadata"]
            metadata["labels"] = {**(metadata.get("labels") or {}), **copied}
