"""Configuration reaching containers: environment, volumes that change in place, tokens."""

import json
from pathlib import Path

from e2e_support import Space, pod, until


def test_environment_from_everywhere(space: Space) -> None:
    space.kubectl("create", "configmap", "settings", "--from-literal=colour=blue", "--from-literal=size=3")
    space.kubectl("create", "secret", "generic", "password", "--from-literal=word=open sesame")
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "word"}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "BOTH", "value": "$(COLOUR)-$(ME)"},
        {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "nowhere", "key": "x", "optional": True}}},
    ]
    container = {
        "env": env,
        "envFrom": [{"prefix": "S_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"memory": "32Mi"}},
    }
    space.apply(pod("env", container=container))
    space.until_ready("env")
    values = dict(
        line.split("=", 1) for line in space.out("exec", "env", "--", "env").splitlines() if "=" in line
    )
    assert (values["COLOUR"], values["WORD"], values["ME"], values["LIMIT"]) == (
        "blue",
        "open sesame",
        "env",
        "32",
    )
    assert values["BOTH"] == "blue-env"
    assert values["S_size"] == "3"
    assert "GONE" not in values
    assert values["KUBERNETES_SERVICE_HOST"]


def test_config_map_and_secret_volumes_change_in_place(space: Space) -> None:
    space.kubectl("create", "configmap", "c", "--from-literal=k=one")
    space.kubectl("create", "secret", "generic", "s", "--from-literal=p=hidden")
    volumes = [
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}},
        {
            "name": "d",
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        },
    ]
    mounts = [{"name": name, "mountPath": f"/{name}v"} for name in ("c", "s", "d")]
    space.apply(pod("vols", volumes=volumes, container={"volumeMounts": mounts}))
    space.until_ready("vols")
    assert space.out("exec", "vols", "--", "cat", "/cv/k", "/sv/p") == "onehidden"
    assert space.out("exec", "vols", "--", "stat", "-L", "-c", "%a", "/sv/p").strip() == "400"
    space.kubectl("patch", "configmap", "c", "-p", json.dumps({"data": {"k": "two"}}))
    space.kubectl("label", "pod", "vols", "tier=late")
    until(lambda: space.out("exec", "vols", "--", "cat", "/cv/k") == "two", within=120)
    until(lambda: 'tier="late"' in space.out("exec", "vols", "--", "cat", "/dv/labels"), within=120)


def test_service_account_token_opens_the_api(space: Space) -> None:
    space.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    space.kubectl(
        "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={space.name}:default"
    )
    space.apply(pod("caller"))
    space.until_ready("caller")
    directory = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert space.out("exec", "caller", "--", "cat", f"{directory}/namespace") == space.name
    token = space.out("exec", "caller", "--", "cat", f"{directory}/token")
    assert "BEGIN CERTIFICATE" in space.out("exec", "caller", "--", "cat", f"{directory}/ca.crt")
    server = space.cluster.status()["server"]
    import ssl
    import urllib.request

    from e2e_support import TestCluster  # noqa: F401

    context = ssl.create_default_context(cafile=str(space.cluster.data / "ca.crt"))
    call = urllib.request.Request(
        f"{server}/api/v1/namespaces/{space.name}/pods", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(call, context=context, timeout=10) as answer:
        assert [p["metadata"]["name"] for p in json.load(answer)["items"]] == ["caller"]


def test_host_path_and_empty_dir_in_memory(space: Space) -> None:
    volumes = [
        {"name": "h", "hostPath": {"path": "/etc", "type": "Directory"}},
        {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    ]
    mounts = [{"name": "h", "mountPath": "/h", "readOnly": True}, {"name": "m", "mountPath": "/m"}]
    space.apply(pod("paths", volumes=volumes, container={"volumeMounts": mounts}))
    space.until_ready("paths")
    assert space.out("exec", "paths", "--", "cat", "/h/debian_version")
    assert "tmpfs" in space.out("exec", "paths", "--", "mount")
    refused = space.kubectl("exec", "paths", "--", "touch", "/h/new", check=False)
    assert "Read-only file system" in refused.stderr


def test_hooks_run_around_the_container(space: Space) -> None:
    hooks = {
        "lifecycle": {
            "postStart": {"exec": {"command": ["touch", "/v/started"]}},
            "preStop": {"exec": {"command": ["touch", "/v/stopping"]}},
        },
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        space.apply(pod("hooked", volumes=[{"name": "v", "hostPath": {"path": directory}}], container=hooks))
        space.until_ready("hooked")
        assert space.out("exec", "hooked", "--", "ls", "/v") == "started\n"
        space.kubectl("delete", "pod", "hooked", "--grace-period=10")
        from pathlib import Path

        assert sorted(path.name for path in Path(directory).iterdir()) == ["started", "stopping"]


def test_resources_become_cgroup_limits(space: Space) -> None:
    limits = {
        "resources": {
            "limits": {"memory": "32Mi", "cpu": "200m"},
            "requests": {"memory": "16Mi", "cpu": "100m"},
        }
    }
    space.apply(pod("bounded", container=limits))
    space.until_ready("bounded")
    assert space.json("get", "pod", "bounded")["status"]["qosClass"] == "Burstable"
    text = space.out(
        "exec",
        "bounded",
        "--",
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
    )
    assert str(32 * 1024 * 1024) in text.split()


def test_an_ephemeral_claim_comes_and_goes_with_its_pod(space: Space) -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    space.apply(pod("own", container=mounts, volumes=volumes, terminationGracePeriodSeconds=0))
    space.until_ready("own")
    space.kubectl("exec", "own", "--", "sh", "-c", "echo kept > /v/file")
    claim = space.json("get", "pvc", "own-v")
    assert (claim["status"]["phase"], claim["metadata"]["ownerReferences"][0]["name"]) == ("Bound", "own")
    space.kubectl("delete", "pod", "own")
    until(lambda: not space.json("get", "pvc")["items"])


def test_a_claim_keeps_data_while_pods_come_and_go(space: Space) -> None:
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }  # fmt: skip
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = [
        {"name": "v", "mountPath": "/data"},
        {"name": "v", "mountPath": "/part", "subPath": "deep/part"},
    ]
    space.apply(claim)
    space.apply(pod("first", volumes=volumes, container={"volumeMounts": mounts}))
    space.until_ready("first")
    space.kubectl("exec", "first", "--", "sh", "-c", "echo kept > /data/file; echo below > /part/file")
    name = space.out("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}")
    directory = Path(space.out("get", "pv", name, "-o", "jsonpath={.spec.hostPath.path}"))
    assert directory.parent == space.cluster.data / "storage"
    assert (directory / "deep" / "part" / "file").read_text() == "below\n"
    space.kubectl("delete", "pod", "first", "--grace-period=0", "--force")

    only_read = [{"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}]
    space.apply(pod("second", volumes=only_read, container={"volumeMounts": mounts[:1]}))
    space.until_ready("second")
    assert space.out("exec", "second", "--", "cat", "/data/file", "/data/deep/part/file").split() == [
        "kept",
        "below",
    ]
    refused = space.kubectl("exec", "second", "--", "touch", "/data/new", check=False)
    assert "Read-only file system" in refused.stderr

    space.kubectl("delete", "pvc", "data", "--wait=false")
    assert space.out("get", "pvc", "data", "-o", "jsonpath={.status.phase}") == "Bound", "a pod uses it"
    space.kubectl("delete", "pod", "second", "--grace-period=0", "--force")
    until(lambda: not directory.exists())
    until(lambda: space.kubectl("get", "pv", name, check=False).returncode)
