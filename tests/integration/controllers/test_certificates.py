"""Requests for certificates, from a real kubectl's `certificate approve` to a connection with what was issued."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
CLIENT, KUBELET = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"
CONTROLLERS = tuple(f"certificatesigningrequest-{part}" for part in ("approving", "signing", "cleaner"))


class Request:
    def __init__(self, common_name: str, organizations: tuple[str, ...] = ()) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        self.text = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def object(self, name: str, signer: str, *usages: str, **spec: Any) -> Object:
        return {
            "kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(self.text).decode(), "signerName": signer,
                "usages": list(usages or ("client auth",)), **spec,
            },
        }  # fmt: skip

    def key_text(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@pytest_asyncio.fixture
async def signing(api_server: ApiServerInProcess, tmp_path: Path) -> AsyncGenerator[ApiServerInProcess, None]:
    """The server with the three controllers and its own CA to sign with."""
    key = tmp_path / "ca.key"
    key.write_bytes(api_server.authority.key_text())
    settings = ControllersConfig(
        controllers=CONTROLLERS,
        cluster_signing_cert_file=api_server.authority.ca,
        cluster_signing_key_file=key,
    )
    client = api_server.local_client("system:kube-controller-manager", ())
    running = asyncio.create_task(Controllers(client, RealClock(), settings).run())
    yield api_server
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def issued(api: ApiServerInProcess, name: str) -> x509.Certificate:
    async def certificate() -> str:
        csr = await api.local_client().get(r.CERTIFICATE_SIGNING_REQUESTS, name)
        return (csr.get("status") or {}).get("certificate", "")

    return x509.load_pem_x509_certificate(base64.b64decode(await eventually(certificate)))


async def test_an_approved_client_certificate_opens_the_api(
    signing: ApiServerInProcess, kubectl: Any, tmp_path: Path
) -> None:
    request = Request("jane", ("developers",))
    body = request.object("jane", CLIENT, expirationSeconds=3600)
    await signing.local_client().create(r.CERTIFICATE_SIGNING_REQUESTS, body)
    assert "Pending" in (await kubectl("get", "csr", "jane")).out
    done = await kubectl("certificate", "approve", "jane")
    assert "certificatesigningrequest.certificates.k8s.io/jane approved" in done.out
    certificate = await issued(signing, "jane")
    shown = (await kubectl("get", "csr", "jane")).out.split()
    assert shown[-4:] == [CLIENT, "kubernetes-admin", "60m", "Approved,Issued"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(hours=1, minutes=6)

    pair = tmp_path / "jane.crt", tmp_path / "jane.key"
    pair[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair[1].write_bytes(request.key_text())
    tls = ssl.create_default_context(cafile=str(signing.authority.ca))
    tls.load_cert_chain(*map(str, pair))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
        url = f"{signing.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        async with session.post(url, json=review) as answer:
            user = (await answer.json())["status"]["userInfo"]
    assert user["username"] == "jane"
    assert "developers" in user["groups"]


async def test_a_denied_request_gets_no_certificate(signing: ApiServerInProcess, kubectl: Any) -> None:
    await signing.local_client().create(r.CERTIFICATE_SIGNING_REQUESTS, Request("joe").object("joe", CLIENT))
    await kubectl("certificate", "deny", "joe")
    assert (await kubectl("get", "csr", "joe")).out.split()[-1] == "Denied"


async def test_a_node_may_renew_its_certificate_without_asking(signing: ApiServerInProcess) -> None:
    admin = signing.local_client()
    node = signing.local_client("system:node:n1", ("system:nodes",))
    binding = {
        "kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "renew"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        },
        "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:nodes"}],
    }  # fmt: skip
    await admin.create(r.CLUSTER_ROLE_BINDINGS, binding)
    make = {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "make"},
            "rules": [{"verbs": ["create"], "apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"]}]}  # fmt: skip
    await admin.create(r.CLUSTER_ROLES, make)
    role = {**binding, "metadata": {"name": "make"}, "roleRef": {**binding["roleRef"], "name": "make"}}
    await admin.create(r.CLUSTER_ROLE_BINDINGS, role)

    request = Request("system:node:n1", ("system:nodes",))
    body = request.object("renewal", KUBELET, "digital signature", "client auth")
    made = await node.create(r.CERTIFICATE_SIGNING_REQUESTS, body)
    assert made["spec"]["username"] == "system:node:n1"
    certificate = await issued(signing, "renewal")
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:n1"
    csr = await admin.get(r.CERTIFICATE_SIGNING_REQUESTS, "renewal")
    assert csr["status"]["conditions"][0]["reason"] == "AutoApproved"

    stranger = Request("system:node:n2", ("system:nodes",)).object(
        "other", KUBELET, "client auth", "digital signature"
    )
    await node.create(r.CERTIFICATE_SIGNING_REQUESTS, stranger)
    await issued(signing, "renewal")
    assert not (await admin.get(r.CERTIFICATE_SIGNING_REQUESTS, "other"))["status"].get("conditions")


async def test_an_approved_request_that_no_signer_takes_fails(signing: ApiServerInProcess) -> None:
    admin = signing.local_client()
    body = Request("jane").object("wrong", CLIENT, "server auth")
    made = await admin.create(r.CERTIFICATE_SIGNING_REQUESTS, body)
    status = {"conditions": [{"type": "Approved", "status": "True", "reason": "test"}]}
    await admin.update(r.CERTIFICATE_SIGNING_REQUESTS, {**made, "status": status}, subresource="approval")

    async def failed() -> Object | None:
        csr = await admin.get(r.CERTIFICATE_SIGNING_REQUESTS, "wrong")
        return next((one for one in csr["status"]["conditions"] if one["type"] == "Failed"), None)

    condition = await eventually(failed)
    assert condition["reason"] == "SignerValidationFailure"


async def test_only_those_with_the_right_decide(api_server: ApiServerInProcess) -> None:
    admin = api_server.local_client()
    rules = [{"verbs": ["*"], "apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"]}]  # fmt: skip
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "half"}}
    await admin.create(r.CLUSTER_ROLES, {"kind": "ClusterRole", **head, "rules": rules})
    group = "rbac.authorization.k8s.io"
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": "half"}
    subjects = [{"apiGroup": group, "kind": "User", "name": "bob"}]
    await admin.create(r.CLUSTER_ROLE_BINDINGS, {"kind": "ClusterRoleBinding", **head, "roleRef": reference, "subjects": subjects})  # fmt: skip
    bob = api_server.local_client("bob", ())
    made = await bob.create(r.CERTIFICATE_SIGNING_REQUESTS, Request("jane").object("jane", CLIENT))
    approved = {**made, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    with pytest.raises(errors.Forbidden) as refused:
        await bob.update(r.CERTIFICATE_SIGNING_REQUESTS, approved, subresource="approval")
    assert f'user not permitted to approve requests with signerName "{CLIENT}"' in str(refused.value)
    failed = {**made, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    with pytest.raises(errors.Forbidden, match="user not permitted to sign requests"):
        await bob.update(r.CERTIFICATE_SIGNING_REQUESTS, failed, subresource="status")
    masters = Request("eve", ("system:masters",)).object("eve", CLIENT)
    with pytest.raises(errors.Forbidden, match="with system:masters group is not allowed"):
        await bob.create(r.CERTIFICATE_SIGNING_REQUESTS, masters)


async def test_decisions_are_final_and_do_not_come_through_the_status(api_server: ApiServerInProcess) -> None:
    client, gvr = api_server.local_client(), r.CERTIFICATE_SIGNING_REQUESTS
    made = await client.create(gvr, Request("jane").object("jane", CLIENT))
    wanted = {**made, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    kept = await client.update(gvr, wanted, subresource="status")
    assert not (kept.get("status") or {}).get("conditions")
    approved = await client.update(gvr, {**wanted, "metadata": kept["metadata"]}, subresource="approval")
    both = {**approved, "status": {"conditions": [{"type": "Denied", "status": "True"}]}}
    with pytest.raises(errors.Invalid) as refused:
        await client.update(gvr, both, subresource="approval")
    assert 'updates may not remove a condition of type "Approved"' in str(refused.value)
    changed = {**approved, "spec": {**approved["spec"], "usages": ["server auth"]}}
    assert (await client.update(gvr, changed))["spec"] == made["spec"]
