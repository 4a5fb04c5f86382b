"""Users who try to get more than they were given: what the server must never hand out."""

import base64
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from custom_resources import definition, establish, version
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import APPLY_PATCH
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.fake_clock import FakeClock

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
MALLORY = "mallory"


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncGenerator[ApiServerInProcess, None]:
    modes, plugins = ("Node", "RBAC"), ("NodeRestriction",)
    async with ApiServerInProcess(
        tmp_path / "pki", authorization_modes=modes, enable_admission_plugins=plugins
    ) as server:
        yield server


async def allow(api: ApiServerInProcess, *rules: Object, user: str = MALLORY) -> RestClient:
    """A client of a user who has these rights in the whole cluster and no others."""
    admin, name = api.local_client(), f"of-{user}"
    role = {
        "kind": "ClusterRole",
        "apiVersion": f"{RBAC}/v1",
        "metadata": {"name": name},
        "rules": list(rules),
    }
    await admin.create(r.CLUSTER_ROLES, role)
    await admin.create(r.CLUSTER_ROLE_BINDINGS, {
        "kind": "ClusterRoleBinding", "apiVersion": f"{RBAC}/v1", "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    })  # fmt: skip
    return api.rest_client(user, ())


def rule(group: str, resource: str, *verbs: str, names: tuple[str, ...] = ()) -> Object:
    found: Object = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return {**found, "resourceNames": list(names)} if names else found


def config_map(name: str, namespace: str = "default") -> Object:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}}


# -- roles


async def test_a_label_does_not_make_a_role_part_of_others_for_who_does_not_hold_it(
    api: ApiServerInProcess,
) -> None:
    """Roles aggregate by labels: whoever may update roles could hand everything to all who may view."""
    client = await allow(api, rule(RBAC, "clusterroles", "get", "update", "patch"))
    label = {"metadata": {"labels": {"rbac.example.com/aggregate-to-view": "true"}}}
    with pytest.raises(errors.Forbidden, match="attempting to grant RBAC permissions not currently held"):
        await client.patch(r.CLUSTER_ROLES, "cluster-admin", label)
    mine = await client.patch(r.CLUSTER_ROLES, f"of-{MALLORY}", label)
    assert mine["metadata"]["labels"] == label["metadata"]["labels"]


async def test_whoever_may_update_roles_may_still_let_them_go(api: ApiServerInProcess) -> None:
    admin = api.local_client()
    finalizer = {"metadata": {"finalizers": ["example.com/wait"]}}
    await admin.patch(r.CLUSTER_ROLES, "cluster-admin", finalizer)
    client = await allow(api, rule(RBAC, "clusterroles", "get", "patch"))
    freed = await client.patch(r.CLUSTER_ROLES, "cluster-admin", {"metadata": {"finalizers": None}})
    assert "finalizers" not in freed["metadata"]


async def test_an_update_or_an_apply_that_creates_needs_the_right_to_create(api: ApiServerInProcess) -> None:
    client = await allow(
        api, rule("coordination.k8s.io", "leases", "update", "patch"), rule("", "configmaps", "patch")
    )
    lease = {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": "l", "namespace": "default"},
    }
    with pytest.raises(errors.Forbidden, match="cannot create resource"):
        await client.update(r.LEASES, lease)
    with pytest.raises(errors.Forbidden, match="cannot create resource"):
        await client.patch(
            r.CONFIG_MAPS, "c", config_map("c"), "default", content_type=APPLY_PATCH, field_manager="m"
        )


async def test_rights_to_one_name_show_one_name_in_every_way_of_reading(api: ApiServerInProcess) -> None:
    admin = api.local_client()
    for name in ("mine", "other"):
        await admin.create(r.CONFIG_MAPS, config_map(name))
    reading = ("get", "list", "watch", "deletecollection")
    await allow(api, rule("", "configmaps", *reading, names=("mine",)))
    tls = api.tls(api.authority.client(MALLORY, ()))
    base = f"{api.url}/api/v1"
    refused = (
        "/namespaces/default/configmaps", "/configmaps?fieldSelector=metadata.name!=mine",
        "/namespaces/default/configmaps?fieldSelector=metadata.namespace=default",
        "/namespaces/default/configmaps?fieldSelector=metadata.name=other&fieldSelector=metadata.name=mine",
        "/watch/namespaces/default/configmaps/other", "/watch/configmaps", "/namespaces/default/configmaps/other?watch=1",
    )  # fmt: skip
    shown = (
        "/configmaps?fieldSelector=metadata.name=mine&fieldSelector=metadata.name=other",
        "/namespaces/default/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=mine",
        "/watch/namespaces/default/configmaps/mine?timeoutSeconds=1&fieldSelector=metadata.name=other",
    )
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        for path in refused:
            async with session.get(base + path) as answer:
                assert answer.status == 403, path
        for path in shown:
            async with session.get(base + path) as answer:
                text = await answer.text()
                assert (answer.status, '"mine"' in text, '"other"' in text) == (200, True, False), path
        async with session.delete(f"{base}/namespaces/default/configmaps") as answer:
            assert answer.status == 403
        async with session.delete(
            f"{base}/namespaces/default/configmaps?fieldSelector=metadata.name=mine"
        ) as answer:
            assert answer.status == 200
    left = await admin.list(r.CONFIG_MAPS, "default")
    assert [item["metadata"]["name"] for item in left["items"]] == ["other"]


