"""The smaller admission plugins at a real server: storage, topology, and those that are off by default."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.testing.api_server import ApiServerInProcess

Object = dict[str, Any]


def pod(name: str = "p", **spec: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i:1"}], **spec}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


def claim(name: str, size: str = "1Gi", **spec: Any) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


def storage_class(name: str, **more: Any) -> Object:
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = {"name": name, "annotations": mark}
    return {
        "kind": "StorageClass",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": metadata,
        "provisioner": "x",
        **more,
    }


async def account(client: Client) -> None:
    body = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, body, "default")


def served(tmp_path: Path, *plugins: str, **configurations: Object) -> ApiServerInProcess:
    """A server with these plugins on, told these configurations."""
    changes: dict[str, Any] = {"enable_admission_plugins": plugins}
    if configurations:
        entries = [{"name": name, "configuration": body} for name, body in configurations.items()]
        path = tmp_path / "admission.yaml"
        path.write_text(yaml.safe_dump({"kind": "AdmissionConfiguration", "plugins": entries}))
        changes["admission_control_config_file"] = path
    return ApiServerInProcess(tmp_path / "pki", **changes)


async def test_claims_get_the_default_class_a_finalizer_and_grow_only_if_their_class_allows(
    rest_client: Client,
) -> None:
    client = rest_client
    await client.create(r.STORAGE_CLASSES, storage_class("stiff"))
    made = await client.create(r.PERSISTENT_VOLUME_CLAIMS, claim("c"), "default")
    assert made["spec"]["storageClassName"] == "stiff"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    without = await client.create(r.PERSISTENT_VOLUME_CLAIMS, claim("none", storageClassName=""), "default")
    assert without["spec"]["storageClassName"] == ""
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    with pytest.raises(errors.StatusError, match="bound"):
        await client.patch(r.PERSISTENT_VOLUME_CLAIMS, "c", more, "default")
    bound = {"status": {"phase": "Bound"}}
    await client.patch(r.PERSISTENT_VOLUME_CLAIMS, "c", {"spec": {"volumeName": "v"}}, "default")
    await client.patch(r.PERSISTENT_VOLUME_CLAIMS, "c", bound, "default", subresource="status")
    with pytest.raises(errors.Forbidden, match="only dynamically provisioned pvc can be resized"):
        await client.patch(r.PERSISTENT_VOLUME_CLAIMS, "c", more, "default")
    await client.patch(r.STORAGE_CLASSES, "stiff", {"allowVolumeExpansion": True})
    grown = await client.patch(r.PERSISTENT_VOLUME_CLAIMS, "c", more, "default")
    assert grown["spec"]["resources"]["requests"]["storage"] == "2Gi"


async def test_a_bound_pod_carries_its_nodes_zone(rest_client: Client) -> None:
    client = rest_client
    await account(client)
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "x"}
    await client.create(
        r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n", "labels": labels}}
    )
    await client.create(r.PODS, pod(), "default")
    target = {"kind": "Node", "name": "n"}
    binding = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "p"}, "target": target}
    await client.create(r.PODS, binding, "default", name="p", subresource="binding")
    bound = await client.get(r.PODS, "p", "default")
    assert bound["metadata"]["labels"] == {k: v for k, v in labels.items() if k != "other"}


async def test_images_tolerations_and_topologies(tmp_path: Path) -> None:
    plugins = (
        "AlwaysPullImages", "ExtendedResourceToleration", "LimitPodHardAntiAffinityTopology", "DenyServiceExternalIPs",
        "NamespaceAutoProvision",
    )  # fmt: skip
    async with served(tmp_path, *plugins) as api:
        client = api.local_client()
        await account(client)
        resources = {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}
        asking = pod(
            containers=[{"name": "c", "image": "i:1", "imagePullPolicy": "Never", "resources": resources}]
        )
        made = await client.create(r.PODS, asking, "default")
        assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"
        assert {"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in made["spec"][
            "tolerations"
        ]
        term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
        apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        with pytest.raises(errors.Forbidden, match="has TopologyKey zone but only key kubernetes"):
            await client.create(r.PODS, pod("q", affinity=apart), "default")
        spec = {"ports": [{"port": 80}], "externalIPs": ["192.0.2.1"]}
        service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, "spec": spec}
        with pytest.raises(errors.Forbidden, match="Use of external IPs is denied by admission control"):
            await client.create(r.SERVICES, service, "default")
        config_map = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
        await client.create(r.CONFIG_MAPS, config_map, "made-on-the-way")
        assert (await client.get(r.NAMESPACES, "made-on-the-way"))["status"]["phase"] == "Active"


async def test_namespaces_say_where_pods_run_and_what_they_tolerate(tmp_path: Path) -> None:
    selector = {
        "podNodeSelectorPluginConfig": {
            "clusterDefaultNodeSelector": "pool=common",
            "default": "pool=common,disk=ssd",
        }
    }
    allowed = {
        "kind": "Configuration",
        "whitelist": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
    }
    names = ("PodNodeSelector", "PodTolerationRestriction")
    async with served(tmp_path, *names, PodNodeSelector=selector, PodTolerationRestriction=allowed) as api:
        client = api.local_client()
        await account(client)
        mark = {"scheduler.alpha.kubernetes.io/tolerationsWhitelist": '[{"operator": "Exists"}]'}
        await client.patch(r.NAMESPACES, "default", {"metadata": {"annotations": mark}})
        made = await client.create(r.PODS, pod(nodeSelector={"disk": "ssd"}), "default")
        assert made["spec"]["nodeSelector"] == {"pool": "common", "disk": "ssd"}
        for other, why in (
            ({"pool": "own"}, "pod node label selector conflicts with its namespace node label selector"),
            ({"gpu": "yes"}, "pod node label selector labels conflict with its namespace whitelist"),
        ):
            with pytest.raises(errors.Forbidden, match=why):
                await client.create(r.PODS, pod("q", nodeSelector=other), "default")
        extra = '[{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]'
        annotations = {
            "scheduler.alpha.kubernetes.io/defaultTolerations": extra,
            "scheduler.alpha.kubernetes.io/tolerationsWhitelist": '[{"key": "a", "operator": "Exists"}]',
        }
        await client.patch(r.NAMESPACES, "default", {"metadata": {"annotations": annotations}})
        with pytest.raises(
            errors.Forbidden, match="conflict with its namespace whitelist"
        ):  # of not-ready, by default
            await client.create(r.PODS, pod("q"), "default")


async def test_events_are_limited(tmp_path: Path) -> None:
    limits = {"kind": "Configuration", "limits": [{"type": "Namespace", "qps": 1, "burst": 2}]}
    async with served(tmp_path, "EventRateLimit", EventRateLimit=limits) as api:
        client = api.local_client()

        def event(name: str) -> Object:
            about = {"kind": "Pod", "namespace": "default", "name": "p"}
            return {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name}, "involvedObject": about}

        for name in ("a", "b"):
            await client.create(r.EVENTS, event(name), "default")
        with pytest.raises(errors.TooManyRequests, match="limit reached on type Namespace for key default"):
            await client.create(r.EVENTS, event("c"), "default")


async def test_owners_need_the_right_to_delete(tmp_path: Path) -> None:
    async with served(tmp_path, "OwnerReferencesPermissionEnforcement") as api:
        admin = api.local_client()
        owner = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "owner"}}
        made = await admin.create(r.CONFIG_MAPS, owner, "default")
        rules = [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update", "patch"]}
        ]
        role = {
            "kind": "Role",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": "w"},
            "rules": rules,
        }
        await admin.create(r.ROLES, role, "default")
        binding = {
            "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "w"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "w"},
            "subjects": [{"kind": "User", "name": "writer", "apiGroup": "rbac.authorization.k8s.io"}],
        }  # fmt: skip
        await admin.create(r.ROLE_BINDINGS, binding, "default")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made["metadata"]["uid"]}

        def owned(name: str, **more: Any) -> Object:
            metadata = {"name": name, "ownerReferences": [{**reference, **more}]}
            return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}

        writer = api.local_client("writer", ())

        async def try_to_create() -> None:
            await writer.create(r.CONFIG_MAPS, owned("c", blockOwnerDeletion=True), "default")

        for verb_is_missing in (
            "cannot set an ownerRef on a resource you can't delete",
            "cannot set blockOwnerDeletion",
        ):
            with pytest.raises(errors.Forbidden, match=verb_is_missing):
                await try_to_create()
            rules[0]["verbs"].append("delete")
            await admin.patch(r.ROLES, "w", {"rules": rules}, "default")
        rules.append({"apiGroups": [""], "resources": ["configmaps/finalizers"], "verbs": ["update"]})
        await admin.patch(r.ROLES, "w", {"rules": rules}, "default")
        await try_to_create()


@pytest.mark.parametrize(
    ("plugins", "configurations", "why"),
    [
        (("ImagePolicyWebhook",), {}, "'ImagePolicyWebhook' is unknown"),
        (("EventRateLimit",), {}, "EventRateLimit: needs a configuration"),
        ((), {"Priority": {}}, "Priority: takes no configuration"),
        ((), {"PodSecurity": {"kind": "PodSecurityConfiguration", "default": {}}}, "unknown field default"),
        ((), {"PodSecurity": {"kind": "PodSecurityConfiguration", "defaults": {"warn": "x"}}}, "defaults.warn: 'x' must be one of"),
        ((), {"Nope": {}}, "'Nope' is unknown"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_flags_and_file(
    tmp_path: Path, plugins: tuple[str, ...], configurations: dict[str, Object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        served(tmp_path, *plugins, **configurations)


async def test_nothing_gets_past_always_deny(tmp_path: Path) -> None:
    async with served(tmp_path, "AlwaysDeny") as api:
        config_map = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
        with pytest.raises(errors.Forbidden, match="admission control is denying all modifications"):
            await api.local_client().create(r.CONFIG_MAPS, config_map, "default")


async def test_what_is_limited_needs_a_quota(tmp_path: Path) -> None:
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": ["gold"]}
    limited = [
        {"resource": "pods", "matchScopes": [scope]},
        {"resource": "configmaps", "matchContains": ["count/configmaps"]},
    ]
    told = {"kind": "ResourceQuotaConfiguration", "limitedResources": limited}
    async with served(tmp_path, ResourceQuota=told) as api:
        client = api.local_client()
        await account(client)
        gold = {
            "kind": "PriorityClass",
            "apiVersion": "scheduling.k8s.io/v1",
            "metadata": {"name": "gold"},
            "value": 9,
        }
        await client.create(r.PRIORITY_CLASSES, gold)
        await client.create(r.PODS, pod(), "default")
        with pytest.raises(errors.Forbidden) as refused:
            await client.create(r.PODS, pod("q", priorityClassName="gold"), "default")
        assert refused.value.message.endswith(
            "insufficient quota to match these scopes: [{PriorityClass In [gold]}]"
        )
        config_map = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}
        with pytest.raises(errors.Forbidden, match="insufficient quota to consume: count/configmaps"):
            await client.create(r.CONFIG_MAPS, config_map, "default")
        quota = {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [scope]}}
        body = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec": quota}
        made = await client.create(r.RESOURCE_QUOTAS, body, "default")
        status = {"hard": {"pods": "1"}, "used": {"pods": "0"}}
        await client.update(r.RESOURCE_QUOTAS, {**made, "status": status}, subresource="status")
        await client.create(r.PODS, pod("q", priorityClassName="gold"), "default")
        with pytest.raises(
            errors.Forbidden, match="exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
        ):
            await client.create(r.PODS, pod("q2", priorityClassName="gold"), "default")
