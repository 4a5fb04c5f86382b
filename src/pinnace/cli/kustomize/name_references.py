"""References by name: when an object was renamed, those that name it follow.

The table says which fields name objects of which kind; among several candidates the namespace and the prefixes decide.
"""

from typing import Any, NamedTuple

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.fields import FieldSpec, change
from pinnace.cli.kustomize.identity import CLUSTER_SCOPE, Gvk, Id
from pinnace.cli.kustomize.resource import Resource

Object = dict[str, Any]


class Reference(NamedTuple):
    target: Gvk
    fields: tuple[FieldSpec, ...]


_POD_SPECS = {
    "Pod": "spec",
    "PodTemplate": "template/spec",
    "Deployment": "spec/template/spec",
    "ReplicaSet": "spec/template/spec",
    "DaemonSet": "spec/template/spec",
    "StatefulSet": "spec/template/spec",
    "Job": "spec/template/spec",
    "CronJob": "spec/jobTemplate/spec/template/spec",
}
_PODS_OF_CLAIMS = {
    kind: path
    for kind, path in {**_POD_SPECS, "ReplicationController": "spec/template/spec"}.items()
    if kind not in ("PodTemplate", "ReplicaSet")
}
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"


def _in_pods(*paths: str) -> list[FieldSpec]:
    return [FieldSpec(f"{pod}/{path}", kind) for kind, pod in _POD_SPECS.items() for path in paths]


def _in_most_pods(path: str) -> list[FieldSpec]:
    return [FieldSpec(f"{pod}/{path}", kind) for kind, pod in _PODS_OF_CLAIMS.items()]


def _table() -> list[Reference]:
    rows = [
        (Gvk(kind=kind), [FieldSpec("spec/scaleTargetRef/name", "HorizontalPodAutoscaler")])
        for kind in ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
    ]
    rows += [
        (Gvk("", "v1", "ConfigMap"), [
            *_in_pods(
                "volumes/configMap/name", "containers/env/valueFrom/configMapKeyRef/name",
                "initContainers/env/valueFrom/configMapKeyRef/name", "containers/envFrom/configMapRef/name",
                "initContainers/envFrom/configMapRef/name", "volumes/projected/sources/configMap/name",
            ),
            FieldSpec("spec/configSource/configMap", "Node"), FieldSpec("rules/resourceNames", "Role"),
            FieldSpec("rules/resourceNames", "ClusterRole"),
            FieldSpec("metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap", "Ingress"),
        ]),
        (Gvk("", "v1", "Secret"), [
            *_in_pods(
                "volumes/secret/secretName", "containers/env/valueFrom/secretKeyRef/name",
                "initContainers/env/valueFrom/secretKeyRef/name", "containers/envFrom/secretRef/name",
                "initContainers/envFrom/secretRef/name", "imagePullSecrets/name", "volumes/projected/sources/secret/name",
            ),
            FieldSpec("spec/tls/secretName", "Ingress"),
            FieldSpec("metadata/annotations/ingress.kubernetes.io\\/auth-secret", "Ingress"),
            FieldSpec("metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret", "Ingress"),
            FieldSpec("metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret", "Ingress"),
            FieldSpec("imagePullSecrets/name", "ServiceAccount"),
            *(FieldSpec(f"parameters/{key}", "StorageClass")
              for key in ("secretName", "adminSecretName", "userSecretName", "secretRef")),
            FieldSpec("rules/resourceNames", "Role"), FieldSpec("rules/resourceNames", "ClusterRole"),
            FieldSpec("spec/template/spec/containers/env/valueFrom/secretKeyRef/name", "Service", "serving.knative.dev", "v1"),
            FieldSpec("spec/azureFile/secretName", "PersistentVolume"),
        ]),
        (Gvk("", "v1", "Service"), [
            FieldSpec("spec/serviceName", "StatefulSet", "apps"),
            FieldSpec("spec/rules/http/paths/backend/serviceName", "Ingress"),
            FieldSpec("spec/backend/serviceName", "Ingress"),
            FieldSpec("spec/rules/http/paths/backend/service/name", "Ingress"),
            FieldSpec("spec/defaultBackend/service/name", "Ingress"),
            FieldSpec("spec/service/name", "APIService", "apiregistration.k8s.io"),
            FieldSpec("webhooks/clientConfig/service", "ValidatingWebhookConfiguration", _ADMISSION),
            FieldSpec("webhooks/clientConfig/service", "MutatingWebhookConfiguration", _ADMISSION),
        ]),
        (Gvk(_RBAC, "", "Role"), [FieldSpec("roleRef/name", "RoleBinding", _RBAC)]),
        (Gvk(_RBAC, "", "ClusterRole"), [
            FieldSpec("roleRef/name", "RoleBinding", _RBAC), FieldSpec("roleRef/name", "ClusterRoleBinding", _RBAC),
        ]),
        (Gvk("", "v1", "ServiceAccount"), [
            FieldSpec("subjects", "RoleBinding", _RBAC), FieldSpec("subjects", "ClusterRoleBinding", _RBAC),
            *_in_most_pods("serviceAccountName"),
        ]),
        (Gvk("", "v1", "PersistentVolumeClaim"), _in_most_pods("volumes/persistentVolumeClaim/claimName")),
        (Gvk("", "v1", "PersistentVolume"), [
            FieldSpec("spec/volumeName", "PersistentVolumeClaim"), FieldSpec("rules/resourceNames", "ClusterRole"),
        ]),
        (Gvk("storage.k8s.io", "v1", "StorageClass"), [
            FieldSpec("spec/storageClassName", "PersistentVolume"), FieldSpec("spec/storageClassName", "PersistentVolumeClaim"),
            FieldSpec("spec/volumeClaimTemplates/spec/storageClassName", "StatefulSet"),
        ]),
        (Gvk("scheduling.k8s.io", "v1", "PriorityClass"), _in_most_pods("priorityClassName")),
    ]  # fmt: skip
    return [Reference(target, tuple(fields)) for target, fields in rows]


