"""Why no answer came, in the words of Go's client: refused, no such host, a certificate that is not to be trusted, a time that is over.

Imported when it has happened. Of a certificate that was refused the server is asked once more, to tell what is wrong with it.
"""

import contextlib
import re
import socket
import ssl
from typing import Any

from pinnace.cli.ages import utc_now
from pinnace.cli.errors import PlainError


class Unreachable(PlainError):
    """`request` is the method and the URL; `cause` as Go tells it."""

    def __init__(self, message: str, method: str, url: str, cause: str) -> None:
        super().__init__(message)
        self.method, self.url, self.cause = method, url, cause

    def told(self, url: str = "") -> str:
        """As part of another sentence: `Get "https://...": EOF`."""
        return f'{self.method.capitalize()} "{url or self.url}": {self.cause}'


def unreachable(error: Exception, method: str, url: str, host: str, port: int, name: str) -> Unreachable:
    """`name` is what the certificate should be for."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    cause = _cause(error, host, port, place, name)
    if isinstance(error, ConnectionRefusedError):
        words = f"The connection to the server {place} was refused - did you specify the right host or port?"
    else:
        words = f"Unable to connect to the server: {cause}"
    return Unreachable(words, method, url, cause)


def _cause(error: Exception, host: str, port: int, place: str, name: str) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {place}: connect: connection refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_wrong_certificate(error, host, port, name)}"
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, socket.gaierror):
        server = _name_server()
        return f"dial tcp: lookup {host}{f' on {server}:53' if server else ''}: no such host"
    if isinstance(error, TimeoutError):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"dial tcp {place}: connect: {error.strerror.lower()}"
    return str(error)


def _tls(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "tls: first record does not look like a TLS handshake"
    alert = re.fullmatch(r"(?:TLSV1|SSLV3|TLSV13)_ALERT_(\w+)", error.reason or "")
    if alert:
        words = alert[1].lower().replace("_", " ")
        return f"remote error: tls: {_ALERTS.get(words, words)}"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"


_ALERTS = {"certificate unknown": "unknown certificate", "unknown ca": "unknown certificate authority",
           "handshake failure": "handshake failure", "certificate expired": "expired certificate"}  # fmt: skip


def _name_server() -> str:
    with contextlib.suppress(OSError), open("/etc/resolv.conf") as file:  # noqa: PTH123
        for line in file:
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return words[1]
    return ""


def _wrong_certificate(error: ssl.SSLCertVerificationError, host: str, port: int, name: str) -> str:
    message = error.verify_message
    found: Any = None
    with contextlib.suppress(OSError, ValueError):
        from cryptography import x509

        pem = ssl.get_server_certificate((host, port), timeout=5)
        found = x509.load_pem_x509_certificate(pem.encode())
    if found is None:
        return str(message)
    now = utc_now()
    if "expired" in message:
        end = found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"certificate has expired or is not yet valid: current time {now} is after {end}"
    if "not yet valid" in message:
        begin = found.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"certificate has expired or is not yet valid: current time {now} is before {begin}"
    if "mismatch" in message:
        return _wrong_name(found, name)
    return "certificate signed by unknown authority"


def _wrong_name(found: Any, name: str) -> str:
    from ipaddress import ip_address

    from cryptography import x509

    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)] if names else []
    hosts = list(names.get_values_for_type(x509.DNSName)) if names else []
    try:
        ip_address(name)
    except ValueError:
        if names is None:
            return "certificate relies on legacy Common Name field, use SANs instead"
        if not hosts:
            return f"certificate is not valid for any names, but wanted to match {name}"
        return f"certificate is valid for {', '.join(hosts)}, not {name}"
    if not addresses:
        return f"cannot validate certificate for {name} because it doesn't contain any IP SANs"
    return f"certificate is valid for {', '.join(addresses)}, not {name}"


def unusable(authority: str, certificate: str, key: str, error: Exception) -> str:
    """What is wrong with the certificates and keys of the configuration."""
    begin = "-----BEGIN "
    if authority and f"{begin}CERTIFICATE" not in authority:
        return "unable to load root certificates: unable to parse bytes as PEM block"
    if certificate and begin not in certificate:
        return "tls: failed to find any PEM data in certificate input"
    if certificate and f"{begin}CERTIFICATE" not in certificate:
        return 'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks'
    if certificate and begin not in key:
        return "tls: failed to find any PEM data in key input"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "tls: private key does not match public key"
    if isinstance(error, ssl.SSLError) and error.reason in ("KEY_TYPE_MISMATCH", "UNKNOWN_CERTIFICATE_TYPE"):
        return "tls: private key type does not match public key type"
    return f"tls: failed to parse certificate or private key: {str(error).partition(' (_ssl')[0]}"
