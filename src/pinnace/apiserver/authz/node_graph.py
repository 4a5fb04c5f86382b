"""What a node has to do with: the objects that its pods refer to, read from the watch caches at the moment of the question.

Upstream keeps a graph up to date; here a question walks from the node's pods (an index of the pods' cache) to what they name,
since kubelets ask rarely and a walk needs no memory. Rules: plugin/pkg/auth/authorizer/node/graph.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.selectors import FieldRequirement
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.options import ListOptions
from pinnace.apiserver.storage.scope import Scope

Object = Mapping[str, Any]
_MIRROR = "kubernetes.io/config.mirror"
# where a volume names a Secret: (volume source, field) or (volume source, reference, field)
_SECRET_REFERENCES = (
    ("secret", "secretName"), ("azureFile", "secretName"), ("cephfs", "secretRef", "name"),
    ("cinder", "secretRef", "name"), ("flexVolume", "secretRef", "name"), ("iscsi", "secretRef", "name"),
    ("rbd", "secretRef", "name"), ("scaleIO", "secretRef", "name"), ("storageos", "secretRef", "name"),
    ("csi", "nodePublishSecretRef", "name"),
)  # fmt: skip
_PV_CSI_REFERENCES = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeStageSecretRef",
    "nodeExpandSecretRef",
)  # fmt: skip


class NodeGraph:
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def reaches(self, node: str, gvr: GVR, namespace: str, name: str) -> bool:
        """Whether a pod on this node, or the node itself, refers to the object."""
        match gvr:
            case r.VOLUME_ATTACHMENTS | r.RESOURCE_SLICES:
                return await self._is_of_node(gvr, name, node)
            case r.PERSISTENT_VOLUMES:
                return await self._uses_volume(node, name)
        pods = [pod async for pod in self._pods(node, namespace)]
        if gvr == r.PODS:
            return any(pod["metadata"]["name"] == name for pod in pods)
        if any(name in named(pod, gvr) for pod in pods if _MIRROR not in meta.annotations(pod)):
            return True
        return gvr == r.SECRETS and await self._volume_needs(node, namespace, name)

    async def _pods(self, node: str, namespace: str = "") -> Any:
        scope = Scope(namespace, fields=(FieldRequirement("spec.nodeName", node, False),))
        listed = await self._registries.of(r.PODS).storage.list(ListOptions(scope, resource_version="0"))
        for item in listed.items:
            yield item.obj

    async def _is_of_node(self, gvr: GVR, name: str, node: str) -> bool:
        if self._registries.row(gvr) is None:
            return False
        found = await self._find(gvr, name, "")
        return found is not None and (found.get("spec") or {}).get("nodeName") == node

    async def _find(self, gvr: GVR, name: str, namespace: str) -> Object | None:
        from pinnace.apimachinery.errors import NotFound

        try:
            return (await self._registries.of(gvr).storage.get(name, namespace, resource_version="0")).obj
        except NotFound:
            return None

    async def _uses_volume(self, node: str, volume: str) -> bool:
        pv = await self._find(r.PERSISTENT_VOLUMES, volume, "")
        claim = ((pv or {}).get("spec") or {}).get("claimRef") or {}
        space = claim.get("namespace", "")
        async for pod in self._pods(node, space):
            if space and claim.get("name") in named(pod, r.PERSISTENT_VOLUME_CLAIMS):
                return True
        return False

    async def _volume_needs(self, node: str, namespace: str, secret: str) -> bool:
        """A Secret that a PersistentVolume names, whose claim a pod of the node uses."""
        async for pod in self._pods(node):
            space = pod["metadata"].get("namespace", "")
            for claim_name in named(pod, r.PERSISTENT_VOLUME_CLAIMS):
                claim = await self._find(r.PERSISTENT_VOLUME_CLAIMS, claim_name, space)
                volume = ((claim or {}).get("spec") or {}).get("volumeName")
                pv = await self._find(r.PERSISTENT_VOLUMES, volume, "") if volume else None
                if pv is not None and (namespace, secret) in set(_secrets_of_volume(pv, space)):
                    return True
        return False


def named(pod: Object, gvr: GVR) -> set[str]:
    """The names of the objects of this resource, of the pod's namespace, that the pod refers to."""
    spec = pod.get("spec") or {}
    match gvr:
        case r.SERVICE_ACCOUNTS:
            return {spec.get("serviceAccountName") or "default"}
        case r.SECRETS:
            return set(_secrets(spec))
        case r.CONFIG_MAPS:
            return set(_config_maps(spec))
        case r.PERSISTENT_VOLUME_CLAIMS:
            return set(_claims(pod, spec))
        case r.RESOURCE_CLAIMS:
            return set(_resource_claims(pod, spec))
    return set()


def _containers(spec: Object) -> Iterator[Object]:
    for field in ("containers", "initContainers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _environment(spec: Object, key_ref: str, source_ref: str) -> Iterator[str]:
    for container in _containers(spec):
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get(key_ref)
            if reference:
                yield reference.get("name", "")
        for source in container.get("envFrom") or ():
            if source.get(source_ref):
                yield source[source_ref].get("name", "")


def _projected(volume: Object, kind: str) -> Iterator[str]:
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get(kind):
            yield source[kind].get("name", "")


def _secrets(spec: Object) -> Iterator[str]:
    for reference in spec.get("imagePullSecrets") or ():
        yield reference.get("name", "")
    yield from _environment(spec, "secretKeyRef", "secretRef")
    for volume in spec.get("volumes") or ():
        yield from _projected(volume, "secret")
        for first, *rest in _SECRET_REFERENCES:
            found: Any = volume.get(first)
            for field in rest:
                found = found.get(field) if isinstance(found, Mapping) else None
            if isinstance(found, str):
                yield found


def _config_maps(spec: Object) -> Iterator[str]:
    yield from _environment(spec, "configMapKeyRef", "configMapRef")
    for volume in spec.get("volumes") or ():
        yield from _projected(volume, "configMap")
        if volume.get("configMap"):
            yield volume["configMap"].get("name", "")


def _claims(pod: Object, spec: Object) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            yield volume["persistentVolumeClaim"].get("claimName", "")
        elif volume.get("ephemeral"):
            yield f"{pod['metadata']['name']}-{volume.get('name', '')}"


def _resource_claims(pod: Object, spec: Object) -> Iterator[str]:
    for claim in spec.get("resourceClaims") or ():
        if claim.get("resourceClaimName"):
            yield claim["resourceClaimName"]
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        if status.get("resourceClaimName"):
            yield status["resourceClaimName"]


def _secrets_of_volume(pv: Object, claim_namespace: str) -> Iterator[tuple[str, str]]:
    """(namespace, name); a reference without a namespace means that of the claim."""
    spec = pv.get("spec") or {}
    csi = spec.get("csi") or {}
    references = [csi.get(field) for field in _PV_CSI_REFERENCES]
    references += [(spec.get(kind) or {}).get("secretRef") for kind in ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi")]  # fmt: skip
    for reference in references:
        if reference:
            yield reference.get("namespace") or claim_namespace, reference.get("name", "")
    file = spec.get("azureFile") or {}
    if file.get("secretName"):
        yield file.get("secretNamespace") or claim_namespace, file["secretName"]
