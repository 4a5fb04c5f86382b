"""Upstream's conformance of service accounts, as far as the API shows it; what a kubelet mounts is tested in tests/e2e."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def account(name: str, **more: Any) -> Object:
    metadata = {"name": name, "namespace": "default", **more.pop("metadata", {})}
    return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata, **more}


def pod(name: str, *, containers: int = 1, **spec: Any) -> Object:
    made = [{"name": f"c{number}", "image": "i"} for number in range(containers)]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": made, **spec}}  # fmt: skip


def has_token(created: Object) -> bool:
    return any(
        mount["mountPath"] == MOUNT
        for container in created["spec"]["containers"]
        for mount in container.get("volumeMounts") or ()
    )


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount [Conformance]"
)
async def test_the_lifecycle_of_a_service_account(api_server: ApiServerInProcess) -> None:
    client = api_server.rest_client()
    start = (await client.list(r.SERVICE_ACCOUNTS, "default"))["metadata"]["resourceVersion"]
    await client.create(
        r.SERVICE_ACCOUNTS, account("robot", metadata={"labels": {"test-serviceaccount-static": "true"}})
    )
    selector = "test-serviceaccount-static=true"
    watch = client.watch(r.SERVICE_ACCOUNTS, "default", resource_version=start, label_selector=selector)
    added = await anext(watch)
    assert (added.type, added.object["metadata"]["name"]) == ("ADDED", "robot")
    patched = await client.patch(
        r.SERVICE_ACCOUNTS, "robot", {"automountServiceAccountToken": False}, "default"
    )
    assert patched["automountServiceAccountToken"] is False
    listed = (await client.list(r.SERVICE_ACCOUNTS, label_selector=selector))["items"]
    assert [item["automountServiceAccountToken"] for item in listed] == [False]
    await client.delete_collection(r.SERVICE_ACCOUNTS, "default", label_selector=selector)
    assert (await anext(watch)).type == "MODIFIED"
    assert (await anext(watch)).type == "DELETED"
    with pytest.raises(errors.NotFound):
        await client.get(r.SERVICE_ACCOUNTS, "robot", "default")


@pytest.mark.conformance("[sig-auth] ServiceAccounts should update a ServiceAccount [Conformance]")
async def test_a_service_account_is_updated(api_server: ApiServerInProcess) -> None:
    client = api_server.rest_client()
    made = await client.create(r.SERVICE_ACCOUNTS, account("robot"))
    assert "automountServiceAccountToken" not in made
    updated = await client.update(r.SERVICE_ACCOUNTS, {**made, "automountServiceAccountToken": True})
    assert updated["automountServiceAccountToken"] is True
    assert (await client.get(r.SERVICE_ACCOUNTS, "robot", "default"))["automountServiceAccountToken"] is True


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]"
)
async def test_account_and_pod_may_opt_out_of_the_token(api_server: ApiServerInProcess) -> None:
    """What the pod says counts; else what its account says; else it is mounted."""
    client = api_server.rest_client()
    wishes: dict[str, Object] = {
        "default": {}, "mount": {"automountServiceAccountToken": True}, "nomount": {"automountServiceAccountToken": False},
    }  # fmt: skip
    for name, wish in wishes.items():
        await client.create(r.SERVICE_ACCOUNTS, account(name, **wish))
    for (name, own), (kind, asked) in product(wishes.items(), wishes.items()):
        created = await client.create(r.PODS, pod(f"{name}-{kind}", serviceAccountName=name, **asked))
        said = asked.get("automountServiceAccountToken", own.get("automountServiceAccountToken", True))
        assert has_token(created) is said, (name, kind)


@pytest.mark.conformance("[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]")
async def test_every_container_is_given_token_authority_and_namespace(api_server: ApiServerInProcess) -> None:
    """That the files are there in the containers needs a node: tests/e2e."""
    client = api_server.rest_client()
    await client.create(r.SERVICE_ACCOUNTS, account("default"))
    created = await client.create(r.PODS, pod("p", containers=3))
    (volume,) = created["spec"]["volumes"]
    sources = volume["projected"]["sources"]
    assert {next(iter(source)) for source in sources} == {"serviceAccountToken", "configMap", "downwardAPI"}
    by_kind = {next(iter(source)): next(iter(source.values())) for source in sources}
    assert by_kind["serviceAccountToken"]["path"] == "token"
    assert by_kind["configMap"] == {
        "name": "kube-root-ca.crt",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
    }
    assert by_kind["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
    for container in created["spec"]["containers"]:
        (mount,) = container["volumeMounts"]
        assert mount == {"name": volume["name"], "mountPath": MOUNT, "readOnly": True}


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should mount projected service account token [Conformance]"
)
async def test_a_projected_token_is_accepted_and_its_token_can_be_had(api_server: ApiServerInProcess) -> None:
    """The file in the container needs a node; here the volume is kept as it was asked for and the token is issued."""
    client = api_server.rest_client()
    await client.create(r.SERVICE_ACCOUNTS, account("default"))
    source = {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 7200}}
    volume = {"name": "t", "projected": {"sources": [source]}}
    body = pod("p", volumes=[volume], automountServiceAccountToken=False)
    body["spec"]["containers"][0]["volumeMounts"] = [{"name": "t", "mountPath": "/test/volume"}]
    created = await client.create(r.PODS, body)
    assert created["spec"]["volumes"][0]["projected"]["sources"] == [source]
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": created["metadata"]["uid"]}
    spec = {"audiences": ["vault"], "expirationSeconds": 7200, "boundObjectRef": reference}
    request = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
    answer = await client.create(r.SERVICE_ACCOUNTS, request, "default", name="default", subresource="token")
    review = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
              "spec": {"token": answer["status"]["token"], "audiences": ["vault"]}}  # fmt: skip
    assert (await client.create(r.TOKEN_REVIEWS, review))["status"]["authenticated"] is True


@pytest_asyncio.fixture
async def publisher(api_server: ApiServerInProcess) -> AsyncGenerator[None, None]:
    client = api_server.local_client("system:kube-controller-manager", ("system:masters",))
    settings = ControllersConfig(("root-ca-certificate-publisher",), root_ca="PEM")
    running = asyncio.create_task(Controllers(client, RealClock(), settings).run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace [Conformance]"
)
@pytest.mark.usefixtures("publisher")
async def test_every_namespace_has_the_root_authority(api_server: ApiServerInProcess) -> None:
    client = api_server.rest_client()
    await client.create(r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "new"}})

    async def published() -> str:
        try:
            found = await client.get(r.CONFIG_MAPS, "kube-root-ca.crt", "new")
        except errors.NotFound:
            return ""
        return str(found["metadata"]["uid"]) if found["data"] == {"ca.crt": "PEM"} else ""

    uid = await eventually(published)
    await client.delete(r.CONFIG_MAPS, "kube-root-ca.crt", "new")

    async def recreated() -> bool:
        return await published() not in ("", uid)

    await eventually(recreated)
    await client.patch(r.CONFIG_MAPS, "kube-root-ca.crt", {"data": {"ca.crt": ""}}, "new")
    await eventually(published)
