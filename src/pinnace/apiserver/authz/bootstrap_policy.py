"""The RBAC objects that every cluster has: upstream's default roles and bindings, by their names.

Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go
"""

from collections.abc import Iterator
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.authz import bootstrap_controllers, bootstrap_users

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"


def rule(verbs: str, groups: str, resources: str, names: str = "") -> Object:
    """`rule("get list", "/apps", "pods deployments")`; groups are separated by blanks, the core group is `core`."""
    made: Object = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    return {**made, "resourceNames": names.split()} if names else made


def urls(verbs: str, paths: str) -> Object:
    return {"verbs": verbs.split(), "nonResourceURLs": paths.split()}


def _metadata(name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    metadata: Object = {
        "name": name,
        "labels": {**LABELS, **(labels or {})},
        "annotations": dict(ANNOTATIONS),
    }
    return {**metadata, "namespace": namespace} if namespace else metadata


def _cluster_role(
    name: str, rules: list[Object], labels: dict[str, str] | None = None, **more: Any
) -> Object:
    head = {"kind": "ClusterRole", "apiVersion": f"{GROUP}/v1", "metadata": _metadata(name, labels=labels)}
    return {**head, **more, "rules": rules}


def _subject(kind: str, name: str, namespace: str = "") -> Object:
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def _binding(
    role: str, subjects: list[Object], *, kind: str = "ClusterRole", namespace: str = "", name: str = ""
) -> Object:
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "apiVersion": f"{GROUP}/v1",
        "metadata": _metadata(name or role, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        **({"subjects": subjects} if subjects else {}),
    }


def cluster_roles() -> Iterator[Object]:
    yield from bootstrap_users.aggregated_roles(_cluster_role)
    for name, rules in bootstrap_users.SYSTEM_ROLES.items():
        yield _cluster_role(name, [_parsed(entry) for entry in rules])
    for name, rules in bootstrap_controllers.ROLES.items():
        yield _cluster_role(f"system:controller:{name}", [_parsed(entry) for entry in rules])


def _parsed(entry: tuple[str, ...]) -> Object:
    return urls(*entry) if len(entry) == 2 else rule(*entry)


def node_rules() -> tuple[Object, ...]:
    """What the Node authorizer lets every node do, where access is not divided among nodes."""
    return tuple(_parsed(entry) for entry in bootstrap_users.SYSTEM_ROLES["system:node"])


def cluster_role_bindings() -> Iterator[Object]:
    for role, subjects in bootstrap_users.BINDINGS.items():
        yield _binding(role, [_subject(*subject) for subject in subjects])
    for name in bootstrap_controllers.ROLES:
        account = _subject("ServiceAccount", name, "kube-system")
        yield _binding(f"system:controller:{name}", [account])


def roles() -> Iterator[Object]:
    for namespace, name, rules in bootstrap_users.NAMESPACED_ROLES:
        yield {
            "kind": "Role",
            "apiVersion": f"{GROUP}/v1",
            "metadata": _metadata(name, namespace),
            "rules": [_parsed(entry) for entry in rules],
        }


def role_bindings() -> Iterator[Object]:
    for namespace, role, name, subjects in bootstrap_users.NAMESPACED_BINDINGS:
        yield _binding(role, [_subject(*s) for s in subjects], kind="Role", namespace=namespace, name=name)


def objects() -> Iterator[tuple[GVR, Iterator[Object]]]:
    yield r.CLUSTER_ROLES, cluster_roles()
    yield r.CLUSTER_ROLE_BINDINGS, cluster_role_bindings()
    yield r.ROLES, roles()
    yield r.ROLE_BINDINGS, role_bindings()