def follow(resources: list[Resource]) -> None:
    """Write the new names into everything that refers to an old one."""
    if not any(one.previous for one in resources):
        return
    table = _table()
    for referrer in resources:
        original = referrer.original_id.gvk
        candidates: list[Resource] | None = None
        for reference in table:
            fields = [spec for spec in reference.fields if spec.fits(original)]
            if not fields:
                continue
            if candidates is None:
                candidates = _referable(resources, referrer)
            for spec in fields:
                finder = _Finder(referrer, spec, reference.target, candidates)
                change(referrer, (spec,), finder.update)


def _referable(resources: list[Resource], referrer: Resource) -> list[Resource]:
    """All that one in this namespace can name: of its own namespace, of none, and, for bindings, of the subjects' ones."""
    mine = referrer.id.effective_namespace
    if mine == CLUSTER_SCOPE:
        return resources
    also = {""} if referrer.kind == "RoleBinding" else set()
    if referrer.kind == "RoleBinding":
        also = {
            subject["namespace"]
            for subject in referrer.obj.get("subjects") or ()
            if subject.get("kind") == "ServiceAccount" and subject.get("namespace")
        }
    return [
        one
        for one in resources
        if one.id.effective_namespace in (CLUSTER_SCOPE, mine) or one.namespace in also
    ]


class _Finder:
    """Finds what one field of one referrer means, and writes the present name."""

    def __init__(self, referrer: Resource, spec: FieldSpec, target: Gvk, candidates: list[Resource]) -> None:
        self._referrer, self._spec, self._target, self._candidates = referrer, spec, target, candidates

    def update(self, holder: Object, key: str) -> None:
        value = holder[key]
        if isinstance(value, dict):
            self._update_mapping(value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    if "name" in item:
                        self._update_mapping(item)
                elif isinstance(item, str):
                    value[index] = self._new_name(item)
        elif isinstance(value, str):
            holder[key] = self._new_name(value)

    def _new_name(self, name: str) -> str:
        found = self._find(name, self._candidates, with_namespace=False)
        return found.name if found is not None else name

    def _update_mapping(self, node: Object) -> None:
        if "name" not in node:
            raise BuildError("path config error; no 'name' field in node")
        candidates, namespace = self._candidates, node.get("namespace")
        if namespace is not None:
            in_it = [one for one in candidates if one.original_id.effective_namespace == namespace]
            candidates = in_it or [one for one in candidates if one.id.effective_namespace == namespace]
        found = self._find(node["name"], candidates, with_namespace=True)
        if found is None:
            return
        node["name"] = found.name
        if found.namespace:
            node["namespace"] = found.namespace

    def _find(self, name: str, candidates: list[Resource], *, with_namespace: bool) -> Resource | None:
        found = [one for one in candidates if self._might_be(one, name)]
        if len(found) > 1:
            found = [one for one in found if _same_ends(one, self._referrer, allow_empty=True)]
        if len(found) > 1:
            found = [one for one in found if _same_ends(one, self._referrer, allow_empty=False)]
        if len(found) > 1 and len({(one.name, with_namespace and one.namespace) for one in found}) > 1:
            ids = ", ".join(str(one.id) for one in found)
            raise BuildError(f" found multiple possible referrals: {ids}")
        return found[0] if found else None

    def _might_be(self, one: Resource, name: str) -> bool:
        previous = one.previous_ids
        if not any(known.name == name for known in previous):
            return False
        if not any(known.gvk.is_selected(self._target) for known in previous):
            return False
        if self._spec.path.endswith("roleRef/name") and not self._is_role_referred_to(previous):
            return False
        mine, its = self._referrer.id, one.id
        return (
            mine.gvk.is_cluster_scoped
            or its.gvk.is_cluster_scoped
            or one.kind == "ServiceAccount"
            or mine.effective_namespace == its.effective_namespace
        )

    def _is_role_referred_to(self, previous: list[Id]) -> bool:
        role = self._referrer.obj.get("roleRef") or {}
        if "apiGroup" not in role or "kind" not in role:
            return True
        wanted = Gvk(role["apiGroup"], "", role["kind"])
        return any(known.gvk.is_selected(wanted) for known in previous)


def _same_ends(one: Resource, other: Resource, *, allow_empty: bool) -> bool:
    return all(
        (allow_empty and not (mine and theirs)) or _same_ending(mine, theirs)
        for mine, theirs in ((one.prefixes, other.prefixes), (one.suffixes, other.suffixes))
    )


def _same_ending(mine: list[str], theirs: list[str]) -> bool:
    length = min(len(mine), len(theirs))
    if not length:
        return not mine and not theirs
    return mine[-length:] == theirs[-length:]
