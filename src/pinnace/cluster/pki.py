"""Certificates and keys of a cluster: one CA, and leaves that are made again before they expire.

ECDSA P-256 throughout, so that a first start does not wait for RSA. All files lie in `DATA/pki`, keys readable by root only.
`cryptography` is imported only when something must be made: a second start reads nothing but `index.json`.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA, FRONT_PROXY_CA = "ca", "front-proxy-ca"
YEARS_CA, DAYS_LEAF, RENEW_BEFORE = 10, 365, timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate to have: subject, alternative names, and what it may be used for (server, client or both)."""

    file: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # DNS names and IP addresses
    server: bool = False
    client: bool = False
    authority: str = CA  # who signs it

    def fingerprint(self) -> list[Any]:
        own = [self.common_name, list(self.organizations), sorted(self.names), self.server, self.client]
        return own if self.authority == CA else [*own, self.authority]


class Pki:
    def __init__(self, directory: Path, now: datetime) -> None:
        self.directory = directory
        self._now = now
        self._index_file = directory / "index.json"
        self._index: dict[str, Any] = {}

    def cert(self, file: str) -> Path:
        return self.directory / f"{file}.crt"

    def key(self, file: str) -> Path:
        return self.directory / f"{file}.key"

    @property
    def ca(self) -> Path:
        return self.cert(CA)

    @property
    def front_proxy_ca(self) -> Path:
        return self.cert(FRONT_PROXY_CA)

    @property
    def service_account_key(self) -> Path:
        return self.key("service-account")

    def due(self) -> datetime:
        """When the first of the certificates is to be made anew; after `ensure`."""
        return min(datetime.fromisoformat(entry["until"]) for entry in self._index.values()) - RENEW_BEFORE

    def ensure(self, leaves: list[Leaf], now: datetime | None = None) -> bool:
        """Make what is missing, expiring, or other than asked for; True when anything was made."""
        self._now = now or self._now
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._index = json.loads(self._index_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self._index = {}
        stale = [leaf for leaf in leaves if self._is_stale(leaf)]
        made = bool(stale)
        for authority in dict.fromkeys(leaf.authority for leaf in leaves):
            if not self.cert(authority).exists() or not self.key(authority).exists():
                self._make_ca(authority)
                signed = [leaf for leaf in leaves if leaf.authority == authority and leaf not in stale]
                stale, made = [*stale, *signed], True
        if not self.service_account_key.exists():
            self._write_key("service-account", _new_key())
            made = True
        if stale:
            self._make_leaves(stale)
        if made:
            _write(self._index_file, json.dumps(self._index).encode(), 0o600)
        return made

    def _is_stale(self, leaf: Leaf) -> bool:
        entry = self._index.get(leaf.file)
        if entry is None or not self.cert(leaf.file).exists() or not self.key(leaf.file).exists():
            return True
        return (
            entry["of"] != leaf.fingerprint()
            or datetime.fromisoformat(entry["until"]) - self._now < RENEW_BEFORE
        )

    def _make_ca(self, authority: str) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        key = _new_key()
        name = _name(f"pinnace-{authority}", ())
        usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(hours=1))
            .not_valid_after(self._now + timedelta(days=365 * YEARS_CA))
            .add_extension(
                x509.BasicConstraints(ca=True, path_length=None if authority == CA else 0), critical=True
            )
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._write_key(authority, key)
        _write(self.cert(authority), _pem(certificate), 0o644)

    def _make_leaves(self, leaves: list[Leaf]) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        for leaf in leaves:
            issuer = x509.load_pem_x509_certificate(self.cert(leaf.authority).read_bytes())
            issuer_key: Any = serialization.load_pem_private_key(self.key(leaf.authority).read_bytes(), None)
            key = _new_key()
            until = self._now + timedelta(days=DAYS_LEAF)
            certificate = _signed_leaf(leaf, key, issuer, issuer_key, self._now, until)
            self._write_key(leaf.file, key)
            _write(self.cert(leaf.file), _pem(certificate), 0o644)
            self._index[leaf.file] = {"of": leaf.fingerprint(), "until": until.isoformat()}

    def _write_key(self, file: str, key: EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives import serialization

        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(self.key(file), text, 0o600)


def _signed_leaf(
    leaf: Leaf,
    key: EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    issuer_key: Any,
    now: datetime,
    until: datetime,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] * leaf.server + [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ] * leaf.client
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(leaf.common_name, leaf.organizations))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if leaf.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(n) for n in leaf.names]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str, organizations: tuple[str, ...]) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace the file in one step, so that a kill leaves the old or the new one."""
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.touch(mode=mode)
    temporary.chmod(mode)
    temporary.write_bytes(content)
    temporary.replace(path)


def cluster_leaves(
    *, service_ip: str, domain: str, addresses: list[str], node_name: str, node_ips: tuple[str, ...]
) -> list[Leaf]:
    """Every certificate of a cluster with one embedded node. `addresses`: names and IPs under which clients reach the API."""
    api_names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
    ]
    node = ("localhost", "127.0.0.1", node_name, *node_ips)
    return [
        Leaf(
            "apiserver",
            "kube-apiserver",
            names=(*api_names, "localhost", "127.0.0.1", "::1", service_ip, *addresses),
            server=True,
        ),
        Leaf("admin", "kubernetes-admin", ("system:masters",), client=True),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",), client=True),
        Leaf(
            "kubelet-server",
            f"system:node:{node_name}",
            ("system:nodes",),
            tuple(dict.fromkeys(node)),
            server=True,
        ),
        Leaf("ingress-default", "pinnace-ingress", names=("localhost",), server=True),
        Leaf("front-proxy-client", "front-proxy-client", client=True, authority=FRONT_PROXY_CA),
        Leaf("kubelet-client", f"system:node:{node_name}", ("system:nodes",), client=True),
    ]