@pytest.mark.parametrize("number", ["v1", "v9"])
async def test_a_definition_does_not_open_a_second_door_to_resources_of_the_server(
    api: ApiServerInProcess, number: str
) -> None:
    """Their objects would be read, written and, with the definition, deleted by the rules of custom resources."""
    client = await allow(api, rule("apiextensions.k8s.io", "customresourcedefinitions", "create"))
    body = definition(version(number), plural="clusterroles", kind="ClusterRole", group=RBAC, scope="Cluster")
    approved = "https://github.com/kubernetes/kubernetes/pull/1"
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": approved}
    with pytest.raises(errors.Invalid, match="is served by the API server itself"):
        await client.create(r.CUSTOM_RESOURCE_DEFINITIONS, body)


async def test_who_may_do_everything_in_one_namespace_reaches_nothing_outside_of_it(
    api: ApiServerInProcess,
) -> None:
    """Every way to write the path of something cluster-wide, or in another namespace, below one's own namespace."""
    admin = api.local_client()
    for name in ("mine", "other"):
        await admin.create(
            r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        )
    every = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    metadata = {"name": "all", "namespace": "mine"}
    await admin.create(
        r.ROLES, {"kind": "Role", "apiVersion": f"{RBAC}/v1", "metadata": metadata, "rules": [every]}
    )
    await admin.create(r.ROLE_BINDINGS, {
        "kind": "RoleBinding", "apiVersion": f"{RBAC}/v1", "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "all"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": MALLORY}],
    })  # fmt: skip
    await establish(admin, definition(plural="widgets", kind="Widget", scope="Cluster"))
    tls = api.tls(api.authority.client(MALLORY, ()))
    own = "/api/v1/namespaces/mine"
    paths = (
        "/api/v1/namespaces", f"{own}/namespaces", f"{own}/namespaces/other", f"{own}/namespaces/other/status",
        f"{own}/namespaces/other/finalize", f"{own}/nodes", f"{own}/persistentvolumes", f"{own}/persistentvolumes/x",
        f"{own}/../other/secrets", f"{own}/%2e%2e/other/secrets", f"{own}%2f..%2fother/secrets", f"{own}/../../secrets",
        "/api/v1/watch/namespaces/mine/namespaces", "/api/v1/watch/namespaces/mine/nodes",
        f"/apis/{RBAC}/v1/namespaces/mine/clusterroles", f"/apis/{RBAC}/v1/namespaces/mine/clusterroles/cluster-admin",
        "/apis/example.com/v1/namespaces/mine/widgets", "/apis/example.com/v1/widgets",
        "/apis/apiextensions.k8s.io/v1/namespaces/mine/customresourcedefinitions",
        "/apis/admissionregistration.k8s.io/v1/namespaces/mine/validatingwebhookconfigurations",
        "/apis/certificates.k8s.io/v1/namespaces/mine/certificatesigningrequests",
        "/apis/authentication.k8s.io/v1/namespaces/mine/tokenreviews",
    )  # fmt: skip
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        for path in paths:
            url = URL(api.url + path, encoded=True)
            for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
                headers = {
                    "Content-Type": "application/merge-patch+json"
                    if method == "PATCH"
                    else "application/json"
                }
                async with session.request(method, url, data=b"{}", headers=headers) as answer:
                    assert answer.status in (403, 404, 405), (method, path, await answer.text())
        async with session.get(f"{api.url}{own}") as answer:
            assert answer.status == 200
    left = {item["metadata"]["name"] for item in (await admin.list(r.NAMESPACES))["items"]}
    assert {"mine", "other"} <= left


# -- nodes


@pytest.mark.parametrize(
    ("gvr", "namespace"), [(r.NODES, ""), (r.LEASES, "kube-node-lease"), (r.CSI_NODES, "")]
)
async def test_a_node_does_not_become_another_by_a_generated_name(
    api: ApiServerInProcess, gvr: Any, namespace: str
) -> None:
    kubelet = api.rest_client("system:node:n1", ("system:nodes",))
    row = r.BY_GVR[gvr]
    body = {"kind": row.kind, "apiVersion": gvr.api_version, "metadata": {"generateName": "n"}}
    if namespace:
        body["metadata"]["namespace"] = namespace
    if gvr == r.CSI_NODES:
        body["spec"] = {"drivers": []}
    with pytest.raises(errors.Forbidden):
        await kubelet.create(gvr, body)


