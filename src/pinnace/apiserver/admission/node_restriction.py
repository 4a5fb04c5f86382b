"""NodeRestriction: a kubelet changes only its own node, the pods bound to it, its lease, and tokens of its pods.

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/noderestriction/admission.go
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import resources as r
from pinnace.api.core.volume_binding import claim_names
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.node_graph import named
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
_PREFIX = "system:node:"
_LEASES = "kube-node-lease"
_KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_KUBELET_LABELS = frozenset((
    "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
))  # fmt: skip


def node_of(admission: Admission) -> str:
    """The node whose kubelet asks; "" when it is somebody else."""
    user = admission.user
    return (
        user.name[len(_PREFIX) :] if "system:nodes" in user.groups and user.name.startswith(_PREFIX) else ""
    )


class NodeRestriction(BasePlugin):
    name = "NodeRestriction"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def validate(self, admission: Admission) -> None:
        node = node_of(admission)
        if not node:
            return
        match admission.resource.gvr:
            case r.PODS:
                await self._check_pod(admission, node)
            case r.NODES:
                _check_node(admission, node)
            case r.LEASES:
                _check_lease(admission, node)
            case r.SERVICE_ACCOUNTS:
                await self._check_token(admission, node)
            case r.CSI_NODES:
                if _named(admission) not in ("", node):
                    raise _refused(
                        admission, "can only access CSINode with the same name as the requesting node"
                    )
            case r.RESOURCE_SLICES:
                _check_slice(admission, node)

    async def _check_pod(self, admission: Admission, node: str) -> None:
        if admission.operation == "CREATE" and not admission.subresource:
            _check_mirror_pod(admission, node)
            return
        if admission.subresource == "eviction":
            evicted = (await self._registries.of(r.PODS).storage.get(admission.name, admission.namespace)).obj
            if (evicted.get("spec") or {}).get("nodeName") != node:
                raise _refused(
                    admission, f'node "{node}" can only evict pods with spec.nodeName set to itself'
                )
            return
        pod = admission.old
        if admission.subresource == "status" and pod is not None:
            new = admission.object or {}
            if (new["metadata"].get("labels") or {}) != (pod["metadata"].get("labels") or {}):
                raise _refused(admission, f'node "{node}" cannot update labels through pod status')
            if _claim_statuses(new) != _claim_statuses(pod):  # by them it would be allowed to read the claims
                raise _refused(admission, f'node "{node}" cannot update resource claim statuses')
        if pod is not None and (pod.get("spec") or {}).get("nodeName") != node:
            verb = "delete" if admission.operation == "DELETE" else "update"
            raise _refused(admission, f'node "{node}" can only {verb} pods with spec.nodeName set to itself')

    async def _check_token(self, admission: Admission, node: str) -> None:
        if admission.operation != "CREATE" or admission.subresource != "token":
            return
        reference = ((admission.object or {}).get("spec") or {}).get("boundObjectRef") or {}
        if reference.get("kind") != "Pod" or reference.get("apiVersion") != "v1" or not reference.get("name"):
            raise _refused(admission, "node requested token not bound to a pod")
        if not reference.get("uid"):
            raise _refused(admission, "node requested token with a pod binding without a uid")
        storage = self._registries.of(r.PODS).storage
        try:
            pod = (await storage.get(reference["name"], admission.namespace)).obj
        except errors.NotFound as error:
            raise _refused(admission, error.message) from error
        if pod["metadata"].get("uid") != reference["uid"]:
            uids = f'"{reference["uid"]}" (in request) instead of "{pod["metadata"].get("uid")}"'
            raise _refused(admission, f"the UID in the bound object reference ({uids}) does not match")
        if (pod.get("spec") or {}).get("nodeName") != node:
            raise _refused(admission, "node requested token bound to a pod scheduled on a different node")
        await self._check_audiences(admission, pod)

    async def _check_audiences(self, admission: Admission, pod: Object) -> None:
        """Those that the pod's volumes ask for, and those that this node may request for any pod."""
        asked = ((admission.object or {}).get("spec") or {}).get("audiences") or ("",)
        known = {"", *_audiences(pod)}
        for audience in asked:
            if audience in known or audience in await self._audiences_of_drivers(pod):
                continue
            if await self._may_request(admission, audience):
                continue
            why = f'audience "{audience}" not found in pod spec volume, {admission.user.name} is not authorized to request tokens for this audience'
            raise _refused(admission, why)

    async def _audiences_of_drivers(self, pod: Object) -> set[str]:
        """What the CSI drivers of the pod's volumes want tokens for."""
        found: set[str] = set()
        space = pod["metadata"].get("namespace", "")
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            name = (volume.get("csi") or {}).get("driver") or await self._driver_of_claim(pod, volume, space)
            driver = await self._find(r.CSI_DRIVERS, name, "") if name else None
            wanted = ((driver or {}).get("spec") or {}).get("tokenRequests") or ()
            found |= {one.get("audience") or "" for one in wanted}
        return found

    async def _driver_of_claim(self, pod: Object, volume: Object, space: str) -> str:
        for _, name in claim_names({**pod, "spec": {"volumes": [volume]}}):
            claim = await self._find(r.PERSISTENT_VOLUME_CLAIMS, name, space)
            bound = ((claim or {}).get("spec") or {}).get("volumeName")
            found = await self._find(r.PERSISTENT_VOLUMES, bound, "") if bound else None
            csi = ((found or {}).get("spec") or {}).get("csi") or {}
            return csi.get("driver") or ""
        return ""

    async def _find(self, gvr: GVR, name: str, namespace: str) -> Object | None:
        try:
            found: Object = (await self._registries.of(gvr).storage.get(name, namespace)).obj
        except errors.NotFound:
            return None
        return found

    async def _may_request(self, admission: Admission, audience: str) -> bool:
        """What an administrator has granted to nodes by upstream's verb for it."""
        asked = Attributes(
            admission.user, "request-serviceaccounts-token-audience", True, "", "", audience, admission.namespace,
            admission.name,
        )  # fmt: skip
        return (await self._registries.authorizer.authorize(asked)).allowed


