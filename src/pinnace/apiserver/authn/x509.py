"""Client certificates: the common name is the user, each organization a group. The TLS layer has verified the chain."""

from typing import Any

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.request import PeerCertificate, Request


def peer_certificate(fields: Any) -> PeerCertificate | None:
    """From what `ssl.SSLSocket.getpeercert()` returns; None when the client sent no certificate."""
    if not fields:
        return None
    common_name, organizations = "", []
    for relative_name in fields.get("subject", ()):
        for key, value in relative_name:
            if key == "commonName":
                common_name = value
            elif key == "organizationName":
                organizations.append(value)
    return (
        PeerCertificate(common_name, tuple(organizations), fields.get("issuer", ())) if common_name else None
    )


async def authenticate_certificate(request: Request) -> User | None:
    certificate = request.certificate
    return User(certificate.common_name, certificate.organizations) if certificate else None