async def test_a_node_does_not_reach_claims_by_what_it_writes_into_the_status_of_its_pods(
    api: ApiServerInProcess,
) -> None:
    admin, kubelet = api.local_client(), api.rest_client("system:node:n1", ("system:nodes",))
    account = {
        "kind": "ServiceAccount",
        "apiVersion": "v1",
        "metadata": {"name": "default", "namespace": "default"},
    }
    await admin.create(r.SERVICE_ACCOUNTS, account)
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}],
            "resourceClaims": [{"name": "a", "resourceClaimTemplateName": "t"}]}  # fmt: skip
    await admin.create(
        r.PODS, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}, "default"
    )
    taken = {"status": {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": "somebodys"}]}}
    with pytest.raises(errors.Forbidden, match="cannot update resource claim statuses"):
        await kubelet.patch(r.PODS, "p", taken, "default", subresource="status")
    with pytest.raises(errors.Forbidden, match="no relationship found"):
        await kubelet.get(r.RESOURCE_CLAIMS, "somebodys", "default")
    running = {"status": {"phase": "Running"}}
    await kubelet.patch(r.PODS, "p", running, "default", subresource="status")


# -- certificates


def request_of(*attributes: tuple[x509.ObjectIdentifier, str]) -> str:
    names = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(names).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def signing_request(name: str, request: str, signer: str, **more: Any) -> Object:
    return {
        "kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": name},
        "spec": {"request": request, "signerName": signer, "usages": ["digital signature", "client auth"]}, **more,
    }  # fmt: skip


def test_a_request_with_two_common_names_is_judged_by_the_one_that_will_authenticate() -> None:
    """The last one: otherwise a node could have itself renewed under the name of a controller."""
    from pinnace.api.certificates import requests
    from pinnace.controllers.certificates.approving import permissions

    both = request_of(
        (NameOID.ORGANIZATION_NAME, "system:nodes"),
        (NameOID.COMMON_NAME, "system:node:n1"),
        (NameOID.COMMON_NAME, "system:kube-controller-manager"),
    )
    csr = signing_request("c", both, requests.KUBELET_CLIENT)
    csr["spec"]["username"] = "system:node:n1"
    assert requests.read(csr).common_name == "system:kube-controller-manager"
    assert permissions(csr) == []


async def test_who_may_ask_for_a_certificate_cannot_approve_it_in_any_way(api: ApiServerInProcess) -> None:
    group = "certificates.k8s.io"
    client = await allow(
        api, rule(group, "certificatesigningrequests", "create", "get", "update", "patch"),
        rule(group, "certificatesigningrequests/status", "update", "patch"),
        rule(group, "certificatesigningrequests/approval", "update", "patch"),
    )  # fmt: skip
    gvr = r.CERTIFICATE_SIGNING_REQUESTS
    approved = {"type": "Approved", "status": "True", "reason": "me", "message": "me"}
    wanted = request_of((NameOID.COMMON_NAME, "root"))
    body = signing_request(
        "mine", wanted, "kubernetes.io/kube-apiserver-client", status={"conditions": [approved]}
    )
    body["spec"] |= {"username": "kubernetes-admin", "groups": ["system:masters"]}
    made = await client.create(gvr, body)
    assert not (made.get("status") or {}).get("conditions")
    assert made["spec"]["username"] == MALLORY
    assert "system:masters" not in made["spec"]["groups"]
    change = {"spec": {"username": "root"}, "status": {"conditions": [approved]}}
    plain = await client.patch(gvr, "mine", change)
    assert plain["spec"] == made["spec"]
    assert not (plain.get("status") or {}).get("conditions")
    for subresource in ("status", "approval"):
        try:
            changed = await client.patch(gvr, "mine", change, subresource=subresource)
        except errors.Forbidden:
            continue
        assert not (changed.get("status") or {}).get("conditions"), subresource
    masters = request_of((NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "root"))
    with pytest.raises(errors.Forbidden, match="system:masters group is not allowed"):
        await client.create(gvr, signing_request("root", masters, "kubernetes.io/kube-apiserver-client"))


# -- credentials that are not good


async def test_a_wrong_token_of_a_websocket_is_refused_and_not_anonymous(api: ApiServerInProcess) -> None:
    token = base64.urlsafe_b64encode(b"nobody's").rstrip(b"=").decode()
    protocols = f"base64url.bearer.authorization.k8s.io.{token}, base64.binary.k8s.io"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=api.tls())) as session,
        session.get(f"{api.url}/version", headers={"Sec-WebSocket-Protocol": protocols}) as answer,
    ):
        assert answer.status == 401


async def test_a_connection_does_not_outlive_its_certificate(tmp_path: Path) -> None:
    clock = FakeClock(start=datetime.now(UTC))
    async with ApiServerInProcess(tmp_path / "pki", clock=clock) as api:
        tls = api.tls(api.authority.client("kubernetes-admin", ("system:masters",)))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=1)) as session:
            async with session.get(f"{api.url}/api/v1/namespaces") as answer:
                assert answer.status == 200
            await clock.advance(timedelta(days=2).total_seconds())
            async with session.get(f"{api.url}/api/v1/namespaces") as answer:
                assert answer.status == 401
