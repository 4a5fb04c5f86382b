"""What a resource is told apart by: group, version, kind, name and namespace; as kustomize writes and compares them."""

from typing import NamedTuple

CLUSTER_SCOPE = "_non_namespaceable_"
# Kinds that are certainly not in a namespace; anything unknown might be in one.
_CLUSTER_SCOPED = {
    "": "ComponentStatus Namespace Node PersistentVolume",
    "admissionregistration.k8s.io": "MutatingWebhookConfiguration ValidatingWebhookConfiguration "
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
    "apiextensions.k8s.io": "CustomResourceDefinition",
    "apiregistration.k8s.io": "APIService",
    "certificates.k8s.io": "CertificateSigningRequest",
    "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
    "internal.apiserver.k8s.io": "StorageVersion",
    "networking.k8s.io": "IngressClass",
    "node.k8s.io": "RuntimeClass",
    "policy": "PodSecurityPolicy",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
    "scheduling.k8s.io": "PriorityClass",
    "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment",
    "authentication.k8s.io": "TokenReview",
    "authorization.k8s.io": "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
}


class Gvk(NamedTuple):
    group: str = ""
    version: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"

    @property
    def go_text(self) -> str:
        """As Go's %#v has it, in some messages."""
        scoped = str(self.is_cluster_scoped).lower()
        return (
            f'resid.Gvk{{Group:"{self.group}", Version:"{self.version}", Kind:"{self.kind}", '
            f"isClusterScoped:{scoped}}}"
        )

    @property
    def is_cluster_scoped(self) -> bool:
        return self.kind in _CLUSTER_SCOPED.get(self.group, "").split()

    def is_selected(self, wanted: "Gvk") -> bool:
        """What `wanted` leaves empty may be anything."""
        return all(not theirs or mine == theirs for mine, theirs in zip(self, wanted, strict=True))


class Id(NamedTuple):
    gvk: Gvk
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"

    @property
    def go_text(self) -> str:
        return f'resid.ResId{{Gvk:{self.gvk.go_text}, Name:"{self.name}", Namespace:"{self.namespace}"}}'

    @property
    def effective_namespace(self) -> str:
        return CLUSTER_SCOPE if self.gvk.is_cluster_scoped else self.namespace or "default"

    def same(self, other: "Id") -> bool:
        return (
            self.gvk == other.gvk
            and self.name == other.name
            and self.effective_namespace == other.effective_namespace
        )

    def is_selected_by(self, wanted: "Id") -> bool:
        """What `wanted` leaves empty may be anything."""
        return (
            self.gvk.is_selected(wanted.gvk)
            and (not wanted.name or wanted.name == self.name)
            and (not wanted.namespace or wanted.effective_namespace == self.effective_namespace)
        )


def split_api_version(api_version: str) -> tuple[str, str]:
    """(group, version)."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", api_version)
