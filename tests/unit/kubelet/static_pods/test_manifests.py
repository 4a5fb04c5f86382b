"""What a manifest becomes: a pod of this node, or a sentence that says why not."""

import json
from typing import Any

import pytest

from pinnace.kubelet.static_pods.manifests import ManifestError, is_mirror_of, mirror_pod, static_pod

YAML = b"""
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: c, image: "app:1", ports: [{containerPort: 80}]}
"""


def read(content: bytes = YAML, node: str = "node-1", source: str = "/m/web.yaml") -> dict[str, Any]:
    return static_pod(content, node=node, source=source, seen="2026-01-01T00:00:00Z")


def with_spec(**spec: Any) -> bytes:
    body = {"containers": [{"name": "c", "image": "app:1"}], **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": body}).encode()


def test_a_manifest_becomes_a_pod_of_this_node() -> None:
    pod = read()
    metadata, spec = pod["metadata"], pod["spec"]
    assert (metadata["name"], metadata["namespace"]) == ("web-node-1", "default")
    assert metadata["annotations"]["kubernetes.io/config.source"] == "file"
    assert metadata["annotations"]["kubernetes.io/config.hash"] == metadata["uid"]
    assert spec["nodeName"] == "node-1"
    assert {"effect": "NoExecute", "operator": "Exists"} in spec["tolerations"]
    assert (spec["restartPolicy"], spec["containers"][0]["imagePullPolicy"]) == ("Always", "IfNotPresent")
    assert spec["containers"][0]["ports"][0]["protocol"] == "TCP"


def test_the_uid_follows_content_file_and_node() -> None:
    assert read()["metadata"]["uid"] == read()["metadata"]["uid"]
    others = [
        read(YAML.replace(b"app:1", b"app:2")), read(source="/m/other.yaml"), read(node="node-2"),
    ]  # fmt: skip
    uids = {pod["metadata"]["uid"] for pod in (read(), *others)}
    assert len(uids) == 4


def test_a_uid_in_the_manifest_is_kept() -> None:
    content = YAML.replace(b"name: web,", b"name: web, uid: own,")
    assert read(content)["metadata"]["uid"] == "own"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kind: [", "couldn't parse as pod"),
        (b"apiVersion: apps/v1\nkind: Deployment", "couldn't parse as pod"),
        (with_spec(containers=[]), "spec.containers"),
        (with_spec(containers="x"), "invalid pod"),
        (with_spec(serviceAccountName="x"), "static pods may not reference serviceaccounts"),
        (with_spec(imagePullSecrets=[{"name": "s"}]), "static pods may not reference secrets"),
        (
            with_spec(volumes=[{"name": "v", "configMap": {"name": "x"}}]),
            "static pods may not reference configmaps",
        ),
        (
            with_spec(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]),
            "static pods may not reference persistentvolumeclaims",
        ),
        (
            with_spec(
                containers=[{"name": "c", "image": "a", "envFrom": [{"secretRef": {"name": "s"}}]}],
            ),
            "static pods may not reference secrets",
        ),
    ],
)
def test_what_cannot_run_here_is_told(content: bytes, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        read(content)


def test_the_mirror_belongs_to_the_node_and_carries_the_hash() -> None:
    pod = read()
    mirror = mirror_pod(pod, {"metadata": {"name": "node-1", "uid": "n"}})
    assert mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] == pod["metadata"]["uid"]
    assert "uid" not in mirror["metadata"]
    owner = mirror["metadata"]["ownerReferences"][0]
    assert owner == {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "n", "controller": True}
    assert is_mirror_of(mirror, pod)
    assert not is_mirror_of(mirror, read(source="/m/other.yaml"))
