"""What is wrong with the certificate of a TLS secret, for certain hosts and at a certain time. Pure."""

from base64 import b64decode
from collections.abc import Iterable

from pinnace.insight.findings import Object


def certificate_problem(secret: Object, hosts: Iterable[str], now: float) -> str:
    """Ends a sentence about the certificate; "" where nothing is wrong."""
    from cryptography import x509  # only clusters with TLS secrets need it
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        found = x509.load_pem_x509_certificate(b64decode(secret["data"]["tls.crt"]))
    except ValueError:
        return "cannot be read: tls.crt is no certificate in PEM form"
    try:
        key = load_pem_private_key(b64decode(secret["data"]["tls.key"]), None)
    except (ValueError, TypeError):
        return "has a key that cannot be read: tls.key is no private key in PEM form"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        return "does not belong to the private key beside it (tls.key)"
    if found.not_valid_after_utc.timestamp() < now:
        return f"was valid until {found.not_valid_after_utc:%Y-%m-%d}"
    if found.not_valid_before_utc.timestamp() > now:
        return f"is valid only from {found.not_valid_before_utc:%Y-%m-%d} on"
    try:
        names = found.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return "names no host (subjectAltName), so no client accepts it"
    others = [host for host in hosts if not any(_covers(name, host) for name in names)]
    return f"is for {', '.join(names)}, not for {', '.join(others)}" if others else ""


def bundle_problem(bundle: str | None, now: float) -> str:
    """Of the authorities that a webhook's certificate is checked against; "" where nothing is wrong, or none are named."""
    from cryptography import x509

    if not bundle:
        return ""
    try:
        found = x509.load_pem_x509_certificates(b64decode(bundle))
    except ValueError:
        return "its caBundle is no certificate in PEM form"
    newest = max(one.not_valid_after_utc for one in found)
    return f"its caBundle was valid until {newest:%Y-%m-%d}" if newest.timestamp() < now else ""


def _covers(name: str, host: str) -> bool:
    if name.lower() == host.lower():
        return True
    return name.startswith("*.") and name[2:].lower() == host.partition(".")[2].lower()
