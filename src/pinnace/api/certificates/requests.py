"""What a CertificateSigningRequest asks for, read out of its PEM block. `cryptography` is imported when one is read."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pinnace.api import conditions
from pinnace.api.meta import Object

if TYPE_CHECKING:
    from cryptography import x509

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
NODES_GROUP, NODE_PREFIX, MASTERS_GROUP = "system:nodes", "system:node:", "system:masters"
_BLOCK = re.compile(
    rb"\s*-----BEGIN ([A-Z0-9 ]+)-----\r?\n.*?-----END \1-----", re.DOTALL
)  # fmt: skip


class Unreadable(ValueError):
    """The request is no PEM-encoded PKCS#10 request, or its signature is wrong."""


@dataclass(frozen=True, slots=True)
class Wanted:
    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]
    parsed: x509.CertificateSigningRequest

    @property
    def has_names(self) -> bool:
        return bool(self.dns_names or self.ip_addresses)


def read(csr: Object) -> Wanted:
    """Raises Unreadable."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    text = pem_of(csr)
    block = _BLOCK.match(text)
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        raise Unreadable("PEM block type must be CERTIFICATE REQUEST")
    try:
        parsed = x509.load_pem_x509_csr(text)
        sound = parsed.is_signature_valid
        wanted = _wanted(parsed)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unreadable(f"x509: malformed certificate request: {error}") from error
    if not sound:
        raise Unreadable("x509: signature verification failed")
    return wanted


def pem_of(csr: Object) -> bytes:
    try:
        return base64.b64decode((csr.get("spec") or {}).get("request") or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("PEM block type must be CERTIFICATE REQUEST") from error


def _wanted(parsed: x509.CertificateSigningRequest) -> Wanted:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def subject(oid: Any) -> tuple[str, ...]:
        return tuple(str(one.value) for one in parsed.subject.get_attributes_for_oid(oid))

    try:
        names: Any = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None

    def alternative(kind: Any) -> tuple[str, ...]:
        return () if names is None else tuple(str(one) for one in names.get_values_for_type(kind))

    return Wanted(
        common_name=next(
            reversed(subject(NameOID.COMMON_NAME)), ""
        ),  # of several the last: so reads who authenticates
        organizations=subject(NameOID.ORGANIZATION_NAME),
        dns_names=alternative(x509.DNSName),
        ip_addresses=alternative(x509.IPAddress),
        emails=alternative(x509.RFC822Name),
        uris=alternative(x509.UniformResourceIdentifier),
        parsed=parsed,
    )


def usages(csr: Object) -> set[str]:
    return set((csr.get("spec") or {}).get("usages") or ())


def has_condition(csr: Object, kind: str) -> bool:
    return conditions.find((csr.get("status") or {}).get("conditions"), kind) is not None


def is_approved(csr: Object) -> bool:
    return has_condition(csr, APPROVED) and not has_condition(csr, DENIED)


_CLIENT_USAGES = (
    {"digital signature", "key encipherment", "client auth"},
    {"digital signature", "client auth"},
)
_SERVING_USAGES = (
    {"digital signature", "key encipherment", "server auth"},
    {"digital signature", "server auth"},
)


def wrong_for_kubelet_client(wanted: Wanted, asked: set[str]) -> str:
    """Why a node's client certificate may not be made of this request; "" when it may."""
    if set(wanted.organizations) != {NODES_GROUP}:
        return f"subject organization is not {NODES_GROUP}"
    if wanted.dns_names:
        return "DNS subjectAltNames are not allowed"
    if wanted.emails:
        return "Email subjectAltNames are not allowed"
    if wanted.ip_addresses:
        return "IP subjectAltNames are not allowed"
    if wanted.uris:
        return "URI subjectAltNames are not allowed"
    if not wanted.common_name.startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    return "" if asked in _CLIENT_USAGES else "usages did not match expected: client auth"


def wrong_for_kubelet_serving(wanted: Wanted, asked: set[str]) -> str:
    if set(wanted.organizations) != {NODES_GROUP}:
        return f"subject organization is not {NODES_GROUP}"
    if not wanted.has_names:
        return "DNS or IP subjectAltName is required"
    if wanted.emails:
        return "Email subjectAltNames are not allowed"
    if wanted.uris:
        return "URI subjectAltNames are not allowed"
    if not wanted.common_name.startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    return "" if asked in _SERVING_USAGES else "usages did not match expected: server auth"


def wrong_for_client(asked: set[str]) -> str:
    """Client certificates of anybody: no other purpose may be asked for."""
    if "client auth" not in asked:
        return "client auth is required"
    if asked - {"digital signature", "key encipherment", "client auth"}:
        return "usages did not match expected: client auth"
    return ""
