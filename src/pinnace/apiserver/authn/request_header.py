"""Users that a front proxy vouches for: it shows a certificate of its own CA, and names the user in headers.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/authentication/request/headerrequest/requestheader.go
"""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.request import PeerCertificate, Request


def subjects(bundle: Path) -> frozenset[Any]:
    """Of the CA certificates in a PEM file, in the form in which a peer's issuer comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(bundle)
    return frozenset(authority["subject"] for authority in context.get_ca_certs())


class RequestHeaderAuthenticator:
    """The TLS layer has verified the chain; whose CA it was tells the issuer's name.

    Raises ValueError when that name would not tell: the proxy's CA must not share its subject with another CA of clients.
    """

    def __init__(self, config: ApiServerConfig, authority: Path) -> None:
        self._config = config
        self._subjects = subjects(authority)
        clients = subjects(config.client_ca_file)
        self._is_also_for_clients = authority.read_bytes() == config.client_ca_file.read_bytes()
        if self._subjects & clients and not self._is_also_for_clients:
            raise ValueError(
                f"{authority}: the CA of the front proxy has the same subject as the CA of clients; one of them needs another"
            )

    def has_issued(self, certificate: PeerCertificate) -> bool:
        return certificate.issuer in self._subjects

    def is_only_proxy(self, certificate: PeerCertificate) -> bool:
        """Such a certificate says nothing about a user by itself."""
        return self.has_issued(certificate) and not self._is_also_for_clients

    def user_of(self, request: Request) -> User | None:
        """Whom the headers name, if they come from the proxy."""
        certificate, allowed = request.certificate, self._config.requestheader_allowed_names
        if certificate is None or not self.has_issued(certificate):
            return None
        if allowed and certificate.common_name not in allowed:
            return None
        name = self._first(request, self._config.requestheader_username_headers)
        if not name:
            return None
        groups = tuple(
            value
            for header in self._config.requestheader_group_headers
            for value in request.header_values(header)
        )
        uid = self._first(request, self._config.requestheader_uid_headers)
        return User(name, groups, uid, self._extra(request))

    @staticmethod
    def _first(request: Request, headers: tuple[str, ...]) -> str:
        return next((value for header in headers for value in request.header_values(header) if value), "")

    def _extra(self, request: Request) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for prefix in self._config.requestheader_extra_headers_prefix:
            for header, value in request.headers.items():
                if header.lower().startswith(prefix.lower()):
                    key = unquote(header[len(prefix) :].lower())
                    found[key] = (*found.get(key, ()), value)
        return found


def front_proxy(config: ApiServerConfig) -> RequestHeaderAuthenticator | None:
    authority = config.requestheader_client_ca_file
    return RequestHeaderAuthenticator(config, authority) if authority is not None else None
