"""NodeRestriction: a kubelet changes only its own node, the pods bound to it, its lease, and tokens of its pods.

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/noderestriction/admission.go
"""

from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
_PREFIX = "system:node:"
_LEASES = "kube-node-lease"


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

    async def _check_pod(self, admission: Admission, node: str) -> None:
        if admission.operation == "CREATE" and not admission.subresource:
            spec, metadata = (admission.object or {}).get("spec") or {}, (admission.object or {})["metadata"]
            if "kubernetes.io/config.mirror" not in (metadata.get("annotations") or {}):
                raise _refused(
                    admission,
                    f'pod does not have "kubernetes.io/config.mirror" annotation, node "{node}" can only create mirror pods',
                )
            if spec.get("nodeName") != node:
                raise _refused(
                    admission, f'node "{node}" can only create pods with spec.nodeName set to itself'
                )
            return
        pod = admission.old
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


def _check_node(admission: Admission, node: str) -> None:
    if admission.name and admission.name != node:
        raise _refused(admission, f'node "{node}" is not allowed to modify node "{admission.name}"')
    if admission.operation == "UPDATE" and not admission.subresource:
        new, old = (admission.object or {}).get("spec") or {}, (admission.old or {}).get("spec") or {}
        if new.get("taints") != old.get("taints"):
            raise _refused(admission, f'node "{node}" is not allowed to modify taints')
    if admission.operation == "DELETE":
        raise _refused(admission, f'node "{node}" is not allowed to delete node')


def _check_lease(admission: Admission, node: str) -> None:
    if admission.namespace != _LEASES:
        raise _refused(admission, f'can only access leases in the "{_LEASES}" system namespace')
    if admission.name and admission.name != node:
        raise _refused(admission, "can only access node lease with the same name as the requesting node")


def _refused(admission: Admission, why: str) -> errors.Forbidden:
    gvr = admission.resource.gvr
    return errors.forbidden(gvr.resource, admission.name, why, gvr.group)
