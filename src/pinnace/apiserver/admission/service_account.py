"""ServiceAccount: every pod gets an account, and a volume with a token of it at the well-known path.

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/admission/serviceaccount/admission.go
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.registry.metadata import generate_name

Object = dict[str, Any]
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME = "kube-api-access-"
_TOKEN_SECONDS = 3607  # an hour and a little: upstream's mark of a volume that it made itself
DEFAULT_ACCOUNT_ATTEMPTS, ATTEMPT_SECONDS = 10, 0.1
_MIRROR = "kubernetes.io/config.mirror"
_CONTAINERS = ("initContainers", "containers")


class ServiceAccount(BasePlugin):
    name = "ServiceAccount"
    subresources = ()

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        pod = admission.object
        if not admission.is_create_of("pods") or pod is None or _is_mirror(pod):
            return
        spec = pod.setdefault("spec", {})
        name = spec["serviceAccountName"] = spec.get("serviceAccountName") or "default"
        spec["serviceAccount"] = name
        account = await self._account(admission, name)
        if _mounts_token(spec, account):
            _add_token_volume(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(entry) for entry in account["imagePullSecrets"]]

    async def _account(self, admission: Admission, name: str) -> Object:
        """The default account of a new namespace is made by a controller a moment later: it is waited for, as upstream does."""
        attempts = DEFAULT_ACCOUNT_ATTEMPTS if name == "default" else 1
        for attempt in range(attempts):
            if attempt:
                await self._registries.clock.sleep(ATTEMPT_SECONDS)
            try:
                item = await self._registries.of(r.SERVICE_ACCOUNTS).storage.get(name, admission.namespace)
            except errors.NotFound:
                continue
            return item.obj
        why = f'error looking up service account {admission.namespace}/{name}: serviceaccount "{name}" not found'
        raise errors.forbidden("pods", admission.name, why)

    async def validate(self, admission: Admission) -> None:
        pod = admission.object
        if not admission.is_create_of("pods") or pod is None or not _is_mirror(pod):
            return
        if pod["spec"].get("serviceAccountName"):
            raise errors.forbidden("pods", admission.name, "a mirror pod may not reference service accounts")


def _is_mirror(pod: Object) -> bool:
    return _MIRROR in (pod["metadata"].get("annotations") or {})


def _mounts_token(spec: Object, account: Object) -> bool:
    """The pod's own word counts before the account's; the default is yes."""
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def _containers(spec: Object) -> Iterator[Object]:
    for field in _CONTAINERS:
        yield from spec.get(field) or ()


def _add_token_volume(spec: Object) -> None:
    """Mount it where a container has nothing at the path yet; one volume serves all."""
    volumes: list[Object] = spec.get("volumes") or []
    made = next((v["name"] for v in volumes if v.get("name", "").startswith(_VOLUME)), "")
    name = made or generate_name(_VOLUME)
    is_needed = False
    for container in _containers(spec):
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            continue
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
        is_needed = True
    if is_needed and not made:
        spec["volumes"] = [*volumes, _token_volume(name)]


def _token_volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
