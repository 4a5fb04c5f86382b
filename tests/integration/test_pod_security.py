"""PodSecurity at the API: refusals, warnings, exemptions, labels; with what a configuration file says."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.testing.api_server import MASTERS, ApiServerInProcess

Object = dict[str, Any]
WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')
PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}
DETAIL = 'privileged (container "c" must not set securityContext.privileged=true)'


def namespace(name: str, **modes: str) -> Object:
    labels = {PREFIX + mode.replace("_", "-"): level for mode, level in modes.items()}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}}


def pod(name: str = "p", **spec: Any) -> Object:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {**PRIVILEGED, **spec}}


async def made(client: Client, name: str, **modes: str) -> None:
    await client.create(r.NAMESPACES, namespace(name, **modes))
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, account, name)


async def warnings(api: ApiServerInProcess, method: str, path: str, body: Object) -> list[str]:
    """The texts of the Warning headers of an answer that is a success."""
    connector = aiohttp.TCPConnector(ssl=api.tls(api.authority.client("admin", MASTERS)))
    media = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Content-Type": media}
    async with (
        aiohttp.ClientSession(api.url, connector=connector) as session,
        session.request(method, path, json=body, headers=headers) as answer,
    ):
        assert answer.status in (200, 201), await answer.text()
        told = WARNING.findall(", ".join(answer.headers.getall("Warning", [])))
        return [text.replace('\\"', '"') for text in told]


async def test_an_enforced_standard_refuses_pods_but_not_workloads(api_server: ApiServerInProcess) -> None:
    client = api_server.local_client()
    await made(client, "tight", enforce="baseline")
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(r.PODS, pod(), "tight")
    assert refused.value.message == f'pods "p" is forbidden: violates PodSecurity "baseline:latest": {DETAIL}'
    template = {"metadata": {"labels": {"a": "b"}}, "spec": PRIVILEGED}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"}, "spec": spec}
    told = await warnings(api_server, "POST", "/apis/apps/v1/namespaces/tight/deployments", deployment)
    assert told == [f'would violate PodSecurity "baseline:latest": {DETAIL}']


async def test_warnings_and_insignificant_updates(api_server: ApiServerInProcess) -> None:
    client = api_server.local_client()
    await made(client, "soft", warn="baseline", warn_version="v1.30")
    told = await warnings(api_server, "POST", "/api/v1/namespaces/soft/pods", pod())
    assert told == [f'would violate PodSecurity "baseline:v1.30": {DETAIL}']
    path = "/api/v1/namespaces/soft/pods/p"
    assert await warnings(api_server, "PATCH", path, {"metadata": {"labels": {"x": "y"}}}) == []
    image = {"spec": {"containers": [{"name": "c", "image": "new", "securityContext": {"privileged": True}}]}}
    assert (
        len([text for text in await warnings(api_server, "PATCH", path, image) if "would violate" in text])
        == 1
    )
    await client.patch(r.NAMESPACES, "soft", namespace("soft", enforce="baseline"))
    debug = {"name": "debug", "image": "i", "securityContext": {"privileged": True}}
    with pytest.raises(errors.Forbidden, match='containers "c", "debug" must not set'):
        await client.patch(
            r.PODS, "p", {"spec": {"ephemeralContainers": [debug]}}, "soft", subresource="ephemeralcontainers"
        )


async def test_labels_must_be_valid_and_a_stricter_one_warns_of_what_is_there(
    api_server: ApiServerInProcess,
) -> None:
    client = api_server.local_client()
    with pytest.raises(errors.Invalid) as invalid:
        await client.create(r.NAMESPACES, namespace("n", enforce="tight"))
    assert "must be one of privileged, baseline, restricted" in invalid.value.message
    await made(client, "n")
    for name in ("b", "a", "c"):
        await client.create(r.PODS, pod(name), "n")
    await client.create(r.PODS, pod("net", hostNetwork=True), "n")
    told = await warnings(api_server, "PATCH", "/api/v1/namespaces/n", namespace("n", enforce="baseline"))
    assert told == [
        'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): privileged",
        "net: host namespaces, privileged",
    ]
    assert (
        await warnings(api_server, "PATCH", "/api/v1/namespaces/n", namespace("n", enforce="privileged"))
        == []
    )


async def test_defaults_and_exemptions_come_from_a_file(tmp_path: Path) -> None:
    exemptions = {"usernames": ["trusted"], "runtimeClasses": ["boxed"], "namespaces": ["kube-system"]}
    own = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "baseline", "enforce-version": "v1.36"}, "exemptions": exemptions,
    }  # fmt: skip
    (tmp_path / "psa.yaml").write_text(yaml.safe_dump(own))
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "path": "psa.yaml"}],
    }  # fmt: skip
    (tmp_path / "admission.yaml").write_text(yaml.safe_dump(document))
    async with ApiServerInProcess(
        tmp_path / "pki", admission_control_config_file=tmp_path / "admission.yaml"
    ) as api:
        client = api.local_client()
        await made(client, "n")
        with pytest.raises(errors.Forbidden, match=r'violates PodSecurity "baseline:v1\.36"'):
            await client.create(r.PODS, pod(), "n")
        runtime_class = {
            "kind": "RuntimeClass",
            "apiVersion": "node.k8s.io/v1",
            "metadata": {"name": "boxed"},
            "handler": "x",
        }
        await client.create(r.RUNTIME_CLASSES, runtime_class)
        await client.create(r.PODS, pod(runtimeClassName="boxed"), "n")
        await api.local_client("trusted").create(r.PODS, pod("q"), "n")
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        await client.create(r.SERVICE_ACCOUNTS, account, "kube-system")
        await client.create(r.PODS, pod(), "kube-system")
        told = await warnings(
            api, "PATCH", "/api/v1/namespaces/kube-system", namespace("kube-system", enforce="restricted")
        )
        assert told == [
            'namespace "kube-system" is exempt from Pod Security, and the policy (enforce=restricted:v1.36, warn=restricted:v1.36) will be ignored'
        ]
