"""The cluster's certificate authority: signs what a request asks for, no longer than allowed. Loaded at the first signature."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

    from pinnace.api.certificates.requests import Wanted

LONGEST, BACKDATE, SHORTEST = timedelta(days=365), timedelta(minutes=5), 600

_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


@dataclass(slots=True)
class FileAuthority:
    certificate_file: Path
    key_file: Path
    longest: timedelta = LONGEST  # kube-controller-manager's --cluster-signing-duration
    _loaded: tuple[x509.Certificate, Any] | None = field(default=None, repr=False)

    def _load(self) -> tuple[x509.Certificate, Any]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        if self._loaded is None:
            key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
            self._loaded = x509.load_pem_x509_certificate(self.certificate_file.read_bytes()), key
        return self._loaded

    def sign(self, wanted: Wanted, usages: set[str], seconds: int | None, now: datetime) -> str:
        from cryptography.hazmat.primitives import hashes, serialization

        issuer, key = self._load()
        builder = self._builder(wanted, seconds, now, issuer)
        builder = _with_extensions(builder, wanted, usages, key)
        signed = builder.sign(key, hashes.SHA256())
        return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()

    def _builder(
        self, wanted: Wanted, seconds: int | None, now: datetime, issuer: x509.Certificate
    ) -> x509.CertificateBuilder:
        from cryptography import x509

        asked = self.longest if seconds is None else timedelta(seconds=max(seconds, SHORTEST))
        length = min(self.longest, asked)
        begin, end = now - BACKDATE, min(now + length - BACKDATE, issuer.not_valid_after_utc)
        if length < timedelta(hours=8):  # a short life is counted from now
            end = min(now + length, issuer.not_valid_after_utc)
        return (
            x509.CertificateBuilder()
            .subject_name(wanted.parsed.subject)
            .issuer_name(issuer.subject)
            .public_key(wanted.parsed.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )


def _with_extensions(
    builder: x509.CertificateBuilder, wanted: Wanted, usages: set[str], key: Any
) -> x509.CertificateBuilder:
    from cryptography import x509

    named = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    only = bool(named & {"encipher_only", "decipher_only"})
    every = dict.fromkeys(_KEY_USAGES.values(), False) | dict.fromkeys(named, True)
    if only:
        every["key_agreement"] = True
    if named:  # an extension without any bit would make the certificate invalid
        builder = builder.add_extension(x509.KeyUsage(**every), critical=True)
    extended = list(dict.fromkeys(_EXTENDED[usage] for usage in sorted(usages) if usage in _EXTENDED))
    if extended:
        purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in extended])
        builder = builder.add_extension(purposes, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(authority, critical=False)
    try:
        names = wanted.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return builder
    return builder.add_extension(names.value, critical=names.critical)
