"""Requests for certificates: when they go, what is recognized, what a signature says."""

import base64
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import kind_examples
from pinnace.api.certificates import requests
from pinnace.apimachinery.times import format_time
from pinnace.controllers.certificates import cleaner, signing
from pinnace.controllers.certificates.approving import permissions
from pinnace.controllers.certificates.authority import FileAuthority
from pinnace.controllers.runtime import Delete, RequeueAfter, SetStatus, World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODE, NODES = "system:node:n", ("system:nodes",)
CLIENT_USAGES, SERVING_USAGES = ["client auth", "digital signature"], ["server auth", "digital signature"]
ADDRESS = (x509.IPAddress(ip_address("10.0.0.1")), x509.DNSName("n"))


def csr(
    signer, usages, common_name=NODE, organizations=NODES, names=(), *, approved=True, username=NODE, **spec
):
    conditions = [{"type": "Approved", "status": "True"}] if approved else []
    return {
        "kind": "CertificateSigningRequest",
        "apiVersion": "certificates.k8s.io/v1",
        "metadata": {"name": "x", "creationTimestamp": format_time(NOW)},
        "spec": {
            "request": kind_examples.certificate_request(common_name, organizations, names),
            "signerName": signer, "usages": usages, "username": username, **spec,
        },
        "status": {"conditions": conditions},
    }  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ca")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=100))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (directory / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (directory / "ca.key").write_bytes(text)
    return FileAuthority(directory / "ca.crt", directory / "ca.key")


def signed(authority, obj):
    (action,) = signing.controller(authority).reconcile(obj, World.of([], NOW))
    assert isinstance(action, SetStatus)
    return action.status


def test_a_signature_has_what_was_asked_for_and_no_more(authority):
    obj = csr(requests.KUBELET_SERVING, SERVING_USAGES, names=ADDRESS)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(signed(authority, obj)["certificate"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == list(ADDRESS)
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in purposes] == ["1.3.6.1.5.5.7.3.1"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc == NOW + timedelta(days=100)  # no longer than the CA itself
    short = csr(requests.KUBELET_CLIENT, CLIENT_USAGES, expirationSeconds=600)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(signed(authority, short)["certificate"]))
    assert certificate.not_valid_after_utc == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    "obj",
    [
        csr("example.com/other", CLIENT_USAGES),
        csr(requests.CLIENT, CLIENT_USAGES, approved=False),
        {
            **csr(requests.CLIENT, CLIENT_USAGES),
            "status": {"certificate": "x", "conditions": [{"type": "Approved"}]},
        },
        {
            **csr(requests.CLIENT, CLIENT_USAGES),
            "status": {"conditions": [{"type": "Approved"}, {"type": "Failed"}]},
        },
    ],
    ids=["another signer's", "not approved", "issued", "failed"],
)
def test_what_is_left_alone(authority, obj):
    assert list(signing.controller(authority).reconcile(obj, World.of([], NOW))) == []


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            csr(requests.KUBELET_CLIENT, CLIENT_USAGES, "bob"),
            "subject common name does not begin with system:node:",
        ),
        (
            csr(requests.KUBELET_CLIENT, CLIENT_USAGES, organizations=()),
            "subject organization is not system:nodes",
        ),
        (csr(requests.KUBELET_CLIENT, CLIENT_USAGES, names=ADDRESS), "DNS subjectAltNames are not allowed"),
        (csr(requests.KUBELET_SERVING, SERVING_USAGES), "DNS or IP subjectAltName is required"),
        (csr(requests.CLIENT, SERVING_USAGES, "bob", ()), "client auth is required"),
    ],
)
def test_what_fails(authority, obj, message):
    condition = signed(authority, obj)["conditions"][-1]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "Failed",
        "SignerValidationFailure",
        message,
    )


def test_who_may_have_a_certificate_without_asking():
    asked = requests.KUBELET_CLIENT
    assert permissions(csr(asked, CLIENT_USAGES)) == ["selfnodeclient", "nodeclient"]
    assert permissions(csr(asked, CLIENT_USAGES, username="bootstrap")) == ["nodeclient"]
    assert permissions(csr(asked, SERVING_USAGES)) == []
    assert permissions(csr(requests.KUBELET_SERVING, SERVING_USAGES, names=ADDRESS)) == []


def settled(kind, hours_ago, **status):
    when = format_time(NOW - timedelta(hours=hours_ago))
    obj = csr(requests.CLIENT, CLIENT_USAGES)
    obj["metadata"]["creationTimestamp"] = when
    conditions = [{"type": kind, "status": "True", "lastUpdateTime": when}] if kind else []
    return {**obj, "status": {"conditions": conditions, **status}}


@pytest.mark.parametrize(
    ("obj", "left"),
    [
        (settled("", 23), 3600), (settled("", 24), 0), (settled("Approved", 0.5), 1800), (settled("Denied", 1), 0),
        (settled("Failed", 2), 0), (settled("Approved", 0, certificate="rubbish"), 3600),
    ],
)  # fmt: skip
def test_how_long_a_request_is_kept(obj, left):
    (action,) = cleaner.reconcile(obj, World.of([], NOW))
    assert action == (RequeueAfter(left) if left else Delete(obj))
