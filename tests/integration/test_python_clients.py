"""The Python clients that people use, unmodified: `kubernetes`, `kr8s`, `lightkube`."""

import asyncio
from typing import Any

import kr8s.asyncio
import kr8s.asyncio.objects
import kubernetes
import lightkube
import lightkube.models.meta_v1
import lightkube.resources.core_v1
import pytest

from pinnace.testing.api_server import ApiServerInProcess


async def test_official_client(api_server: ApiServerInProcess) -> None:
    def use() -> tuple[str, list[str], str]:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(api_server.kubeconfig()), client_configuration=configuration)
        with kubernetes.client.ApiClient(configuration) as connection:
            core = kubernetes.client.CoreV1Api(connection)
            body = kubernetes.client.V1ConfigMap(metadata={"name": "a"}, data={"k": "v"})
            made: Any = core.create_namespaced_config_map("default", body)
            core.patch_namespaced_config_map("a", "default", {"data": {"k": "w"}})
            names = [item.metadata.name for item in core.list_namespaced_config_map("default").items]
            value = core.read_namespaced_config_map("a", "default").data["k"]
            core.delete_namespaced_config_map("a", "default")
            return made.metadata.uid, names, value

    uid, names, value = await asyncio.to_thread(use)
    assert uid
    assert (names, value) == (["a"], "w")


async def test_official_client_watches(api_server: ApiServerInProcess) -> None:
    def use() -> list[str]:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(api_server.kubeconfig()), client_configuration=configuration)
        with kubernetes.client.ApiClient(configuration) as connection:
            core = kubernetes.client.CoreV1Api(connection)
            events = kubernetes.watch.Watch().stream(core.list_namespace, timeout_seconds=1)
            return sorted(event["object"].metadata.name for event in events)

    assert await asyncio.to_thread(use) == ["default", "kube-node-lease", "kube-public", "kube-system"]


@pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported")  # kr8s knows up to 1.35
async def test_kr8s(api_server: ApiServerInProcess) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(api_server.kubeconfig()))
    body = {"metadata": {"name": "a", "namespace": "default"}, "data": {"k": "v"}}
    config_map = await kr8s.asyncio.objects.ConfigMap(body, api=api)
    await config_map.create()
    await config_map.patch({"data": {"k": "w"}})
    names = [found.name async for found in api.get("configmaps", namespace="default")]
    assert names == ["a"]
    assert config_map.data["k"] == "w"
    await config_map.delete()


async def test_lightkube(api_server: ApiServerInProcess) -> None:
    config = lightkube.KubeConfig.from_file(str(api_server.kubeconfig()))
    client = lightkube.AsyncClient(config=config.get())
    config_map = lightkube.resources.core_v1.ConfigMap
    metadata = lightkube.models.meta_v1.ObjectMeta(name="a", namespace="default")
    await client.create(config_map(metadata=metadata, data={"k": "v"}))
    await client.apply(config_map(metadata=metadata, data={"k": "w"}), field_manager="test", force=True)
    found = await client.get(config_map, "a", namespace="default")
    assert found.data == {"k": "w"}
    assert [item.metadata.name async for item in client.list(config_map, namespace="default")] == ["a"]
