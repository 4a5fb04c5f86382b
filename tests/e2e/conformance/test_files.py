"""Files in containers: volumes of config maps, secrets, the downward API, projections, and empty directories."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conformance.runs import Result, Run, judge
from e2e_support import Space

S = "[sig-storage] "
N = " [NodeConformance] [Conformance]"
L = " [LinuxOnly] [NodeConformance] [Conformance]"
READ, HIDDEN = 0o444, 0o400
ITEM = {"key": "data-1", "path": "path/to/data-2"}
NON_ROOT: dict[str, Any] = {"securityContext": {"runAsUser": 1000}}
IN_GROUP = {"securityContext": {"runAsUser": 1000, "fsGroup": 1001}}
BOUND = {
    "resources": {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
}


def config_map(name: str = "settings", **fields: Any) -> dict[str, Any]:
    return {"configMap": {"name": name, **fields}}


def secret(name: str = "words", **fields: Any) -> dict[str, Any]:
    return {"secret": {"secretName": name, **fields}}


def projected(*sources: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"projected": {"sources": list(sources), **fields}}


def settings(**fields: Any) -> dict[str, Any]:
    return {"configMap": {"name": "settings", **fields}}


def words(**fields: Any) -> dict[str, Any]:
    return {"secret": {"name": "words", **fields}}


def pod_name(**fields: Any) -> dict[str, Any]:
    return {"items": [{"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}, **fields}]}


def amount(resource: str, divisor: str = "1") -> dict[str, Any]:
    wanted = {"containerName": "$ME", "resource": resource, "divisor": divisor}
    return {"items": [{"path": "amount", "resourceFieldRef": wanted}]}


def shown(*paths: str) -> str:
    """Content and mode of each file."""
    return "; ".join(f"cat {path}; echo; stat -L -c %A {path}" for path in paths)


def file_in_empty_dir(mode: str, bits: str, medium: str, user: dict[str, Any]) -> Run:
    script = f"umask 0; echo inside > /v/f; busybox chmod {mode} /v/f; stat -c %A /v/f; cat /v/f; id -u"
    if medium:
        script += "; stat -f -c %T /v"
    said = f"{bits}\ninside\n{1000 if user else 0}" + ("\ntmpfs" if medium else "")
    return Run(script, said, {"v": {"emptyDir": {"medium": medium}}}, container=user)


def under_sub_path(source: dict[str, Any], sub_path: str, said: str) -> Run:
    return Run("cat /file", said, {"v": source}, mounts={"v": [{"mountPath": "/file", "subPath": sub_path}]})


# fmt: off
CONFIG_MAPS = [
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-rw-r--r--', {'v': config_map()}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume" + N)),
    pytest.param(Run(shown('/v/data-1') + '; id -u', 'value-1\n-rw-r--r--\n1000', {'v': config_map()}, container=NON_ROOT),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume as non-root" + N)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-r--------', {'v': config_map(defaultMode=HIDDEN)}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume with defaultMode set" + L)),
    pytest.param(Run(shown('/v/path/to/data-2') + '; ls /v', 'value-1\n-rw-r--r--\npath', {'v': config_map(items=[ITEM])}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume with mappings" + N)),
    pytest.param(Run(shown('/v/path/to/data-2'), 'value-1\n-r--------', {'v': config_map(items=[dict(ITEM, mode=HIDDEN)])}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume with mappings and Item mode set" + L)),
    pytest.param(Run('cat /v/path/to/data-2; echo; id -u', 'value-1\n1000', {'v': config_map(items=[ITEM])}, container=NON_ROOT),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable from pods in volume with mappings as non-root" + N)),
    pytest.param(Run('cat /v/data-1 /w/data-1', 'value-1value-1', {'v': config_map(), 'w': config_map()}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable in multiple volumes in the same pod" + N)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-rw-r--r--', {'v': projected(settings())}),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume" + N)),
    pytest.param(Run(shown('/v/data-1') + '; id -u', 'value-1\n-rw-r--r--\n1000', {'v': projected(settings())}, container=NON_ROOT),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume as non-root" + N)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-r--------', {'v': projected(settings(), defaultMode=HIDDEN)}),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume with defaultMode set" + L)),
    pytest.param(Run(shown('/v/path/to/data-2') + '; ls /v', 'value-1\n-rw-r--r--\npath', {'v': projected(settings(items=[ITEM]))}),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume with mappings" + N)),
    pytest.param(Run(shown('/v/path/to/data-2'), 'value-1\n-r--------', {'v': projected(settings(items=[dict(ITEM, mode=HIDDEN)]))}),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume with mappings and Item mode set" + L)),
    pytest.param(Run('cat /v/path/to/data-2; echo; id -u', 'value-1\n1000', {'v': projected(settings(items=[ITEM]))}, container=NON_ROOT),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable from pods in volume with mappings as non-root" + N)),
    pytest.param(Run('cat /v/data-1 /w/data-1', 'value-1value-1', {'v': projected(settings()), 'w': projected(settings())}),
                 marks=pytest.mark.conformance(S + "Projected configMap should be consumable in multiple volumes in the same pod" + N)),
    pytest.param(Run('cat /v/text; echo; od -An -tx1 /v/blob', 'plain\n de ca fe ba d0 fe ff', {'v': config_map('mixed')}),
                 marks=pytest.mark.conformance(S + "ConfigMap binary data should be reflected in volume" + N)),
]

SECRETS = [
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-rw-r--r--', {'v': secret()}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in volume" + N)),
    pytest.param(Run(shown('/v/data-1') + '; id -u', 'value-1\n-r--r-----\n1000', {'v': secret(defaultMode=0o440)}, pod=IN_GROUP),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in volume as non-root with defaultMode and fsGroup set" + L)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-r--------', {'v': secret(defaultMode=HIDDEN)}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in volume with defaultMode set" + L)),
    pytest.param(Run(shown('/v/path/to/data-2') + '; ls /v', 'value-1\n-rw-r--r--\npath', {'v': secret(items=[ITEM])}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in volume with mappings" + N)),
    pytest.param(Run(shown('/v/path/to/data-2'), 'value-1\n-r--------', {'v': secret(items=[dict(ITEM, mode=HIDDEN)])}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in volume with mappings and Item Mode set" + L)),
    pytest.param(Run('cat /v/data-1 /w/data-1', 'value-1value-1', {'v': secret(), 'w': secret()}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable in multiple volumes in a pod" + N)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-rw-r--r--', {'v': projected(words())}),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable from pods in volume" + N)),
    pytest.param(Run(shown('/v/data-1') + '; id -u', 'value-1\n-r--r-----\n1000', {'v': projected(words(), defaultMode=0o440)}, pod=IN_GROUP),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable from pods in volume as non-root with defaultMode and fsGroup set" + L)),
    pytest.param(Run(shown('/v/data-1'), 'value-1\n-r--------', {'v': projected(words(), defaultMode=HIDDEN)}),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable from pods in volume with defaultMode set" + L)),
    pytest.param(Run(shown('/v/path/to/data-2') + '; ls /v', 'value-1\n-rw-r--r--\npath', {'v': projected(words(items=[ITEM]))}),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable from pods in volume with mappings" + N)),
    pytest.param(Run(shown('/v/path/to/data-2'), 'value-1\n-r--------', {'v': projected(words(items=[dict(ITEM, mode=HIDDEN)]))}),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable from pods in volume with mappings and Item Mode set" + L)),
    pytest.param(Run('cat /v/data-1 /w/data-1', 'value-1value-1', {'v': projected(words()), 'w': projected(words())}),
                 marks=pytest.mark.conformance(S + "Projected secret should be consumable in multiple volumes in a pod" + N)),
    pytest.param(Run(shown('/v/data-1') + '; ls /v', 'value-1\n-rw-r--r--\ndata-1', {'v': secret()}),
                 marks=pytest.mark.conformance(S + "Secrets should be able to mount in a volume regardless of a different secret existing with same name in different namespace" + N)),
]

DOWNWARD = [
    pytest.param(Run('cat /v/podname', '{name}', {'v': {'downwardAPI': pod_name()}}),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide podname only" + N)),
    pytest.param(Run(shown('/v/podname'), '{name}\n-r--------', {'v': {'downwardAPI': {**pod_name(), 'defaultMode': HIDDEN}}}),
                 marks=pytest.mark.conformance(S + "Downward API volume should set DefaultMode on files" + L)),
    pytest.param(Run(shown('/v/podname'), '{name}\n-r--------', {'v': {'downwardAPI': pod_name(mode=HIDDEN)}}),
                 marks=pytest.mark.conformance(S + "Downward API volume should set mode on item file" + L)),
    pytest.param(Run('cat /v/amount', '1250', {'v': {'downwardAPI': amount('limits.cpu', '1m')}}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide container's cpu limit" + N)),
    pytest.param(Run('cat /v/amount', '250', {'v': {'downwardAPI': amount('requests.cpu', '1m')}}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide container's cpu request" + N)),
    pytest.param(Run('cat /v/amount', '64', {'v': {'downwardAPI': amount('limits.memory', '1Mi')}}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide container's memory limit" + N)),
    pytest.param(Run('cat /v/amount', '32', {'v': {'downwardAPI': amount('requests.memory', '1Mi')}}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide container's memory request" + N)),
    pytest.param(Run('cat /v/amount', '{cpu}', {'v': {'downwardAPI': amount('limits.cpu')}}),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide node allocatable (cpu) as default cpu limit if the limit is not set" + N)),
    pytest.param(Run('cat /v/amount', '{memory}', {'v': {'downwardAPI': amount('limits.memory')}}),
                 marks=pytest.mark.conformance(S + "Downward API volume should provide node allocatable (memory) as default memory limit if the limit is not set" + N)),
    pytest.param(Run('cat /v/podname', '{name}', {'v': projected({'downwardAPI': pod_name()})}),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide podname only" + N)),
    pytest.param(Run(shown('/v/podname'), '{name}\n-r--------', {'v': projected({'downwardAPI': pod_name()}, defaultMode=HIDDEN)}),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should set DefaultMode on files" + L)),
    pytest.param(Run(shown('/v/podname'), '{name}\n-r--------', {'v': projected({'downwardAPI': pod_name(mode=HIDDEN)})}),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should set mode on item file" + L)),
    pytest.param(Run('cat /v/amount', '1250', {'v': projected({'downwardAPI': amount('limits.cpu', '1m')})}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide container's cpu limit" + N)),
    pytest.param(Run('cat /v/amount', '250', {'v': projected({'downwardAPI': amount('requests.cpu', '1m')})}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide container's cpu request" + N)),
    pytest.param(Run('cat /v/amount', '64', {'v': projected({'downwardAPI': amount('limits.memory', '1Mi')})}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide container's memory limit" + N)),
    pytest.param(Run('cat /v/amount', '32', {'v': projected({'downwardAPI': amount('requests.memory', '1Mi')})}, container=BOUND),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide container's memory request" + N)),
    pytest.param(Run('cat /v/amount', '{cpu}', {'v': projected({'downwardAPI': amount('limits.cpu')})}),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide node allocatable (cpu) as default cpu limit if the limit is not set" + N)),
    pytest.param(Run('cat /v/amount', '{memory}', {'v': projected({'downwardAPI': amount('limits.memory')})}),
                 marks=pytest.mark.conformance(S + "Projected downwardAPI should provide node allocatable (memory) as default memory limit if the limit is not set" + N)),
]

EMPTY_DIRECTORIES = [
    pytest.param(Run('stat -c %A /v', 'drwxrwxrwx', {'v': {'emptyDir': {'medium': ''}}}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes volume on default medium should have the correct mode" + L)),
    pytest.param(file_in_empty_dir('0644', '-rw-r--r--', '', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0644,default)" + L)),
    pytest.param(file_in_empty_dir('0666', '-rw-rw-rw-', '', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0666,default)" + L)),
    pytest.param(file_in_empty_dir('0777', '-rwxrwxrwx', '', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0777,default)" + L)),
    pytest.param(file_in_empty_dir('0644', '-rw-r--r--', '', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0644,default)" + L)),
    pytest.param(file_in_empty_dir('0666', '-rw-rw-rw-', '', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0666,default)" + L)),
    pytest.param(file_in_empty_dir('0777', '-rwxrwxrwx', '', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0777,default)" + L)),
    pytest.param(Run('stat -c %A /v; stat -f -c %T /v', 'drwxrwxrwx\ntmpfs', {'v': {'emptyDir': {'medium': 'Memory'}}}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes volume on tmpfs should have the correct mode" + L)),
    pytest.param(file_in_empty_dir('0644', '-rw-r--r--', 'Memory', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0644,tmpfs)" + L)),
    pytest.param(file_in_empty_dir('0666', '-rw-rw-rw-', 'Memory', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0666,tmpfs)" + L)),
    pytest.param(file_in_empty_dir('0777', '-rwxrwxrwx', 'Memory', {}),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (root,0777,tmpfs)" + L)),
    pytest.param(file_in_empty_dir('0644', '-rw-r--r--', 'Memory', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0644,tmpfs)" + L)),
    pytest.param(file_in_empty_dir('0666', '-rw-rw-rw-', 'Memory', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0666,tmpfs)" + L)),
    pytest.param(file_in_empty_dir('0777', '-rwxrwxrwx', 'Memory', NON_ROOT),
                 marks=pytest.mark.conformance(S + "EmptyDir volumes should support (non-root,0777,tmpfs)" + L)),
]

TOGETHER = [
    pytest.param(Run('cat /v/podname /v/data-1 /v/word; echo; ls /v', '{name}value-1value-1\ndata-1\npodname\nword', {'v': projected({'downwardAPI': pod_name()}, settings(), words(items=[{'key': 'data-1', 'path': 'word'}]))}),
                 marks=pytest.mark.conformance(S + "Projected combined should project all components that make up the projection API [Projection]" + N)),
    pytest.param(under_sub_path(config_map(), 'data-1', 'value-1'),
                 marks=pytest.mark.conformance(S + "Subpath Atomic writer volumes should support subpaths with configmap pod [Conformance]")),
    pytest.param(Run('cat /etc/passwd', 'value-1', {'v': config_map()}, mounts={'v': [{'mountPath': '/etc/passwd', 'subPath': 'data-1'}]}),
                 marks=pytest.mark.conformance(S + "Subpath Atomic writer volumes should support subpaths with configmap pod with mountPath of existing file [Conformance]")),
    pytest.param(under_sub_path({'downwardAPI': pod_name()}, 'podname', '{name}'),
                 marks=pytest.mark.conformance(S + "Subpath Atomic writer volumes should support subpaths with downward pod [Conformance]")),
    pytest.param(under_sub_path(projected(settings(items=[ITEM])), 'path/to/data-2', 'value-1'),
                 marks=pytest.mark.conformance(S + "Subpath Atomic writer volumes should support subpaths with projected pod [Conformance]")),
    pytest.param(under_sub_path(secret(), 'data-1', 'value-1'),
                 marks=pytest.mark.conformance(S + "Subpath Atomic writer volumes should support subpaths with secret pod [Conformance]")),
    pytest.param(Run('cat /v/data-1 /w/data-1; touch /u/x; echo; ls /u', 'value-1value-1\nx', {'v': secret(), 'w': config_map(), 'u': {'emptyDir': {}}}),
                 marks=pytest.mark.conformance(S + "EmptyDir wrapper volumes should not conflict [Conformance]")),
]
# fmt: on


@pytest.fixture(scope="module")
def furnished(place: Space) -> Iterator[Space]:
    data = {"data-1": base64.b64encode(b"value-1").decode()}
    other = {"data-1": base64.b64encode(b"not this one").decode(), "more": ""}
    blob = base64.b64encode(bytes.fromhex("decafebad0feff")).decode()
    place.apply(
        _object("ConfigMap", "settings", data={"data-1": "value-1"}),
        _object("ConfigMap", "mixed", data={"text": "plain"}, binaryData={"blob": blob}),
        _object("Secret", "words", data=data),
    )
    place.cluster.kubectl("create", "namespace", f"{place.name}-2")
    place.cluster.apply(_object("Secret", "words", data=other), namespace=f"{place.name}-2")
    yield place
    place.cluster.kubectl("delete", "namespace", f"{place.name}-2", "--wait=false", check=False)


def _object(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


@pytest.mark.parametrize("run", [*CONFIG_MAPS, *SECRETS, *DOWNWARD, *EMPTY_DIRECTORIES, *TOGETHER])
def test_files(run: Run, printed: dict[Run, Result]) -> None:
    judge(run, printed[run])
