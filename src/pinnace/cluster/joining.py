"""What a cluster keeps in its API so that machines can join it, made with the first bootstrap token: pure.

The names, groups and rights are kubeadm's, so that whoever knows those knows these; `pinnace-node` is ours.
Facts: https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pinnace.api.meta import Object

BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"
NODES = "system:nodes"
CLUSTER_INFO, PUBLIC = "cluster-info", "kube-public"
NODE_SETTINGS, SYSTEM = "pinnace-node", "kube-system"
_RBAC = "rbac.authorization.k8s.io"
_CSR = "system:certificates.k8s.io:certificatesigningrequests"


def objects(server: str, ca: str, settings: dict[str, str]) -> Iterator[Object]:
    """`settings`: what a node has to know of the cluster (`SETTINGS`), as the ConfigMap `pinnace-node`."""
    yield _config_map(PUBLIC, CLUSTER_INFO, {"kubeconfig": cluster_info(server, ca)})
    yield _config_map(SYSTEM, NODE_SETTINGS, settings)
    yield _role(PUBLIC, "kubeadm:bootstrap-signer-clusterinfo", "configmaps", CLUSTER_INFO)
    yield _binding(PUBLIC, "kubeadm:bootstrap-signer-clusterinfo", ("User", "system:anonymous"))
    yield _role(SYSTEM, "pinnace:node-settings", "configmaps", NODE_SETTINGS)
    yield _binding(SYSTEM, "pinnace:node-settings", ("Group", BOOTSTRAPPERS), ("Group", NODES))
    yield {
        "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "kubeadm:get-nodes"},
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}],
    }  # fmt: skip
    yield _cluster_binding("kubeadm:get-nodes", "kubeadm:get-nodes", BOOTSTRAPPERS)
    yield _cluster_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", BOOTSTRAPPERS)
    yield _cluster_binding("kubeadm:node-autoapprove-bootstrap", f"{_CSR}:nodeclient", BOOTSTRAPPERS)
    yield _cluster_binding("kubeadm:node-autoapprove-certificate-rotation", f"{_CSR}:selfnodeclient", NODES)


def cluster_info(server: str, ca: str) -> str:
    """A kubeconfig without credentials; JSON is YAML."""
    data = base64.b64encode(ca.encode()).decode()
    cluster = {"name": "", "cluster": {"certificate-authority-data": data, "server": server}}
    content = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [], "users": [], "current-context": ""}  # fmt: skip
    return json.dumps(content)


def ca_hash(ca: str) -> str:
    """kubeadm's pin of a CA: the SHA-256 of its public key (DER, SubjectPublicKeyInfo)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(ca.encode()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def join_command(server: str, token: str, ca: str) -> str:
    return f"pinnace agent --server {server} --token {token} --discovery-token-ca-cert-hash {ca_hash(ca)}"


def _config_map(namespace: str, name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _role(namespace: str, name: str, resource: str, resource_name: str) -> Object:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": [resource], "resourceNames": [resource_name]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}


def _subject(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "apiGroup": _RBAC}


def _binding(namespace: str, role: str, *subjects: tuple[str, str]) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [_subject(*subject) for subject in subjects],
    }  # fmt: skip


def _cluster_binding(name: str, role: str, group: str) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [_subject("Group", group)],
    }  # fmt: skip
