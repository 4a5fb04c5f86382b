"""From the text of a manifest to a pod of this node: defaults, validation, and what marks a pod as static. Pure.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/config/common.go
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery.errors import BadRequest

CONFIG_HASH, CONFIG_SEEN = "kubernetes.io/config.hash", "kubernetes.io/config.seen"
VOLUME_REFERENCES = {
    "configMap": "configmaps", "secret": "secrets", "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims",
}  # fmt: skip
PROJECTED_REFERENCES = {
    "configMap": "configmaps", "secret": "secrets", "serviceAccountToken": "serviceaccounts",
    "clusterTrustBundle": "clustertrustbundles", "podCertificate": "podcertificaterequests",
}  # fmt: skip


class ManifestError(Exception):
    """The file holds no pod that could run here."""


def static_pod(content: bytes, *, node: str, source: str, seen: str) -> Object:
    """The pod of one file; raises ManifestError. `source` is the file's path: the same manifest in two files is two pods."""
    pod = _decoded(content)
    metadata = pod.setdefault("metadata", {})
    uid = metadata.get("uid") or _hash(pod, node, source)
    metadata["uid"] = uid
    metadata["name"] = f"{metadata.get('name', '')}-{node.lower()}"
    metadata.setdefault("namespace", "default")
    annotations = metadata.setdefault("annotations", {})
    annotations |= {CONFIG_HASH: uid, pods.CONFIG_SOURCE: "file", CONFIG_SEEN: seen}
    spec = pod.setdefault("spec", {})
    spec["nodeName"] = node
    spec["tolerations"] = [*(spec.get("tolerations") or ()), {"effect": "NoExecute", "operator": "Exists"}]
    _check(pod)
    return pod


def _decoded(content: bytes) -> Object:
    import yaml

    try:
        pod = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ManifestError(f"couldn't parse as pod: {error}") from error
    if not isinstance(pod, dict) or (pod.get("apiVersion"), pod.get("kind")) != ("v1", "Pod"):
        raise ManifestError("couldn't parse as pod: it is not a Pod of v1")
    return json.loads(json.dumps(pod, default=str))


def _check(pod: Object) -> None:
    strategy = strategy_for(PODS)
    try:
        strategy.default(pod)
        strategy.prepare_create(pod)
        causes = strategy.validate(pod)
    except (BadRequest, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"invalid pod: {error}") from error
    if causes:
        raise ManifestError("invalid pod: " + ", ".join(f"{one.field}: {one.message}" for one in causes))
    for reference in references(pod):
        raise ManifestError(f"static pods may not reference {reference}")


def _hash(pod: Object, node: str, source: str) -> str:
    text = json.dumps(pod, sort_keys=True) + f"host:{node}file:{source}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def references(pod: Object) -> Iterator[str]:
    """The API objects that the pod needs, as names of resources: a static pod must run without the API."""
    spec = pod["spec"]
    if spec.get("serviceAccountName"):
        yield "serviceaccounts"
    if spec.get("imagePullSecrets"):
        yield "secrets"
    if spec.get("resourceClaims"):
        yield "resourceclaims"
    for volume in spec.get("volumes") or ():
        yield from (resource for field, resource in VOLUME_REFERENCES.items() if field in volume)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from (resource for field, resource in PROJECTED_REFERENCES.items() if field in source)
        if (volume.get("csi") or {}).get("nodePublishSecretRef"):
            yield "secrets"
    for container in pods.all_containers(pod):
        yield from _environment_references(container)


def _environment_references(container: dict[str, Any]) -> Iterator[str]:
    for one in container.get("envFrom") or ():
        yield from (
            name for field, name in (("configMapRef", "configmaps"), ("secretRef", "secrets")) if field in one
        )
    for one in container.get("env") or ():
        source = one.get("valueFrom") or {}
        for field, name in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if field in source:
                yield name


def mirror_pod(pod: Object, node: Object) -> Object:
    """What the API is to show of a static pod."""
    own = {
        field: value for field, value in pod["metadata"].items() if field in ("name", "namespace", "labels")
    }
    annotations = {**meta.annotations(pod), pods.CONFIG_MIRROR: meta.annotations(pod)[CONFIG_HASH]}
    owner = {
        "apiVersion": "v1", "kind": "Node", "name": meta.name(node), "uid": meta.uid(node), "controller": True,
    }  # fmt: skip
    own |= {"annotations": annotations, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": pod["spec"]}


def is_mirror_of(mirror: Object, pod: Object) -> bool:
    return meta.annotations(mirror).get(pods.CONFIG_MIRROR) == meta.annotations(pod)[CONFIG_HASH]
