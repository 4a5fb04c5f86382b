"""TLS certificates from Secrets: judged here, because HAProxy refuses its whole configuration for one bad file.

Left out: encrypted keys, certificates of other clients' authorities (mutual TLS), OCSP.
"""

import ssl
import tempfile
from collections.abc import Iterable, Mapping

LIST_FILE = "list"  # HAProxy's crt-list, beside the certificates


def problem(chain: bytes, key: bytes) -> str:
    """Why a server could not use this pair, in OpenSSL's words; "" when it can."""
    with tempfile.NamedTemporaryFile() as certificate, tempfile.NamedTemporaryFile() as secret:
        certificate.write(chain)
        secret.write(key)
        certificate.flush()
        secret.flush()
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.name, secret.name, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            return str(error)
    return ""


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted")


def listed(directory: str, hosts: Mapping[str, Iterable[str]]) -> bytes:
    """The crt-list: file by file the host names it is for, in order of precedence; without names those of the certificate."""
    lines = [" ".join((f"{directory}/{file}", *names)) for file, names in hosts.items()]
    return "".join(f"{line}\n" for line in lines).encode()
