"""Client certificates: the common name is the user, each organization a group, one attribute the uid. The TLS layer has verified the chain."""

import math
import ssl
from typing import Any

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.request import PeerCertificate, Request

_USER_UID = "1.3.6.1.4.1.57683.2"  # Kubernetes' attribute of a subject for the user's uid


def peer_certificate(fields: Any) -> PeerCertificate | None:
    """From what `ssl.SSLSocket.getpeercert()` returns; None when the client sent no certificate."""
    if not fields:
        return None
    common_name, uid, organizations = "", "", []
    for relative_name in fields.get("subject", ()):
        for key, value in relative_name:
            if key == "commonName":
                common_name = value
            elif key == "organizationName":
                organizations.append(value)
            elif key == _USER_UID:
                uid = value
    if not common_name:
        return None
    end = ssl.cert_time_to_seconds(fields["notAfter"]) if "notAfter" in fields else math.inf
    return PeerCertificate(common_name, tuple(organizations), fields.get("issuer", ()), uid, end)


async def authenticate_certificate(request: Request) -> User | None:
    certificate = request.certificate
    return User(certificate.common_name, certificate.organizations, certificate.uid) if certificate else None