def _claim_statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("resourceClaimStatuses") or []


def _audiences(pod: Object) -> Iterator[str]:
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken"):
                yield source["serviceAccountToken"].get("audience") or ""


def _check_mirror_pod(admission: Admission, node: str) -> None:
    """What stands for a static pod can use nothing that the API would have to give it."""
    pod = admission.object or {}
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    if "kubernetes.io/config.mirror" not in (metadata.get("annotations") or {}):
        why = f'pod does not have "kubernetes.io/config.mirror" annotation, node "{node}" can only create mirror pods'
        raise _refused(admission, why)
    if spec.get("nodeName") != node:
        raise _refused(admission, f'node "{node}" can only create pods with spec.nodeName set to itself')
    owners = metadata.get("ownerReferences") or []
    if len(owners) > 1:
        why = f'node "{node}" can only create pods with a single owner reference set to itself'
        raise _refused(admission, why)
    for owner in owners:
        wanted = {"apiVersion": "v1", "kind": "Node", "name": node, "controller": True}
        if any(owner.get(key) != value for key, value in wanted.items()):
            raise _refused(
                admission, f'node "{node}" can only create pods with an owner reference set to itself'
            )
        if owner.get("blockOwnerDeletion"):
            raise _refused(admission, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    if spec.get("serviceAccountName"):
        raise _refused(admission, f'node "{node}" can not create pods that reference a service account')
    for gvr in (r.SECRETS, r.CONFIG_MAPS, r.PERSISTENT_VOLUME_CLAIMS, r.RESOURCE_CLAIMS):
        if named(pod, gvr):
            raise _refused(admission, f'node "{node}" can not create pods that reference {gvr.resource}')


def _named(admission: Admission) -> str:
    """A generated name is known to the object alone; "" for a collection."""
    return admission.name or ((admission.object or {}).get("metadata") or {}).get("name", "")


def _check_slice(admission: Admission, node: str) -> None:
    slice_ = admission.old if admission.operation == "DELETE" else admission.object
    if slice_ is not None and (slice_.get("spec") or {}).get("nodeName") != node:
        verb = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete"}.get(admission.operation, "access")
        raise _refused(
            admission, f"can only {verb} ResourceSlice with the same NodeName as the requesting node"
        )


def _forbidden_labels(new: Object | None, old: Object | None) -> str:
    """The labels that were changed and that a kubelet may not choose, as upstream lists them."""
    before, after = (((obj or {}).get("metadata") or {}).get("labels") or {} for obj in (old, new))
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return ", ".join(sorted(filter(_is_forbidden, changed)))


def _is_forbidden(label: str) -> bool:
    space, slash, _ = label.partition("/")
    if not slash:
        return False

    def below(*domains: str) -> bool:
        return any(space == domain or space.endswith(f".{domain}") for domain in domains)

    if below("node-restriction.kubernetes.io"):
        return True
    return below("kubernetes.io", "k8s.io") and label not in _KUBELET_LABELS and not below(*_KUBELET_DOMAINS)


def _check_node(admission: Admission, node: str) -> None:
    if (name := _named(admission)) not in ("", node):
        raise _refused(admission, f'node "{node}" is not allowed to modify node "{name}"')
    if admission.operation in ("CREATE", "UPDATE"):
        if labels := _forbidden_labels(admission.object, admission.old):
            what = "set the following labels" if admission.operation == "CREATE" else "modify labels"
            raise _refused(admission, f'node "{node}" is not allowed to {what}: {labels}')
        new, old = (
            ((obj or {}).get("metadata") or {}).get("ownerReferences")
            for obj in (admission.object, admission.old)
        )
        if admission.operation == "UPDATE" and (new or []) != (old or []):
            raise _refused(admission, f'node "{node}" is not allowed to modify ownerReferences')
    if admission.operation == "UPDATE" and not admission.subresource:
        new, old = (admission.object or {}).get("spec") or {}, (admission.old or {}).get("spec") or {}
        if new.get("taints") != old.get("taints"):
            raise _refused(admission, f'node "{node}" is not allowed to modify taints')
    if admission.operation == "DELETE":
        raise _refused(admission, f'node "{node}" is not allowed to delete node')


def _check_lease(admission: Admission, node: str) -> None:
    if admission.namespace != _LEASES:
        raise _refused(admission, f'can only access leases in the "{_LEASES}" system namespace')
    if _named(admission) not in ("", node):
        raise _refused(admission, "can only access node lease with the same name as the requesting node")


def _refused(admission: Admission, why: str) -> errors.Forbidden:
    gvr = admission.resource.gvr
    return errors.forbidden(gvr.resource, admission.name, why, gvr.group)
